"""A network of four layers, for trying out the whole path in seconds; its speed says nothing about others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ortbench.models.spec import BATCH, ModelSpec, TensorSpec

if TYPE_CHECKING:
    import torch


def _build() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


SPECS = (
    ModelSpec(
        name="tiny",
        inputs=(TensorSpec("input", (BATCH, 3, 32, 32)),),
        outputs=(TensorSpec("output", (BATCH, 10)),),
        build=_build,
        pretrained=None,
        about="a toy of four layers on images of 32x32, to try ortbench out in seconds",
    ),
)
