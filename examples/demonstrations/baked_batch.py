"""An export can hold the example's batch size: either it refuses every other one, or it computes something else.

Two exports of the same small module, and what ortbench's comparison of outputs says of them at two batch sizes.

    python examples/demonstrations/baked_batch.py [--quick]
"""

import argparse
import io
import logging
import warnings
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from ortbench.models.parity import compare_outputs

onnxruntime.set_default_logger_severity(4)  # its own account of a refused input is long


class Centred(nn.Module):
    """Subtracts the batch's mean from a linear layer, dividing by a length that tracing sees as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each row has beyond the mean."""
        y = self.linear(x)
        return y - y.sum(0) / len(y)


def export(module: nn.Module, example: torch.Tensor, *, declare: bool) -> bytes:
    """Trace to ONNX, with the batch declared to be dynamic or not."""
    axes: dict[str, Any] = {"x": {0: "batch"}, "y": {0: "batch"}} if declare else {}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # among them the tracer's, that a length became a constant
        torch.onnx.export(
            module, (example,), file, input_names=["x"], output_names=["y"], dynamic_axes=axes, dynamo=False
        )
    return file.getvalue()


def judge(model: bytes, module: nn.Module, batch: int) -> str:
    """Return how the ONNX model's output at this batch size compares with PyTorch's."""
    x = np.linspace(-1, 1, batch * 8, dtype=np.float32).reshape(batch, 8)
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    session = onnxruntime.InferenceSession(model)
    try:
        [output] = session.run(None, {"x": x})
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no other common base
        return "refused: " + str(error).splitlines()[0].split(" : ")[-1]
    parity = compare_outputs({"y": output}, {"y": expected}, "torch")
    return "agrees" if parity.ok else f"WRONG: {parity.reason}"


def main() -> None:
    """Export twice and judge each at batch sizes 2 and 3."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the same; it takes some seconds anyway")
    parser.parse_args()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.manual_seed(0)
    module = Centred().eval()
    for label, declare in (("batch not declared", False), ("batch declared dynamic", True)):
        model = export(module, torch.ones(2, 8), declare=declare)
        for batch in (2, 3):
            print(f"{label}, exported with 2, run with {batch}: {judge(model, module, batch)}")


if __name__ == "__main__":
    main()
