"""A model as the rest of ortbench sees it: named inputs and outputs, and how to build it in PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.models.file_facts import FileFacts

if TYPE_CHECKING:
    import torch

# A dimension is a size, the batch, or a symbol that an ONNX file leaves open.
BATCH = "batch"
# The whole shape of an input whose number of dimensions the file does not even tell.
UNKNOWN_RANK = "..."
Dimension = int | str


class TensorSpec(msgspec.Struct, frozen=True):
    """One input or output.

    Attributes:
        name: as in the ONNX graph.
        shape: sizes; `"batch"` where the batch goes; another symbol where the model leaves it open.
        dtype: numpy's name, e.g. `float32`; `str` for text.
        values: what it is filled with, as `--values` takes it (`0..30521`); None for what is usual of its type.
    """

    name: str
    shape: tuple[Dimension, ...]
    dtype: str = "float32"
    values: str | None = None


class ModelSource(msgspec.Struct, frozen=True, kw_only=True):
    """Which model is meant, in a form that can be sent to another process.

    Attributes:
        name: the catalog's name, or an .onnx file's stem.
        path: the .onnx file, if it is one.
        weights: `random`, `pretrained`, or a state dict's path (for a catalog model).
        seed: of the random weights and of the inputs.
        inputs, outputs: their names, shapes and types.
        inputs_file: an .npz with arrays for the inputs, instead of seeded ones.
        fixed_batch: how many items a call has where no dimension is open as the batch.
        facts: of an .onnx file; nothing is special about a catalog model.
    """

    name: str
    path: str | None = None
    weights: str = "random"
    seed: int = 0
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()
    inputs_file: str | None = None
    fixed_batch: int = 1
    facts: FileFacts = FileFacts()


def has_batch(source: ModelSource) -> bool:
    """Say whether any number of items goes into a call."""
    return any(BATCH in spec.shape for spec in source.inputs)


@dataclass(frozen=True)
class ModelSpec:
    """A catalog entry: what it is, and how it is built without importing torch to describe it.

    Attributes:
        build: returns the model with random weights (the caller seeds torch first), in training or eval mode.
        pretrained: returns the model with its published weights; downloads them if need be.
        about: one line for `ortbench models`.
        preprocess: returns what turns an RGB image (PIL's) into one item of the first input; None where the
            model takes no images.
        libraries: what `build` imports beside torch; imported with the engine's own, so that building is told apart.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    build: Callable[[], torch.nn.Module]
    pretrained: Callable[[], torch.nn.Module] | None
    about: str
    preprocess: Callable[[], Callable[[Any], torch.Tensor]] | None = None
    libraries: tuple[str, ...] = ()

    def source(self, weights: str = "random", seed: int = 0, inputs_file: str | None = None) -> ModelSource:
        """Return this model with these weights as something that can be sent to a worker."""
        known = weights in ("random", "pretrained")
        return ModelSource(
            name=self.name,
            weights=weights if known else os.path.abspath(weights),  # noqa: PTH100 - no symlink is resolved
            seed=seed,
            inputs=self.inputs,
            outputs=self.outputs,
            inputs_file=inputs_file,
        )
