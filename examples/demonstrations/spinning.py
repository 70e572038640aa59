"""ONNX Runtime's threads go on spinning after a call, and take that time from whatever runs next.

First the CPU time that the process uses while it sleeps after a call. Then how long a matrix product of PyTorch takes
when it follows a call of ONNX Runtime in the same process.

    python examples/demonstrations/spinning.py [--quick]
"""

import argparse
import os
import statistics
import time

import numpy as np
import onnxruntime
import torch
from onnx.parser import parse_model

SLEEP_S = 0.2
MODEL = """<ir_version: 8, opset_import: ["": 17]>
    product (float[N, 512] x) => (float[N, 512] y) {
    s = Constant <value_ints = [512, 512]> ()
    w = ConstantOfShape <value = float[1] {0.002}> (s)
    t = MatMul (x, w)
    y = MatMul (t, w) }"""


def make_session(*, spinning: bool) -> onnxruntime.InferenceSession:
    """Return a session with a thread for each CPU, which may spin between calls or not."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(2, len(os.sched_getaffinity(0)))
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    return onnxruntime.InferenceSession(parse_model(MODEL).SerializeToString(), options)


def main() -> None:
    """Measure both, in turns, and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rounds = 1 if parser.parse_args().quick else 40
    feed = {"x": np.ones((256, 512), np.float32)}
    torch.inference_mode().__enter__()
    matrix = torch.ones(768, 768)
    cases = {
        "spinning (the default)": make_session(spinning=True),
        "allow_spinning=0": make_session(spinning=False),
        "no call of ONNX Runtime": None,
    }
    asleep: dict[str, list[float]] = {label: [] for label in cases}
    product: dict[str, list[float]] = {label: [] for label in cases}
    for _ in range(rounds):
        for label, session in cases.items():
            time.sleep(SLEEP_S)  # what spins after the case before has ended
            if session:
                session.run(None, feed)
            used = time.process_time()
            time.sleep(SLEEP_S)
            asleep[label].append((time.process_time() - used) * 1000)
            matrix @ matrix  # PyTorch's own threads are awake before its time is taken
            if session:
                session.run(None, feed)
            started = time.perf_counter()
            matrix @ matrix
            product[label].append((time.perf_counter() - started) * 1000)
    print(f"{'before it':28}{f'CPU ms in {SLEEP_S} s of sleep':>26}{'ms of the product':>20}")
    for label in cases:
        print(f"{label:28}{statistics.median(asleep[label]):26.1f}{statistics.median(product[label]):20.2f}")


if __name__ == "__main__":
    main()
