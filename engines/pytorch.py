"""Eager PyTorch, the reference of every catalog model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ortbench.engines.torch_base import TorchFamilyEngine

if TYPE_CHECKING:
    import torch

    from ortbench.engines.base import LoadRequest


class TorchEngine(TorchFamilyEngine):
    """The module itself, called as a user calls it."""

    def prepare_module(self, module: torch.nn.Module, request: LoadRequest) -> Any:  # noqa: ARG002 - the interface's
        """Return the module unchanged."""
        return module
