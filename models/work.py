"""What a model must do for one item, counted from its PyTorch module; and the form of every such count.

Counted are convolutions, matrix products and attention, as in PyTorch's `FlopCounterMode`: a multiply-add is two
operations, biases and element-wise operators are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs

if TYPE_CHECKING:
    import torch

    from ortbench.models.spec import ModelSource


class UncountableError(Exception):
    """The work cannot be counted; the message says why."""


@dataclass(frozen=True)
class Tally:
    """What one call with one item does.

    Attributes:
        flops_per_item: of all products.
        weights: numbers that are the same in every call, each counted once.
        activations_per_item: numbers that products read and write beside them, once for each reading and writing.
        dtypes: of what is multiplied, by numpy's names.
    """

    flops_per_item: int
    weights: int
    activations_per_item: int
    dtypes: frozenset[str]


def count_module(source: ModelSource) -> Tally:
    """Count a catalog model's module on meta tensors, so that nothing is computed and no weight is made."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    weights: dict[int, int] = {}
    dtypes: set[str] = set()
    activations = 0

    class Numbers(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types for it
        """Counts what the operators that have operations read and write."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal activations
            result = func(*args, **(kwargs or {}))
            if func.overloadpacket in flop_registry:
                # A bias has one dimension and is not counted.
                for tensor in (each for each in args if isinstance(each, torch.Tensor) and each.dim() > 1):
                    dtypes.add(str(tensor.dtype).removeprefix("torch."))
                    if _storage(tensor) in parameters:
                        weights[_storage(tensor)] = tensor.numel()
                    else:
                        activations += tensor.numel()
                activations += (result[0] if isinstance(result, tuple) else result).numel()
            return result

    with torch.device("meta"):
        module = find_model(source.name).build().eval()
    parameters = {_storage(each) for each in (*module.parameters(), *module.buffers())}
    arrays = make_inputs(source, 1)
    inputs = [torch.from_numpy(arrays[spec.name]).to("meta") for spec in source.inputs]
    # The inner one takes operators apart, so that the outer one sees what it counted.
    with torch.no_grad(), Numbers(), FlopCounterMode(display=False) as counter:  # type: ignore[no-untyped-call]  # likewise
        module(*inputs)
    return Tally(int(counter.get_total_flops()), sum(weights.values()), activations, frozenset(dtypes))


def _storage(tensor: torch.Tensor) -> int:
    """Return what a tensor has in common with every view of it."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 - torch has no public name for a storage without data
