"""The other side of `agreement.py`: ResNet50 at batch size 1, timed by a tool of the engine's own world.

    python benchmarks/other_tool.py torch|ort MODEL.onnx

Reads a number of calls a line from standard input and answers with their mean in seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs

WARM_UP = 10


def torch_timer() -> Callable[[int], float]:
    """Time with torch.utils.benchmark, threads as in the environment."""
    import torch
    from torch.utils.benchmark import Timer

    from ortbench.models.loading import load_module

    source = find_model("resnet50").source("random", 0)
    threads = int(os.environ["OMP_NUM_THREADS"])
    module = load_module(source)
    inputs = [torch.from_numpy(array.copy()) for array in make_inputs(source, 1).values()]
    with torch.inference_mode():
        timer = Timer("module(*inputs)", globals={"module": module, "inputs": inputs}, num_threads=threads)

    def mean_s(calls: int) -> float:
        with torch.inference_mode():
            return float(timer.timeit(calls).mean)

    return mean_s


def polygraphy_runner(path: str) -> Callable[[int], float]:
    """Time with Polygraphy's ONNX Runtime runner, whose `last_inference_time` is what `polygraphy run` reports."""
    import onnxruntime
    from polygraphy.backend.onnxrt import OnnxrtRunner

    # Polygraphy's own loader leaves the thread count to ONNX Runtime, which then pins its threads: another
    # configuration. Its runner takes a session that is configured as the other side's.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    runner = OnnxrtRunner(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
    runner.activate()
    feed = make_inputs(find_model("resnet50").source("random", 0), 1)

    def mean_s(calls: int) -> float:
        total = 0.0
        for _ in range(calls):
            runner.infer(dict(feed), check_inputs=False)
            total += runner.last_inference_time()
        return total / calls

    return mean_s


def main() -> None:
    """Serve."""
    engine, path = sys.argv[1:]
    # Polygraphy logs to standard output: replies get a pipe of their own.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    mean_s = torch_timer() if engine == "torch" else polygraphy_runner(path)
    mean_s(WARM_UP)
    print("ready", file=replies, flush=True)
    for line in sys.stdin:
        print(repr(mean_s(int(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
