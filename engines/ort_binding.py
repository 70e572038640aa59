"""What a session reads and writes, bound where its provider computes.

A CUDA graph replays the kernels of an earlier call at the addresses of that call, whatever is bound now: with a new
binding for every batch, onnxruntime-gpu 1.31.1 died of a segmentation fault on an H100. There one binding for each set
of shapes is kept, its inputs are overwritten in place, and its graph has a number of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ortbench.engines.base import Arrays
from ortbench.errors import ArmError

# Of the CUDA and the TensorRT provider.
_GRAPH_OPTIONS = ("enable_cuda_graph", "trt_cuda_graph_enable")
_TRUE = ("1", "true", "True")
# onnxruntime_run_options_config_keys.h
_GRAPH_NUMBER = "gpu_graph_id"

_TEXT = "tensor(string)"
# Of ONNX Runtime, where an output has another number of dimensions than declared, or another shape than before.
_REFUSALS = ("Invalid rank for output", "pre-allocated output", "computed output shape")

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


class Declared(Protocol):
    """What a session says of an output; the shape is empty where the file gives none."""

    name: str
    type: str
    shape: Sequence[int | str | None]


def bound_outputs(outputs: Iterable[Declared], model: str) -> dict[str, Declared]:
    """Return the outputs that can be bound, by name; sequences, maps and optional values are computed, not fetched.

    Raises:
        ArmError: there is none.
    """
    found = {output.name: output for output in outputs if output.type.startswith("tensor(")}
    if not found:
        raise ArmError(f"no output of {model} is a tensor, so there is nothing to fetch")
    return found


def wrongly_declared(outputs: Mapping[str, Declared], values: Iterable[Any]) -> tuple[str, ...]:
    """Return the outputs with another number of dimensions than declared: bound, they are refused by a second call.

    Args:
        outputs: as declared.
        values: of the first call, in the same order.
    """
    pairs = zip(outputs.values(), values, strict=True)
    return tuple(output.name for output, value in pairs if output.shape and len(output.shape) != len(value.shape()))


def refuses_its_own_output(error: Exception) -> bool:
    """Say whether a call failed because an output of another shape was bound to what an earlier call had allocated."""
    return any(words in str(error) for words in _REFUSALS)


def fetched(outputs: Mapping[str, Declared], binding: Any) -> list[Any]:
    """Return the outputs as arrays in main memory."""
    if any(output.type == _TEXT for output in outputs.values()):
        # Of text ONNX Runtime 1.32's copy_outputs_to_cpu dies.
        return [value.numpy() for value in binding.get_outputs()]
    copied: list[Any] = binding.copy_outputs_to_cpu()
    return copied


class Binder:
    """Binds one batch after the other to a session."""

    def __init__(self, session: Any, outputs: Iterable[str], memory: str, *, fixed: bool = False) -> None:
        """Bind nothing yet.

        Args:
            session: an `InferenceSession`.
            outputs: their names.
            memory: where the provider computes, `cpu` or `cuda`.
            fixed: keep the addresses of every set of shapes, for a CUDA graph.
        """
        self._session, self._outputs, self._memory = session, tuple(outputs), memory
        self._device: Any = None
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

    def loosen(self, binding: Any, outputs: Iterable[str]) -> None:
        """Let the next call allocate these outputs anew: what a call allocated stays bound, with its shape.

        Python's `bind_output` takes three times as long, as it makes a device each time.
        """
        if self._device is None:
            from onnxruntime.capi import _pybind_state as native

            kind = native.OrtDevice.cuda() if self._memory == "cuda" else native.OrtDevice.cpu()
            self._device = native.OrtDevice(kind, native.OrtDevice.default_memory(), 0)
        for name in outputs:
            binding._iobinding.bind_output(name, self._device)  # noqa: SLF001 - see above

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
