"""PyTorch's precision: what is turned off in every lane, what a lane is computed in, and what torch says afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_FPMATH = "ONEDNN_DEFAULT_FPMATH_MODE"
_HALVES = {"bf16": "bfloat16", "fp16": "float16"}


def pin_precision(precision: str) -> None:
    """Turn off whatever computes fp32 in less, and TF32 on in the lane of that name; before anything is computed.

    cuDNN convolutions use TF32 by default, and oneDNN uses bfloat16 for fp32 where its environment says so; it reads
    that when it makes its first primitive.
    """
    import torch

    os.environ[_FPMATH] = "STRICT"
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    onednn: Any = torch.backends.mkldnn  # its stub knows no operators
    for backend in (onednn.conv, onednn.matmul, onednn.rnn):
        backend.fp32_precision = "ieee"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def lane_dtype(precision: str) -> torch.dtype:
    """Return what floating-point weights and inputs are in; int8 takes float32 and converts by itself."""
    import torch

    dtype: torch.dtype = getattr(torch, _HALVES.get(precision, "float32"))
    return dtype


def to_lane(tensor: torch.Tensor, precision: str) -> torch.Tensor:
    """Return a tensor in the lane's type if it is of floating point and the lane has one of its own."""
    return tensor.to(lane_dtype(precision)) if precision in _HALVES and tensor.is_floating_point() else tensor


def parameter_types(module: torch.nn.Module) -> str:
    """Return the types of a module's weights, quantised ones included, e.g. `float32` or `qint8`."""
    found = {_name(parameter.dtype) for parameter in module.parameters()}
    for part in module.modules():
        weight = getattr(part, "weight", None)
        if callable(weight):  # a quantised layer's packed weights
            found.add(_name(weight().dtype))
    return _listed(found)


def reported_precision(parameters: str, output: torch.Tensor) -> dict[str, str]:
    """Return what torch says of its precision, after a run.

    Args:
        parameters: types of the weights; empty where they cannot be seen.
        output: the first one, before any conversion.
    """
    import torch

    onednn: Any = torch.backends.mkldnn
    tf32 = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    return ({"parameters": parameters} if parameters else {}) | {
        "output": _name(output.dtype),
        "tf32": "on" if all(tf32) else "partly on" if any(tf32) else "off",
        "matmul": torch.get_float32_matmul_precision(),
        "onednn": _listed(str(backend.fp32_precision) for backend in (onednn.conv, onednn.matmul)),
        "onednn_environment": os.environ.get(_FPMATH, "unset").lower(),
    }


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))
