"""The contract between the runner and whatever runs a model.

An engine is loaded once per process, bound to one batch at a time, and then run many times. Only `run` and
`synchronize` are ever timed, by the runner; an engine has no clock of its own. Conversions belong in `bind`
and `outputs`.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.models.spec import ModelSource

# Where a process can be stopped, threads that spin after a call cost the next engine nothing.
CAN_PARK = hasattr(signal, "SIGSTOP")

Arrays = Mapping[str, NDArray[np.generic]]
OptionValue = bool | int | float | str


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an engine may know when it loads a model.

    Attributes:
        source: the model, its weights and its inputs.
        artifact: the ONNX file; None where the engine said it needs none.
        target: where to run, e.g. `cpu`, `cuda`.
        threads: computing threads, the calling one included.
        precision: the lane, e.g. `fp32`; see `ortbench.models.precision`.
        options: declared options that the user gave, typed.
        cache: a folder for what `build` makes.
        compiled: a folder for what is compiled at the first call, of this arm in this study alone, which need not
            exist; None for wherever the library keeps it.
    """

    source: ModelSource
    artifact: str | None
    target: str
    threads: int
    precision: str = "fp32"
    options: dict[str, OptionValue] = {}
    cache: str | None = None
    compiled: str | None = None


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Which provider runs how much of the model.

    Attributes:
        requested: the provider that was asked for.
        assigned: provider -> number of units it runs.
        unit: what is counted, `nodes` or `parameters`.
        flops: provider -> floating-point operations of the nodes it runs, for one item; None where not counted.
        operators: provider -> operator -> number of nodes, as optimised; None where not known.
        fusions: fused operator -> how many of them the optimisation made; None where not known.
    """

    requested: str
    assigned: dict[str, int]
    unit: str = "nodes"
    flops: dict[str, int] | None = None
    operators: dict[str, dict[str, int]] | None = None
    fusions: dict[str, int] | None = None

    @property
    def requested_share(self) -> float:
        """Share of the operations that the requested provider runs, 0 to 1; of the units where none were counted."""
        counts = self.flops if self.flops and any(self.flops.values()) else self.assigned
        total = sum(counts.values())
        return counts.get(self.requested, 0) / total if total else 0.0


class SessionPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where one of several sessions in a process runs.

    Attributes:
        threads: computing threads that its library was told.
        os_threads: that the system counts of it, the calling one included.
        cpus: that they may use, as the system says.
    """

    threads: int
    os_threads: int
    cpus: tuple[int, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine can prove about itself after loading.

    Attributes:
        versions: module -> version, as the modules say.
        boundary: where the timed call begins and ends: `host` (arrays in main memory in and out) or
            `device` (inputs and outputs stay on the accelerator), or `host+copies` (arrays are converted
            in the call).
        threads: computing threads as the library reports them; None where it cannot say.
        placement: None where the engine has no notion of it.
        precision: what computes, as the library reports it, e.g. `{"parameters": "float32", "tf32": "off"}`.
        emulated: why the hardware only emulates this precision; None where it does not.
        gradients: whether the calls record gradients; None where the library has no such mode.
        convolution_search: how the algorithms of convolutions on a GPU were chosen, `searched` (by timing them) or
            `heuristic`; None where there are none, or the engine cannot say.
        layout: memory layout of images, `NCHW` or `NHWC`; None where the engine has no notion of it.
        artifact_sha256: of the ONNX file that was loaded; None where none was.
        sessions: where each runs, where one process has several that divide a batch.
        rebound: outputs that are bound anew within each call, as their shapes are not what was declared or before.
        compile_cache: `cold` where the first call of the batch compiled, `served` where it found everything compiled by
            an earlier launch of the study; None where nothing is compiled, or nobody can say.
    """

    versions: dict[str, str]
    boundary: str = "host"
    threads: int | None = None
    placement: Placement | None = None
    precision: dict[str, str] | None = None
    emulated: str | None = None
    gradients: bool | None = None
    convolution_search: str | None = None
    layout: str | None = None
    artifact_sha256: str | None = None
    sessions: tuple[SessionPlace, ...] = ()
    rebound: tuple[str, ...] = ()
    compile_cache: str | None = None


class OperatorTime(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of operator takes in one call of the model.

    Attributes:
        operator: the library's name for it, e.g. `Conv`.
        ms: of one call, all of them together.
        count: how many of them one call runs.
    """

    operator: str
    ms: float
    count: int


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an engine's target can run on this machine.

    Attributes:
        version: of the library; None where it is not installed.
        device: what it would run on, e.g. `CPU` or the GPU's name.
        reason: why it cannot run; None where it can.
        remedy: the command or the thing that would add it; None where it can run.
    """

    version: str | None = None
    device: str | None = None
    reason: str | None = None
    remedy: str | None = None

    @property
    def available(self) -> bool:
        """Whether the target can run here."""
        return self.reason is None


class Engine(ABC):
    """One way to run a model, in a process of its own.

    Attributes:
        compiles_at_first_call: the first call of a batch size takes long for another reason than the later ones.
    """

    compiles_at_first_call: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def probe(cls, target: str) -> Availability:
        """Say whether `target` can run here; called in a process of its own, so heavy imports are fine."""

    @classmethod
    def build(cls, request: LoadRequest) -> bool:  # noqa: ARG003 - the interface's
        """Make what `load` needs and keep it in `request.cache`; called in a process of its own, before the study.

        Returns:
            Whether it was there already.
        """
        return True

    @abstractmethod
    def load(self, request: LoadRequest) -> None:
        """Bring the model into memory, ready to be bound.

        Raises:
            OrtbenchError: the model cannot run here; the message says why.
        """

    @abstractmethod
    def bind(self, inputs: Arrays) -> None:
        """Take one batch: convert, copy to the device, allocate. Never timed. Replaces the former batch."""

    @abstractmethod
    def run(self) -> None:
        """Run the bound batch once. The hot method: nothing else happens in here."""

    @property
    def asynchronous(self) -> bool:
        """Whether `run` may return before its work is done; where it does not, `synchronize` is not called."""
        return type(self).synchronize is not Engine.synchronize

    def synchronize(self) -> None:  # noqa: B027 - nothing to wait for is the common case, not an omission
        """Wait until everything that `run` started has finished. Timed together with `run`."""

    def settle(self) -> None:  # noqa: B027 - most engines change nothing any more once they are warm
        """Called after the warm-up of a batch: from here on nothing may be compiled or tuned in a timed call."""

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:  # noqa: ARG002 - the interface's
        """Run the bound batch `calls` times under the library's profiler, never while anything is timed.

        Returns:
            One entry per operator of the model, the longest first; None where the engine cannot say.
        """
        return None

    def intermediates(self, visit: Callable[[str, NDArray[np.generic]], None]) -> bool:  # noqa: ARG002 - the interface's
        """Run the bound batch once more, never timed, and show each layer's output by name as it is computed.

        Returns:
            Whether the engine can show them; the ones that run an ONNX file need not, since the file can be cut.
        """
        return False

    @abstractmethod
    def outputs(self) -> Arrays | None:
        """Return the last run's outputs by name, in main memory; None from an engine that computes nothing."""

    @abstractmethod
    def evidence(self) -> Evidence:
        """Say what was loaded, where it runs and with how many threads; called after the first run."""

    def close(self) -> None:  # noqa: B027 - most engines end with their process
        """Give back what outlives the process, if anything."""
