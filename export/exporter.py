"""Export a catalog model, check the file, and prove that it computes the same. Imports torch; for workers."""

from __future__ import annotations

import copy
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
    read_artifact,
)
from ortbench.export.cache import artifact_folder
from ortbench.export.checking import check_file, check_parity, file_outputs, module_outputs
from ortbench.export.onnx_file import default_opset, model_sha256, read_signature
from ortbench.export.quantizing import convert_to_float16, quantization_identity, quantize
from ortbench.locking import holder, lock_of, locked
from ortbench.models.files import file_sha256
from ortbench.models.inputs import Arrays, make_inputs
from ortbench.models.loading import load_module
from ortbench.models.spec import BATCH, ModelSource

if TYPE_CHECKING:
    import torch

DEFAULT_OPSET = 18
EXPORTERS = ("dynamo", "torchscript")
# bfloat16 is not among them: neither ONNX Runtime's CPU provider nor the checker could say whether it is right.
ARTIFACT_PRECISIONS = ("fp32", "fp16", "int8")
_EXAMPLE_BATCH = 2
# An export takes no longer, or its process is ended.
_LONGEST_WAIT_S = 1800.0
_VERSIONED = ("torch", "torchvision", "onnx", "onnxscript")


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to export and how.

    Attributes:
        source: a catalog model; an .onnx file only where `precision` is not fp32.
        precision: of the artifact, one of ARTIFACT_PRECISIONS.
        output: the folder for the artifact; None for its place in the cache.
        scratch: an existing folder to build in, on the same file system, which the caller clears whatever
            becomes of this process; None to make one.
    """

    source: ModelSource
    opset: int = DEFAULT_OPSET
    exporter: str = "dynamo"
    precision: str = "fp32"
    output: str | None = None
    scratch: str | None = None


def export_model(request: ExportRequest) -> Artifact:
    """Return the artifact of `request`, reused where a whole one of the same identity exists.

    The folder appears under its name only when everything in it has been checked. Where another process is making the
    same, this one waits and uses what that made.

    Raises:
        ExportError: the model cannot be exported, or the ONNX file is invalid or disagrees with eager PyTorch.
        ModelError: the weights cannot be had.
    """
    if existing := find_export(request):
        return existing
    identity = export_identity(request)
    folder = _folder(request, identity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock_of(folder), f"The exported model '{folder}'", _LONGEST_WAIT_S):
        return read_artifact(folder, identity) or _make(request, identity, folder)


def _make(request: ExportRequest, identity: ExportIdentity, folder: Path) -> Artifact:
    with tempfile.TemporaryDirectory(prefix=".export-", dir=request.scratch or folder.parent) as scratch:
        manifest = _build(request, identity, Path(scratch))
        _move_into_place(Path(scratch), folder)
    return Artifact(folder=str(folder), manifest=manifest, reused=False)


def find_export(request: ExportRequest) -> Artifact | None:
    """Return the artifact of `request` if a whole one is there already; imports nothing heavy."""
    identity = export_identity(request)
    return read_artifact(_folder(request, identity), identity)


def who_exports(request: ExportRequest) -> str | None:
    """Return which process is making the artifact of `request`, e.g. `process 4711`; None where none is."""
    return holder(lock_of(_folder(request, export_identity(request))))


def _folder(request: ExportRequest, identity: ExportIdentity) -> Path:
    return Path(request.output) if request.output else artifact_folder(identity)


def export_identity(request: ExportRequest) -> ExportIdentity:
    """Return what makes this export the same as another.

    Raises:
        ModelError: the weights' file cannot be read.
    """
    if request.source.path is not None:
        return _file_identity(request, Path(request.source.path))
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
        precision=request.precision,
        versions=_versions(request),
        quantization=_quantization(request),
    )


def _file_identity(request: ExportRequest, path: Path) -> ExportIdentity:
    return ExportIdentity(
        model=request.source.name,
        weights=f"sha256:{model_sha256(path)}",
        seed=0,
        opset=default_opset(path) or 0,
        exporter="file",
        precision=request.precision,
        versions=_versions(request),
        quantization=_quantization(request),
    )


def _versions(request: ExportRequest) -> dict[str, str]:
    converts = request.precision == "int8" or request.source.path is not None
    names = (() if request.source.path else _VERSIONED) + (("onnxruntime", "onnx") if converts else ())
    return {name: importlib.metadata.version(name) for name in names}


def _quantization(request: ExportRequest) -> dict[str, str]:
    return quantization_identity(request.source) if request.precision == "int8" else {}


def _build(request: ExportRequest, identity: ExportIdentity, folder: Path) -> Manifest:
    path = folder / MODEL_FILE
    expected, flops = _write_model(request, path)
    check_file(path)
    inputs, outputs = read_signature(path)
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        identity=identity,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        flops_per_item=flops,
        parity=check_parity(expected, request.source, request.precision, path),
    ).signed()
    encoded = msgspec.json.format(msgspec.json.encode(manifest))
    (folder / MANIFEST_FILE).write_bytes(encoded + b"\n")
    return manifest


def _write_model(request: ExportRequest, path: Path) -> tuple[dict[int, Arrays], int | None]:
    """Write the artifact; return the fp32 original's outputs by batch size, and its operations for one item."""
    source = request.source
    if source.path is not None:
        base = Path(source.path)
        (quantize if request.precision == "int8" else convert_to_float16)(source, base, path)
        return file_outputs(source, base), None
    module = load_module(source)
    if request.precision == "int8":
        quantize(source, export_model(_base_request(request)).path, path)
    else:
        _write_onnx(_in_float16(module) if request.precision == "fp16" else module, request, path)
    return module_outputs(module, source), _count_flops(module, source)


def _base_request(request: ExportRequest) -> ExportRequest:
    """Return the request for the fp32 artifact that a quantised one is made of; it stays in the cache."""
    scratch = None if request.output else request.scratch
    return msgspec.structs.replace(request, precision="fp32", output=None, scratch=scratch)


def _in_float16(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy with float16 weights that takes and gives float32, so that every engine gets the same arrays."""
    import torch

    class Float16(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *tensors: torch.Tensor) -> Any:
            halves = [tensor.half() if tensor.is_floating_point() else tensor for tensor in tensors]
            result = self.inner(*halves)
            many = isinstance(result, (tuple, list))
            return tuple(each.float() for each in result) if many else result.float()

    return Float16(copy.deepcopy(module).half()).eval()


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
        shapes = tuple({0: batch} for _ in tensors)
        # The module in fewer bits takes any number of inputs, which torch.export counts as one.
        dynamic_shapes = shapes if request.precision == "fp32" else (shapes,)
        options |= {"dynamo": True, "verbose": False, "dynamic_shapes": dynamic_shapes}
    else:
        names = options["input_names"] + options["output_names"]
        options |= {"dynamo": False, "dynamic_axes": {name: {0: BATCH} for name in names}}
    torch.onnx.export(module, tensors, path, **options)


def _count_flops(module: torch.nn.Module, source: ModelSource) -> int | None:
    """Count one item's operations on meta tensors, so that nothing is computed; the weights are gone after it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    arrays = make_inputs(source, 1)
    inputs = [torch.from_numpy(arrays[spec.name]).to("meta") for spec in source.inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta")(*inputs)
    return int(counter.get_total_flops()) or None
