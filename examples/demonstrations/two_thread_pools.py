"""PyTorch and ONNX Runtime have a thread pool each: limiting one says nothing to the other, and the ratio moves.

Eight matrix products of 1024 x 1024 at batch size 64 in both, with the thread counts set in three ways. "CPUs busy" is
the process's CPU time over the wall time.

    python examples/demonstrations/two_thread_pools.py [--quick]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import onnxruntime
import torch
from onnx.parser import parse_model

LAYERS, WIDTH, BATCH = 8, 1024, 64


def product_chain() -> bytes:
    """Return the model as ONNX: the same matrix is multiplied with eight times."""
    lines = [f"t{layer + 1} = MatMul (t{layer}, w)" for layer in range(LAYERS)]
    text = f"""<ir_version: 8, opset_import: ["": 17]>
        chain (float[N, {WIDTH}] t0) => (float[N, {WIDTH}] t{LAYERS}) {{
        s = Constant <value_ints = [{WIDTH}, {WIDTH}]> ()
        w = ConstantOfShape <value = float[1] {{{1 / WIDTH}}}> (s)
        {" ".join(lines)} }}"""
    return bytes(parse_model(text).SerializeToString())


def measure(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Return the median latency in ms and the number of busy CPUs."""
    call()
    time.sleep(0.2)  # threads of the other library that still wait for work take no part
    durations, wall, cpu = [], time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        started = time.perf_counter()
        call()
        durations.append(time.perf_counter() - started)
    busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return statistics.median(durations) * 1000, busy


def main() -> None:
    """Measure the three settings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    seconds = 0.1 if parser.parse_args().quick else 2.0
    torch.inference_mode().__enter__()
    x = torch.ones(BATCH, WIDTH)
    matrix = torch.full((WIDTH, WIDTH), 1 / WIDTH)
    feed, model = {"t0": x.numpy()}, product_chain()

    def in_torch() -> None:
        y = x
        for _ in range(LAYERS):
            y = y @ matrix

    print(f"{'':34}{'torch':>20}{'ort':>20}{'ratio':>8}")
    for label, torch_threads, ort_threads in (
        ("nothing set", torch.get_num_threads(), 0),
        ("torch.set_num_threads(1)", 1, 0),
        ("one thread each, each told so", 1, 1),
    ):
        torch.set_num_threads(torch_threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = ort_threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, feed)[0], 1, rtol=1e-4)
        both = measure(in_torch, seconds), measure(partial(session.run, None, feed), seconds)
        shown = [f"{latency:.1f} ms, {busy:.1f} CPUs" for latency, busy in both]
        print(f"{label:34}{shown[0]:>20}{shown[1]:>20}{both[0][0] / both[1][0]:7.2f}x")


if __name__ == "__main__":
    main()
