"""Two identical engines, measured one after the other and turn by turn: the true ratio is 1.

Both are sessions of ONNX Runtime on the same model, one thread each. Half of a study runs the one and then the other,
as most comparisons do; half runs them call by call in alternating order and takes the ratios of neighbours.

    python examples/demonstrations/one_after_the_other.py [--quick]
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
from onnx.parser import parse_model

MODEL = """<ir_version: 8, opset_import: ["": 17]>
    product (float[N, 768] x) => (float[N, 768] y) {
    s = Constant <value_ints = [768, 768]> ()
    w = ConstantOfShape <value = float[1] {0.001}> (s)
    t = MatMul (x, w)
    y = MatMul (t, w) }"""
Call = Callable[[], object]


def make_engine() -> Call:
    """Return a function that runs the model once; every call of this one makes a session of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(parse_model(MODEL).SerializeToString(), options)
    feed = {"x": np.ones((64, 768), np.float32)}
    return lambda: session.run(None, feed)


def timed(call: Call) -> float:
    """Return the duration of one call in seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def one_after_the_other(first: Call, second: Call, seconds: float) -> float:
    """Return the ratio of the medians of two blocks of calls."""
    medians = []
    for call in (first, second):
        until, durations = time.perf_counter() + seconds / 2, [timed(call)]
        while time.perf_counter() < until:
            durations.append(timed(call))
        medians.append(statistics.median(durations))
    return medians[0] / medians[1]


def turn_by_turn(first: Call, second: Call, seconds: float) -> float:
    """Return the median ratio of neighbouring calls, on the log scale."""
    until, logs = time.perf_counter() + seconds, []
    while time.perf_counter() < until or not logs:
        logs += [math.log(timed(first) / timed(second)), -math.log(timed(second) / timed(first))]
    return math.exp(statistics.median(logs))


def main() -> None:
    """Run some studies and print both ratios of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    studies, seconds = (2, 0.2) if parser.parse_args().quick else (10, 4.0)
    first, second = make_engine(), make_engine()
    first(), second()
    print("study   one after the other   turn by turn")
    pairs = []
    for study in range(1, studies + 1):
        pairs.append((one_after_the_other(first, second, seconds), turn_by_turn(first, second, seconds)))
        print(f"{study:5}{pairs[-1][0]:22.4f}{pairs[-1][1]:15.4f}", flush=True)
    worst = [max(abs(ratio - 1) for ratio in column) for column in zip(*pairs, strict=True)]
    print(f"worst{worst[0]:22.1%}{worst[1]:15.1%}")


if __name__ == "__main__":
    main()
