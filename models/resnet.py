"""The ResNet family of torchvision (He et al., Deep Residual Learning for Image Recognition, 2015)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ortbench.models.spec import BATCH, ModelSpec, TensorSpec

if TYPE_CHECKING:
    import torch

_DEPTHS = (18, 34, 50, 101, 152)


def _build(name: str, weights: str | None) -> torch.nn.Module:
    from torchvision.models import get_model

    model: torch.nn.Module = get_model(name, weights=weights)
    return model


def _preprocess(name: str) -> Callable[[Any], torch.Tensor]:
    """Return the preprocessing published with the weights: resize, crop, scale, normalise."""
    from torchvision.models import get_model_weights

    transforms: Callable[[Any], torch.Tensor] = get_model_weights(name).DEFAULT.transforms()
    return transforms


def _spec(depth: int) -> ModelSpec:
    name = f"resnet{depth}"
    return ModelSpec(
        name=name,
        inputs=(TensorSpec("input", (BATCH, 3, 224, 224)),),
        outputs=(TensorSpec("output", (BATCH, 1000)),),
        build=partial(_build, name, None),
        pretrained=partial(_build, name, "DEFAULT"),
        about=f"torchvision ResNet-{depth}, 1000 classes, images of 224x224",
        preprocess=partial(_preprocess, name),
        libraries=("torchvision",),
    )


SPECS = tuple(_spec(depth) for depth in _DEPTHS)
