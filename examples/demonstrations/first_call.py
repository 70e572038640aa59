"""The first call pays for what later calls do not: averaged in, it makes every engine look slower than it is.

Import, load, first call and the calls after it, of a small convolutional network in PyTorch and of its export in ONNX
Runtime; and what an average over ten calls says when the first one is among them.

    python examples/demonstrations/first_call.py [--quick]
"""

import argparse
import io
import statistics
import time
import warnings
from collections.abc import Callable


def timed(call: Callable[[], object]) -> float:
    """Return the duration of a call in ms."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def import_torch() -> None:
    """Import PyTorch."""
    import torch  # noqa: F401


def import_onnxruntime() -> None:
    """Import ONNX Runtime."""
    import onnxruntime  # noqa: F401


def main() -> None:
    """Time everything once, in the order in which a program does it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    calls = 10 if parser.parse_args().quick else 200
    imports = {"ort": timed(import_onnxruntime), "torch": timed(import_torch)}
    import onnxruntime
    import torch
    from torch import nn

    def build() -> nn.Module:
        body = [layer for _ in range(6) for layer in (nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())]
        return nn.Sequential(nn.Conv2d(3, 32, 3, stride=2), *body, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()

    def report(name: str, load_ms: float, call: Callable[[], object]) -> None:
        durations = [timed(call) for _ in range(calls)]
        later, mean = statistics.median(durations[1:]), statistics.fmean(durations[:10])
        print(f"{name:8}{imports[name]:10.0f}{load_ms:10.1f}{durations[0]:15.2f}{later:16.2f}{mean:16.2f}")

    print(f"{'':8}{'import ms':>10}{'load ms':>10}{'first call ms':>15}{'later calls ms':>16}{'mean of ten ms':>16}")
    x, file = torch.ones(1, 3, 96, 96), io.BytesIO()
    started = time.perf_counter()
    module = build()
    load_ms = (time.perf_counter() - started) * 1000
    with torch.inference_mode():
        report("torch", load_ms, lambda: module(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter announces its end
        torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"])
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(file.getvalue())
    load_ms = (time.perf_counter() - started) * 1000
    feed = {"x": x.numpy()}
    report("ort", load_ms, lambda: session.run(None, feed))


if __name__ == "__main__":
    main()
