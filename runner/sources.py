"""From `--model` and its companions to a model source with every shape known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from ortbench.errors import ModelError, UsageError
from ortbench.export.facts import read_facts
from ortbench.export.onnx_file import read_signature
from ortbench.export.output_shapes import with_inferred_outputs
from ortbench.models.catalog import CATALOG, find_model
from ortbench.models.files import file_sha256
from ortbench.models.inputs import check_arrays, declared_arrays
from ortbench.models.shapes import Given, SettledShapes, settle_shapes
from ortbench.models.spec import ModelSource, TensorSpec, has_batch
from ortbench.models.values import ACCEPTED, read_filling


@dataclass(frozen=True)
class ResolvedModel:
    """A model that can be planned for.

    Attributes:
        source: with every shape settled but the batch.
        shapes: how they were settled.
        declared: the inputs as the model has them, before anything was said about their shapes.
    """

    source: ModelSource
    shapes: SettledShapes
    declared: tuple[TensorSpec, ...]

    @property
    def fixed_batch(self) -> int | None:
        """How many items a call has where no dimension is open as the batch; None where any number goes."""
        return self.source.fixed_batch if not has_batch(self.source) else None

    @property
    def first_axis(self) -> int | None:
        """What the model fixes every input's first axis at; None where one is open, or they differ."""
        first = {spec.shape[0] for spec in self.declared if spec.shape}
        size = first.pop() if len(first) == 1 else None
        return size if isinstance(size, int) else None


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What was said about inputs.

    Attributes:
        shapes: of `--input-shape`.
        file: of `--inputs`, an .npz file.
        values: of `--values`.
        batch_axis: of `--batch-axis`.
        batch_sizes: of `--batch-sizes`; None where it was not given.
        divides: a batch will be divided, so that the batch of every output must be known.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    file: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    batch_axis: str | None = None
    batch_sizes: Sequence[int] | None = None
    divides: bool = False


def parse_input_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read `NAME=1x3x224x224` or `NAME=scalar`, once per input.

    Raises:
        UsageError: a text is not of that form, or names an input twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        # The last '=' divides: an input's name may hold one, a shape cannot.
        name, _, sizes = text.rpartition("=")
        if not name or not re.fullmatch(r"scalar|[0-9]{1,18}(x[0-9]{1,18})*", sizes):
            raise UsageError(f"Expected --input-shape NAME=1x3x224x224, but got '{text}'.")
        if name in shapes:
            raise UsageError(f"Expected --input-shape once for each input, but '{name}' is there twice.")
        shapes[name] = () if sizes == "scalar" else tuple(int(size) for size in sizes.split("x"))
    return shapes


def parse_values(given: Sequence[str] | Mapping[str, object]) -> dict[str, str]:
    """Read `NAME=SPEC`, once per input; or a mapping of names to what is meant, as Python has it.

    Raises:
        UsageError: a text is not of that form, or names an input twice.
    """
    if isinstance(given, Mapping):
        return {name: str(value) for name, value in given.items()}
    values: dict[str, str] = {}
    for text in given:
        # The first '=' divides: a text may hold one.
        name, divider, spec = text.partition("=")
        if not name or not divider:
            raise UsageError(f"Expected --values NAME=SPEC, SPEC being {ACCEPTED}, but got '{text}'.")
        if name in values:
            raise UsageError(f"Expected --values once for each input, but '{name}' is there twice.")
        values[name] = spec
    return values


def is_file(model: str) -> bool:
    """Say whether `--model` means a file: anything that is not in the catalog and looks like a path or is one."""
    return model not in CATALOG and (model.endswith(".onnx") or "/" in model or Path(model).exists())


def resolve_model(model: str, weights: str | None, seed: int, options: InputOptions) -> ResolvedModel:
    """Find the model in the catalog or read its file, and settle every input's shape and what it is filled with.

    Args:
        model: catalog name or path.
        weights: `random`, `pretrained` or a path; None where it was not given.
        seed: of weights and inputs.
        options: what was said about inputs.

    Raises:
        ModelError: the model, its weights or its inputs are not usable.
    """
    inputs_file = str(Path(options.file).absolute()) if options.file else None
    if not is_file(model):
        _check_weights(model, weights)
        return _settle(find_model(model).source(weights or "random", seed, inputs_file), options)
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
        facts=read_facts(path),
    )
    return _settle(source, options)


def _settle(source: ModelSource, options: InputOptions) -> ResolvedModel:
    arrays = declared_arrays(Path(options.file)) if options.file else {}
    check_arrays(source.inputs, arrays, options.values)
    given = Given(
        shapes=options.shapes,
        arrays={name: np.shape(array) for name, array in arrays.items()},
        batch_sizes=options.batch_sizes,
        batch_axis=options.batch_axis,
    )
    settled = settle_shapes(source.inputs, source.outputs, given)
    inputs = tuple(_with_values(spec, options.values, filed=spec.name in arrays) for spec in settled.inputs)
    declared = source.inputs
    source = msgspec.structs.replace(
        source, inputs=inputs, outputs=settled.outputs, fixed_batch=settled.batch.size or 1
    )
    return ResolvedModel(with_inferred_outputs(source) if options.divides else source, settled, declared)


def _with_values(spec: TensorSpec, values: Mapping[str, str], *, filed: bool) -> TensorSpec:
    """Return an input with what it is filled with, once it is known that it can be."""
    if filed:
        return spec
    spec = msgspec.structs.replace(spec, values=values.get(spec.name, spec.values))
    read_filling(spec.name, spec.dtype, spec.values)
    return spec


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
