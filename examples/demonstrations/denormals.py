"""Numbers too small for the usual float format can be slow: the same operation on other values takes another time.

Single operations in ONNX Runtime on one thread, once on standard normal values and once on denormals, call by call.
Badly chosen random weights give activations that shrink from layer to layer until they are denormal.

    python examples/demonstrations/denormals.py [--quick]
"""

import argparse
import statistics
import time

import numpy as np
import onnxruntime
from onnx.parser import parse_model

SIZE = 1024
OPERATIONS = {
    "matrix product": "y = MatMul (x, w)",
    "multiply and add": "t = Mul (x, w) y = Add (t, x)",
    "division": "y = Div (x, w)",
    "square root": "t = Abs (x) y = Sqrt (t)",
    "exponential": "y = Exp (x)",
}


def make_session(operation: str) -> onnxruntime.InferenceSession:
    """Return a session of one thread that runs one operation on SIZE x SIZE values and weights of 1.5."""
    text = f"""<ir_version: 8, opset_import: ["": 17]> one (float[{SIZE}, {SIZE}] x) => (float[{SIZE}, {SIZE}] y) {{
        s = Constant <value_ints = [{SIZE}, {SIZE}]> ()
        w = ConstantOfShape <value = float[1] {{1.5}}> (s)
        {operation} }}"""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(parse_model(text).SerializeToString(), options)


def main() -> None:
    """Measure both kinds of values call by call, and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rounds = 3 if parser.parse_args().quick else 100
    usual = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    tiny = usual * (np.finfo(np.float32).tiny / 32)
    print(f"{'operation':20}{'usual ms':>10}{'denormal ms':>13}{'ratio':>8}")
    for label, operation in OPERATIONS.items():
        session = make_session(operation)
        durations: list[list[float]] = [[], []]
        for number in range(rounds + 1):
            for values, own in zip((usual, tiny), durations, strict=True):
                started = time.perf_counter()
                session.run(None, {"x": values})
                if number:  # the first is the warm-up
                    own.append((time.perf_counter() - started) * 1000)
        before, after = map(statistics.median, durations)
        print(f"{label:20}{before:10.2f}{after:13.2f}{after / before:7.2f}x")


if __name__ == "__main__":
    main()
