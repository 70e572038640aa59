"""What a session reads and writes, bound where its provider computes.

A CUDA graph replays the kernels of an earlier call at the addresses of that call, whatever is bound now: with a new
binding for every batch, onnxruntime-gpu 1.31.1 died of a segmentation fault on an H100. There one binding for each set
of shapes is kept, its inputs are overwritten in place, and its graph has a number of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ortbench.engines.base import Arrays

# Of the CUDA and the TensorRT provider.
_GRAPH_OPTIONS = ("enable_cuda_graph", "trt_cuda_graph_enable")
_TRUE = ("1", "true", "True")
# onnxruntime_run_options_config_keys.h
_GRAPH_NUMBER = "gpu_graph_id"

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class Bound(NamedTuple):
    """One batch, bound.

    Attributes:
        binding: what `run_with_iobinding` takes, and its options.
        arrays: the inputs in main memory; values on the CPU are not copied, so these must live as long as the binding.
        values: the inputs where the provider computes.
    """

    binding: Any
    options: Any
    arrays: Arrays
    values: dict[str, Any]


class Binder:
    """Binds one batch after the other to a session."""

    def __init__(self, session: Any, outputs: Sequence[str], memory: str, *, fixed: bool = False) -> None:
        """Bind nothing yet.

        Args:
            session: an `InferenceSession`.
            outputs: their names.
            memory: where the provider computes, `cpu` or `cuda`.
            fixed: keep the addresses of every set of shapes, for a CUDA graph.
        """
        self._session, self._outputs, self._memory = session, outputs, memory
        self._kept: dict[_Shapes, Bound] | None = {} if fixed else None

    def bind(self, arrays: Arrays) -> Bound:
        """Return a binding with these inputs; the outputs are allocated by the first call."""
        if self._kept is None:
            return self._new(arrays, None)
        shapes = tuple((name, array.shape) for name, array in sorted(arrays.items()))
        if (kept := self._kept.get(shapes)) is None:
            self._kept[shapes] = kept = self._new(arrays, _numbered(len(self._kept) + 1))
            return kept
        for name, array in arrays.items():
            kept.values[name].update_inplace(array)
        return kept

    def _new(self, arrays: Arrays, options: Any) -> Bound:
        import onnxruntime

        binding = self._session.io_binding()
        values = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(array, self._memory, 0) for name, array in arrays.items()
        }
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, self._memory)
        return Bound(binding, options, arrays, values)


def replays_a_graph(provider_options: Mapping[str, str]) -> bool:
    """Say whether the provider was told to capture its kernels in a CUDA graph."""
    return any(provider_options.get(name) in _TRUE for name in _GRAPH_OPTIONS)


def _numbered(number: int) -> Any:
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry(_GRAPH_NUMBER, str(number))
    return options
