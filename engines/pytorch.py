"""Eager PyTorch, the reference of every catalog model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ortbench.engines.base import Arrays
from ortbench.engines.torch_base import TorchFamilyEngine

if TYPE_CHECKING:
    import torch

    from ortbench.engines.base import LoadRequest

# What only the reference computes in; it is no lane, so no arm can be asked for it.
DOUBLE = "fp64"


class TorchEngine(TorchFamilyEngine):
    """The module itself, called as a user calls it."""

    _double = False

    def prepare_module(self, module: torch.nn.Module, request: LoadRequest) -> Any:
        """Return the module unchanged, or in double precision where it serves as such a reference."""
        self._double = request.precision == DOUBLE
        return module.double() if self._double else module

    def bind(self, inputs: Arrays) -> None:
        """See the base class; a double-precision reference takes the same values, wider."""
        if self._double:
            inputs = {name: _widened(array) for name, array in inputs.items()}
        super().bind(inputs)

    def intermediates(self, visit: Callable[[str, NDArray[np.generic]], None]) -> bool:
        """Show the output of every layer without layers of its own; a second call of one under a name of its own."""
        calls: Counter[str] = Counter()
        hooks = [
            module.register_forward_hook(_showing(name, calls, visit))
            for name, module in self._call.named_modules()
            if not any(module.children())
        ]
        try:
            self.run()
            self.synchronize()
        finally:
            for hook in hooks:
                hook.remove()
        return True


def _widened(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _showing(name: str, calls: Counter[str], visit: Callable[[str, NDArray[np.generic]], None]) -> Any:
    def show(_module: Any, _inputs: Any, output: Any) -> None:
        if not hasattr(output, "numpy"):
            return
        calls[name] += 1
        shown = name if calls[name] == 1 else f"{name}, call {calls[name]}"
        output = output.dequantize() if output.is_quantized else output
        # numpy has no bfloat16. The copy is needed: the next layer may write over this one's output.
        tensor = output.float() if str(output.dtype) == "torch.bfloat16" else output
        visit(shown, tensor.detach().cpu().numpy().copy())

    return show
