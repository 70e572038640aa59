"""TorchScript: trace, freeze, optimize_for_inference. Legacy: PyTorch deprecates it and Python 3.14 ends it."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from ortbench.engines.base import Availability, OperatorTime
from ortbench.engines.torch_base import TorchFamilyEngine
from ortbench.engines.torch_precision import to_lane
from ortbench.engines.torch_profile import name_unseen
from ortbench.models.inputs import make_inputs

if TYPE_CHECKING:
    import torch

    from ortbench.engines.base import LoadRequest


class TorchScriptEngine(TorchFamilyEngine):
    """The traced and frozen module."""

    @classmethod
    def probe(cls, target: str) -> Availability:
        """As for PyTorch, and not from Python 3.14 on."""
        if sys.version_info >= (3, 14):
            return Availability(
                reason="PyTorch does not support TorchScript from Python 3.14 on",
                remedy="Python 3.13 or older",
            )
        return super().probe(target)

    def prepare_module(self, module: torch.nn.Module, request: LoadRequest) -> Any:
        """Trace with an example of two items, freeze, and apply the inference-only rewrites."""
        import torch

        example = make_inputs(request.source, batch_size=2)
        tensors = tuple(
            to_lane(torch.from_numpy(example[spec.name]).to(self._device), request.precision)
            for spec in request.source.inputs
        )
        with warnings.catch_warnings(), torch.no_grad():
            # Every torch.jit call announces its deprecation; the engine is labelled legacy instead.
            warnings.simplefilter("ignore", category=FutureWarning)
            warnings.simplefilter("ignore", category=DeprecationWarning)
            # Its own check runs the model twice more; ours compares many inputs before anything is timed.
            # With one thread: those of a team, spinning, would be in each other's way where arms load side by side.
            torch.set_num_threads(1)
            traced = torch.jit.trace(module, tensors, check_trace=False)  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.set_num_threads(request.threads)
            return torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """As for PyTorch; what the graph runs without an event of its own is named after the graph's nodes."""
        found = super().profile(calls)
        kinds = [str(node.kind()) for node in self._call.graph.nodes()]
        return found and name_unseen(found, kinds)
