"""From `--model` and its companions to a model source with every shape known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ortbench.errors import ModelError, UsageError
from ortbench.export.onnx_file import fixed_batch_size, read_signature
from ortbench.models.catalog import CATALOG, find_model
from ortbench.models.files import file_sha256
from ortbench.models.inputs import load_inputs_file, resolve_shapes
from ortbench.models.spec import ModelSource


@dataclass(frozen=True)
class ResolvedModel:
    """A model that can be planned for.

    Attributes:
        fixed_batch: the one batch size that an .onnx file allows; None where any goes.
    """

    source: ModelSource
    fixed_batch: int | None


def parse_input_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read `NAME=1x3x224x224`, once per input.

    Raises:
        UsageError: a text is not of that form, or names an input twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        # The last '=' divides: an input's name may hold one, a shape cannot.
        name, _, sizes = text.rpartition("=")
        if not name or not re.fullmatch(r"[1-9][0-9]*(x[1-9][0-9]*)*", sizes):
            raise UsageError(f"Expected --input-shape NAME=1x3x224x224, but got '{text}'.")
        if name in shapes:
            raise UsageError(f"Expected --input-shape once for each input, but '{name}' is there twice.")
        shapes[name] = tuple(int(size) for size in sizes.split("x"))
    return shapes


def is_file(model: str) -> bool:
    """Say whether `--model` means a file: anything that is not in the catalog and looks like a path or is one."""
    return model not in CATALOG and (model.endswith(".onnx") or "/" in model or Path(model).exists())


def resolve_model(
    model: str, weights: str | None, seed: int, shapes: Mapping[str, tuple[int, ...]], inputs: str | None
) -> ResolvedModel:
    """Find the model in the catalog or read its file, and settle every input's shape.

    Args:
        model: catalog name or path.
        weights: `random`, `pretrained` or a path; None where it was not given.
        seed: of weights and inputs.
        shapes: of `--input-shape`.
        inputs: of `--inputs`.

    Raises:
        ModelError: the model, its weights or its inputs are not usable.
    """
    arrays = load_inputs_file(Path(inputs)) if inputs else {}
    inputs_file = str(Path(inputs).absolute()) if inputs else None
    if not is_file(model):
        _check_weights(model, weights)
        source = find_model(model).source(weights or "random", seed, inputs_file)
        return ResolvedModel(_with_shapes(source, shapes, arrays), None)
    if weights is not None:
        raise ModelError(f"--weights goes with a catalog model; '{model}' brings its own weights.")
    path = Path(model)
    declared, outputs = read_signature(path)
    source = ModelSource(
        name=path.stem,
        path=str(path.absolute()),
        weights="own",
        seed=seed,
        inputs=declared,
        outputs=outputs,
        inputs_file=inputs_file,
    )
    return ResolvedModel(_with_shapes(source, shapes, arrays), fixed_batch_size(declared))


def _with_shapes(
    source: ModelSource, shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, object]
) -> ModelSource:
    return msgspec.structs.replace(source, inputs=resolve_shapes(source.inputs, shapes, arrays))  # type: ignore[arg-type]


def given_files_sha256(source: ModelSource) -> dict[str, str]:
    """Return the contents of the weights' and the inputs' files as digests, so that a file that changed is noticed."""
    given = {"--weights": source.weights, "--inputs": source.inputs_file}
    return {option: file_sha256(Path(path)) for option, path in given.items() if path and Path(path).is_absolute()}


def _check_weights(model: str, weights: str | None) -> None:
    if weights in (None, "random"):
        return
    if weights == "pretrained":
        if find_model(model).pretrained is None:
            raise ModelError(f"There are no pretrained weights for '{model}'; use --weights random.")
    elif not Path(weights or "").is_file():
        raise ModelError(
            f"Expected --weights to be one of [random, pretrained] or a state dict's file, but got '{weights}'."
        )
