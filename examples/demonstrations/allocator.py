"""The allocator decides how fast eager PyTorch is, and hardly how fast ONNX Runtime is.

The first layers of ResNet50 at batch size 16, with tensors of 49 MiB, every run in a process of its own. glibc gives
blocks of that size back to the kernel, so that every call faults their pages in again; ONNX Runtime has an arena.

    python examples/demonstrations/allocator.py [--quick] [--preload LIBRARY ...]
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from ctypes.util import find_library

KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}
STEM = """<ir_version: 8, opset_import: ["": 17]>
    stem (float[16, 3, 224, 224] x) => (float[16, 64, 56, 56] y) {
    s = Constant <value_ints = [64, 3, 7, 7]> ()
    w = ConstantOfShape <value = float[1] {0.01}> (s)
    c = Conv <strides = [2, 2], pads = [3, 3, 3, 3]> (x, w)
    r = Relu (c)
    y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (r) }"""


def child(engine: str, calls: int) -> None:
    """Print the median latency in ms and the page faults of a call, after two calls of warm-up."""
    if engine == "torch":
        import torch

        torch.inference_mode().__enter__()
        x, w = torch.ones(16, 3, 224, 224), torch.full((64, 3, 7, 7), 0.01)
    else:
        import numpy as np
        import onnxruntime
        from onnx.parser import parse_model

        session = onnxruntime.InferenceSession(parse_model(STEM).SerializeToString())
        feed = {"x": np.ones((16, 3, 224, 224), np.float32)}
    durations, faults = [], []
    for _ in range(2 + calls):
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        started = time.perf_counter()
        if engine == "torch":
            torch.max_pool2d(torch.conv2d(x, w, stride=2, padding=3).relu(), 3, 2, 1)
        else:
            session.run(None, feed)
        durations.append(time.perf_counter() - started)
    print(json.dumps([statistics.median(durations[2:]) * 1000, (faults[-1] - faults[2]) / (calls - 1)]))


def main() -> None:
    """Run both engines under every allocator in turn, and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--preload", nargs="*", default=[])
    parser.add_argument("--child")
    if (given := parser.parse_args()).child:
        sys.exit(child(given.child, 2 if given.quick else 20))
    libraries = [find_library(name) for name in ("tcmalloc_minimal", "jemalloc", "mimalloc")] + given.preload
    settings = {"glibc": {}, "glibc, keeping its memory": KEEPING}
    settings |= {name.rpartition("/")[2]: {"LD_PRELOAD": name} for name in libraries if name and not given.quick}
    engines = ("torch",) if given.quick else ("torch", "ort")
    seen: dict[tuple[str, str], list[list[float]]] = {}
    for _, name, engine in itertools.product(range(1 if given.quick else 5), settings, engines):
        command = [sys.executable, __file__, "--child", engine, *["--quick"] * given.quick]
        run = subprocess.run(command, env=os.environ | settings[name], check=True, capture_output=True, text=True)
        seen.setdefault((engine, name), []).append(json.loads(run.stdout))
    print(f"{'engine':8}{'allocator':30}{'ms a call':>10}{'page faults a call':>20}")
    for (engine, name), runs in sorted(seen.items(), reverse=True):
        latency, faults = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{engine:8}{name:30}{latency:10.1f}{faults:20.0f}")


if __name__ == "__main__":
    main()
