"""Export a catalog model, check the file, and prove that it computes the same. Imports torch; for workers."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.errors import ExportError, ModelError
from ortbench.export.artifact import (
    MANIFEST_FILE,
    MANIFEST_VERSION,
    MODEL_FILE,
    Artifact,
    ExportIdentity,
    Manifest,
    file_sha256,
    read_artifact,
)
from ortbench.export.cache import artifact_folder
from ortbench.export.onnx_file import read_signature
from ortbench.models.inputs import make_inputs
from ortbench.models.loading import load_module
from ortbench.models.parity import Parity, compare_outputs
from ortbench.models.spec import BATCH, ModelSource

if TYPE_CHECKING:
    import torch

DEFAULT_OPSET = 18
EXPORTERS = ("dynamo", "torchscript")
# Two sizes, neither of them the example's: a batch that was baked in fails at one of them at the latest.
PARITY_BATCH_SIZES = (1, 3)
_EXAMPLE_BATCH = 2
_VERSIONED = ("torch", "torchvision", "onnx", "onnxscript")


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to export and how.

    Attributes:
        output: the folder for the artifact; None for its place in the cache.
        scratch: an existing folder to build in, on the same file system, which the caller clears whatever
            becomes of this process; None to make one.
    """

    source: ModelSource
    opset: int = DEFAULT_OPSET
    exporter: str = "dynamo"
    output: str | None = None
    scratch: str | None = None


def export_model(request: ExportRequest) -> Artifact:
    """Return the artifact of `request`, reused where a whole one of the same identity exists.

    The folder appears under its name only when everything in it has been checked.

    Raises:
        ExportError: the model cannot be exported, or the ONNX file is invalid or disagrees with eager PyTorch.
        ModelError: the weights cannot be had.
    """
    if existing := find_export(request):
        return existing
    identity = export_identity(request)
    folder = Path(request.output) if request.output else artifact_folder(identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=request.scratch or folder.parent) as scratch:
        manifest = _build(request, identity, Path(scratch))
        _move_into_place(Path(scratch), folder)
    return Artifact(folder=str(folder), manifest=manifest, reused=False)


def find_export(request: ExportRequest) -> Artifact | None:
    """Return the artifact of `request` if a whole one is there already; imports nothing heavy."""
    identity = export_identity(request)
    return read_artifact(Path(request.output) if request.output else artifact_folder(identity), identity)


def export_identity(request: ExportRequest) -> ExportIdentity:
    """Return what makes this export the same as another.

    Raises:
        ModelError: the weights' file cannot be read.
    """
    weights = request.source.weights
    if weights not in ("random", "pretrained"):
        try:
            weights = f"sha256:{file_sha256(Path(weights))}"
        except OSError as error:
            raise ModelError(f"--weights '{weights}' cannot be read: {error.strerror}.") from error
    return ExportIdentity(
        model=request.source.name,
        weights=weights,
        seed=request.source.seed if weights == "random" else 0,
        opset=request.opset,
        exporter=request.exporter,
        precision="fp32",
        versions={name: importlib.metadata.version(name) for name in _VERSIONED},
    )


def _build(request: ExportRequest, identity: ExportIdentity, folder: Path) -> Manifest:
    module = load_module(request.source)
    path = folder / MODEL_FILE
    _write_onnx(module, request, path)
    _check(path)
    inputs, outputs = read_signature(path)
    parity = _check_parity(module, request.source, path)
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        identity=identity,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        flops_per_item=_count_flops(module, request.source),
        parity=parity,
    )
    encoded = msgspec.json.format(msgspec.json.encode(manifest))
    (folder / MANIFEST_FILE).write_bytes(encoded + b"\n")
    return manifest


def _move_into_place(scratch: Path, folder: Path) -> None:
    """Put the finished artifact at `folder`; whatever artifact is there gives way."""
    folder.mkdir(exist_ok=True)
    # The manifest goes last: without one that fits the model, a folder does not count as an artifact.
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for name in (MODEL_FILE, MANIFEST_FILE):
        os.replace(scratch / name, folder / name)  # noqa: PTH105 - atomic by its documentation


def _write_onnx(module: torch.nn.Module, request: ExportRequest, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside torch's own exporter; nothing that a user of ortbench could act on.
            warnings.simplefilter("ignore")
            _call_exporter(module, request, path)
    except Exception as error:  # whatever torch's exporter raises, it is this export that failed
        detail = str(error).strip().splitlines()
        raise ExportError(
            f"torch.onnx.export could not export '{request.source.name}' with --exporter {request.exporter} "
            f"--opset {request.opset}: {detail[0] if detail else type(error).__name__}"
        ) from error


def _call_exporter(module: torch.nn.Module, request: ExportRequest, path: Path) -> None:
    import torch

    source = request.source
    example = make_inputs(source, _EXAMPLE_BATCH)
    tensors = tuple(torch.from_numpy(example[spec.name]) for spec in source.inputs)
    options: dict[str, Any] = {
        "input_names": [spec.name for spec in source.inputs],
        "output_names": [spec.name for spec in source.outputs],
        "opset_version": request.opset,
        "external_data": False,
    }
    if request.exporter == "dynamo":
        batch = torch.export.Dim(BATCH)
        options |= {"dynamo": True, "verbose": False, "dynamic_shapes": tuple({0: batch} for _ in tensors)}
    else:
        names = options["input_names"] + options["output_names"]
        options |= {"dynamo": False, "dynamic_axes": {name: {0: BATCH} for name in names}}
    torch.onnx.export(module, tensors, path, **options)


def _check(path: Path) -> None:
    import onnx
    import onnx.checker

    try:
        # The full check runs strict shape inference over the whole graph as well.
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The exported model is not valid ONNX: {error}") from error


def _check_parity(module: torch.nn.Module, source: ModelSource, path: Path) -> dict[str, Parity]:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in source.outputs]
    parities: dict[str, Parity] = {}
    for batch_size in PARITY_BATCH_SIZES:
        inputs = make_inputs(source, batch_size)
        with torch.inference_mode():
            result = module(*(torch.from_numpy(inputs[spec.name]) for spec in source.inputs))
        tensors = result if isinstance(result, (tuple, list)) else (result,)
        expected = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
        outputs = dict(zip(names, session.run(names, inputs), strict=True))
        parity = compare_outputs(outputs, expected, "torch")
        if not parity.ok:
            raise ExportError(
                f"The export of '{source.name}' disagrees with PyTorch at batch size {batch_size}: {parity.reason}"
            )
        parities[str(batch_size)] = parity
    return parities


def _count_flops(module: torch.nn.Module, source: ModelSource) -> int | None:
    """Count one item's operations on meta tensors, so that nothing is computed; the weights are gone after it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    arrays = make_inputs(source, 1)
    inputs = [torch.from_numpy(arrays[spec.name]).to("meta") for spec in source.inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta")(*inputs)
    return int(counter.get_total_flops()) or None
