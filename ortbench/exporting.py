"""What `ortbench export` does, as a function."""

from __future__ import annotations

from pathlib import Path

from ortbench.errors import UsageError, expected_one_of
from ortbench.export.artifact import MANIFEST_FILE, Artifact
from ortbench.export.exporter import ARTIFACT_PRECISIONS, EXPORTERS, ExportRequest, find_export
from ortbench.runner.jobs import run_export
from ortbench.runner.sources import InputOptions, is_file, resolve_model

_OLDEST_OPSET = 7


def export(  # noqa: PLR0913 - one for each option
    *,
    model: str,
    weights: str | None,
    seed: int,
    opset: str,
    exporter: str,
    output: str | None,
    precision: str = "fp32",
) -> Artifact:
    """Export a catalog model, or find its export.

    Raises:
        UsageError: an option is wrong; nothing was written.
        ExportError: the export failed or disagrees with PyTorch.
    """
    if precision not in ARTIFACT_PRECISIONS:
        raise UsageError(expected_one_of("--precision", ARTIFACT_PRECISIONS, precision))
    if is_file(model) and precision == "fp32":
        raise UsageError(f"'{model}' is an ONNX file already; `ortbench compare --model {model}` runs it.")
    number = _parse_opset(opset)
    if exporter not in EXPORTERS:
        raise UsageError(expected_one_of("--exporter", EXPORTERS, exporter))
    source = resolve_model(model, weights, seed, InputOptions()).source
    if output is not None:
        _check_export_folder(Path(output))
    folder = str(Path(output).absolute()) if output is not None else None
    request = ExportRequest(source=source, opset=number, exporter=exporter, precision=precision, output=folder)
    return find_export(request) or run_export(request)


def _parse_opset(text: str) -> int:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not (text.isascii() and text.isdecimal()) or not _OLDEST_OPSET <= int(text) <= newest:
        raise UsageError(f"Expected --opset to be a whole number from {_OLDEST_OPSET} to {newest}, but got '{text}'.")
    return int(text)


def _check_export_folder(folder: Path) -> None:
    if folder.suffix == ".onnx":
        raise UsageError(
            f"Expected --output to be a folder, for model.onnx and its manifest, but got the file '{folder}'."
        )
    if folder.is_file():
        raise UsageError(f"Expected --output to be a folder, but '{folder}' is a file.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_FILE).exists():
        raise UsageError(f"The output folder '{folder}' already holds other files. Give one that is new or empty.")
