"""Whether an exported file is valid, and computes what the original computes. Imports torch or ONNX Runtime late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ortbench.errors import ExportError
from ortbench.models.inputs import Arrays, make_inputs
from ortbench.models.parity import Parity, compare_outputs, tolerance_for
from ortbench.models.spec import ModelSource, has_batch

if TYPE_CHECKING:
    import torch

# Two sizes, neither of them the example's: a batch that was baked in fails at one of them at the latest.
PARITY_BATCH_SIZES = (1, 3)


def check_file(path: Path) -> None:
    """Check that a file is valid ONNX.

    Raises:
        ExportError: it is not.
    """
    import onnx
    import onnx.checker

    try:
        # The full check runs strict shape inference over the whole graph as well.
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The exported model is not valid ONNX: {error}") from error


def module_outputs(module: torch.nn.Module, source: ModelSource) -> dict[int, Arrays]:
    """Return what eager PyTorch gives at each batch size that parity is checked at."""
    import torch

    names = [spec.name for spec in source.outputs]
    outputs = {}
    for batch_size in PARITY_BATCH_SIZES:
        inputs = make_inputs(source, batch_size)
        with torch.inference_mode():
            result = module(*(torch.from_numpy(inputs[spec.name]) for spec in source.inputs))
        tensors = result if isinstance(result, (tuple, list)) else (result,)
        outputs[batch_size] = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    return outputs


def file_outputs(source: ModelSource, path: Path) -> dict[int, Arrays]:
    """Return what ONNX Runtime makes of a file without optimising it, at the same batch sizes or the fixed one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sizes = PARITY_BATCH_SIZES if has_batch(source) else (1,)
    return {size: _run(session, make_inputs(source, size)) for size in sizes}


def _run(session: Any, inputs: Arrays) -> Arrays:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def check_parity(expected: dict[int, Arrays], source: ModelSource, precision: str, path: Path) -> dict[str, Parity]:
    """Compare what ONNX Runtime makes of the exported file with the original's outputs.

    Args:
        expected: the original's outputs by batch size.
        source: the model and its inputs.
        precision: the lane whose tolerances apply.
        path: of the exported file.

    Raises:
        ExportError: they disagree.
    """
    import onnxruntime

    original = "the file" if source.path else "PyTorch"
    reference = "ort[graph_optimization_level=disable]" if source.path else "torch"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    parities: dict[str, Parity] = {}
    for batch_size, outputs in expected.items():
        computed = _run(session, make_inputs(source, batch_size))
        parity = compare_outputs(computed, outputs, reference, tolerance_for(precision))
        if not parity.ok:
            how = "" if precision == "fp32" else f" in {precision}"
            raise ExportError(
                f"The export of '{source.name}'{how} disagrees with {original} at batch size {batch_size}: "
                f"{parity.reason}"
            )
        parities[str(batch_size)] = parity
    return parities
