"""The contract between the runner and whatever runs a model.

An engine is loaded once per process, bound to one batch at a time, and then run many times. Only `run` and
`synchronize` are ever timed, by the runner; an engine has no clock of its own. Conversions belong in `bind`
and `outputs`.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping

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
        options: declared options that the user gave, typed.
    """

    source: ModelSource
    artifact: str | None
    target: str
    threads: int
    options: dict[str, OptionValue] = {}


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Which provider runs how much of the model.

    Attributes:
        requested: the provider that was asked for.
        assigned: provider -> number of units it runs.
        unit: what is counted, `nodes` or `parameters`.
    """

    requested: str
    assigned: dict[str, int]
    unit: str = "nodes"

    @property
    def requested_share(self) -> float:
        """Share of the units that the requested provider runs, 0 to 1."""
        total = sum(self.assigned.values())
        return self.assigned.get(self.requested, 0) / total if total else 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine can prove about itself after loading.

    Attributes:
        versions: module -> version, as the modules say.
        boundary: where the timed call begins and ends: `host` (arrays in main memory in and out) or
            `device` (inputs and outputs stay on the accelerator).
        threads: computing threads as the library reports them; None where it cannot say.
        placement: None where the engine has no notion of it.
    """

    versions: dict[str, str]
    boundary: str = "host"
    threads: int | None = None
    placement: Placement | None = None


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
    """One way to run a model, in a process of its own."""

    @classmethod
    @abstractmethod
    def probe(cls, target: str) -> Availability:
        """Say whether `target` can run here; called in a process of its own, so heavy imports are fine."""

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

    def synchronize(self) -> None:  # noqa: B027 - nothing to wait for is the common case, not an omission
        """Wait until everything that `run` started has finished. Timed together with `run`."""

    @abstractmethod
    def outputs(self) -> Arrays | None:
        """Return the last run's outputs by name, in main memory; None from an engine that computes nothing."""

    @abstractmethod
    def evidence(self) -> Evidence:
        """Say what was loaded, where it runs and with how many threads; called after the first run."""

    def close(self) -> None:  # noqa: B027 - most engines end with their process
        """Give back what outlives the process, if anything."""
