"""One process with several ONNX Runtime sessions that divide a batch, each with its own threads on its own CPUs.

Weights are not shared: Python's interface of ONNX Runtime (1.32) has no container for packed weights, and without one
initializers that are shared (`SessionOptions.add_initializer`) are copied all the same where they are laid out anew.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, OperatorTime, SessionPlace
from ortbench.engines.helper_thread import HelperThread
from ortbench.engines.ort import OrtEngine
from ortbench.engines.ort_options import one_session
from ortbench.errors import ArmError, ArmInvalid
from ortbench.models.inputs import indivisible, parts_of, possible_batch_axes, take_part
from ortbench.models.spec import BATCH, UNKNOWN_RANK, ModelSource

_TASKS = Path("/proc/self/task")


class OrtSessionsEngine(Engine):
    """Sessions that run at once, each called by a thread that lasts; the first one's is the process's own.

    Threads that ONNX Runtime starts for a session inherit the CPUs of the thread that creates it, which is the one that
    calls it. What it costs to start the others and to wait for them is part of each call, as it is part of running so.

    Attributes:
        cpus: to be divided among the sessions; None for those that this process may use.
        trace_prefix: set before loading where the sessions shall be profiled; None otherwise.
    """

    cpus: Sequence[int] | None = None
    trace_prefix: str | None = None

    @classmethod
    def probe(cls, target: str) -> Availability:
        """Ask as for one session."""
        return OrtEngine.probe(target)

    def load(self, request: LoadRequest) -> None:
        """Create one session after the other, each in the thread that will call it.

        Raises:
            ArmError: there are more sessions than threads, nothing to divide, or one of them cannot be loaded.
        """
        count = int(request.options.get("sessions", 1))
        if not 1 <= count <= request.threads:
            raise ArmError(f"expected 1 to {request.threads} sessions, as many as threads, but got {count}")
        if count > 1 and (reason := indivisible(request.source)):
            raise ArmError(f"sessions have nothing to divide: {reason}")
        self._request = request
        threads = even_parts(request.threads, count)
        cpus = divide_cpus(own_cpus() if self.cpus is None else self.cpus, threads)
        self._helpers = [HelperThread() for _ in range(count - 1)]
        self._sessions = [
            _Session(one_session(request, own), place, self.trace_prefix and f"{self.trace_prefix}-{number}")
            for number, (own, place) in enumerate(zip(threads, cpus, strict=True))
        ]
        for helper, session in zip(self._helpers, self._sessions[1:], strict=True):
            helper.start(session.load)
            helper.wait()
        # Last, since from here on this thread may use the first session's CPUs only.
        self._sessions[0].load()

    def bind(self, inputs: Arrays) -> None:
        """Give every session its share of the batch; of a batch smaller than they are many, some get none."""
        source = self._request.source
        self._inputs = inputs
        self._items = share_batch(source, inputs, len(self._sessions))
        self._first, *self._others = [session.engine for session in self._sessions[: len(self._items)]]
        for engine, part in zip((self._first, *self._others), parts_of(self._items), strict=True):
            engine.bind(take_part(inputs, source.inputs, part))
        self._calls = [(helper, engine.run) for helper, engine in zip(self._helpers, self._others, strict=False)]

    def run(self) -> None:
        """Start the other sessions, run the first one here, and wait for the others."""
        for helper, call in self._calls:
            helper.start(call)
        try:
            self._first.run()
        finally:
            for helper, _ in self._calls:
                helper.wait()

    def outputs(self) -> Arrays | None:
        """Return the shares' outputs, joined again."""
        parts = [engine.outputs() or {} for engine in (self._first, *self._others)]
        check_undivided(self._request.source, parts, self._items)
        return join_outputs(self._request.source, parts, self._items)

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Profile a second set of sessions, all running: see `ort_profile.py`."""
        from ortbench.engines.ort_profile import profile_calls

        again = type(self)()
        again.cpus = [cpu for session in self._sessions for cpu in session.wanted] or None
        return profile_calls(again, self._request, self._inputs, calls, asynchronous=False)

    def end_traces(self) -> list[str]:
        """End the profile of every session that had a share, and return its file."""
        return [trace for engine in (self._first, *self._others) for trace in engine.end_traces()]

    def evidence(self) -> Evidence:
        """Return the first session's, with all threads, and where each session's threads may run.

        Raises:
            ArmInvalid: a session is placed otherwise than the first, or may use other CPUs than its own.
        """
        first, *others = [session.engine.evidence() for session in self._sessions]
        for number, other in enumerate(others, 2):
            if other.placement != first.placement:
                raise ArmInvalid(f"session {number} is placed on other providers than the first")
        places = tuple(session.seen(number) for number, session in enumerate(self._sessions, 1))
        return msgspec.structs.replace(first, threads=sum(place.threads for place in places), sessions=places)


class _Session:
    """One session with the CPUs that its threads were to keep to; none where that was not to be."""

    def __init__(self, request: LoadRequest, wanted: tuple[int, ...], trace_prefix: str | None) -> None:
        self.engine, self.wanted = OrtEngine(), wanted
        self.engine.trace_prefix = trace_prefix
        self._request = request
        self._tasks: set[int] = set()

    def load(self) -> None:
        """Keep this thread to the session's CPUs, then create the session and so its threads."""
        if self.wanted:
            os.sched_setaffinity(0, self.wanted)
        before = _tasks()
        self.engine.load(self._request)
        self._tasks = (_tasks() - before) | {threading.get_native_id()}

    def seen(self, number: int) -> SessionPlace:
        """Return where its threads really may run, as the system says.

        Raises:
            ArmInvalid: not where they were to.
        """
        cpus = tuple(sorted(allowed_of(self._tasks)))
        if self.wanted and cpus != self.wanted:
            told, found = (", ".join(map(str, each)) for each in (self.wanted, cpus))
            raise ArmInvalid(f"session {number} was to keep to the CPUs {told}, but its threads may use {found}")
        return SessionPlace(threads=self._request.threads, os_threads=len(self._tasks), cpus=cpus)


def even_parts(total: int, count: int) -> list[int]:
    """Divide a number as evenly as can be, the larger parts first."""
    each, rest = divmod(total, count)
    return [each + (index < rest) for index in range(count)]


def divide_cpus(cpus: Sequence[int], threads: Sequence[int]) -> list[tuple[int, ...]]:
    """Give each session as many CPUs as it has threads, none twice; nobody any where they are too few."""
    if len(cpus) < sum(threads):
        return [()] * len(threads)
    ends = list(itertools.accumulate(threads))
    return [tuple(cpus[end - count : end]) for count, end in zip(threads, ends, strict=True)]


def share_batch(source: ModelSource, inputs: Arrays, sessions: int) -> list[int]:
    """Return how many items each session gets: as evenly as can be, and none of them nothing.

    A model without a batch runs whole, in one session.
    """
    sizes = [inputs[spec.name].shape[spec.shape.index(BATCH)] for spec in source.inputs if BATCH in spec.shape]
    return even_parts(sizes[0], min(sessions, sizes[0])) if sizes else [1]


def join_outputs(source: ModelSource, parts: Sequence[Arrays], items: Sequence[int]) -> Arrays:
    """Return the outputs of a whole batch from those of its parts; what has no batch is the first part's."""
    if len(parts) == 1:
        return parts[0]
    joined: dict[str, NDArray[np.generic]] = {}
    for name, array in parts[0].items():
        axis = _common_axis(source, name, parts, items)
        joined[name] = array if axis is None else np.concatenate([part[name] for part in parts], axis)
    return joined


def check_undivided(source: ModelSource, parts: Sequence[Arrays], items: Sequence[int]) -> None:
    """Refuse to join parts where an output that has no batch is not the same in all of them.

    Raises:
        ArmError: it depends on the items, so that no batch of this model can be divided.
    """
    for name, array in parts[0].items():
        if _common_axis(source, name, parts, items) is not None:
            continue
        if any(not np.array_equal(array, part[name], equal_nan=array.dtype.kind in "fc") for part in parts[1:]):
            raise ArmError(f"a batch cannot be divided: the output '{name}' is not of the batch and depends on it")


def _common_axis(source: ModelSource, name: str, parts: Sequence[Arrays], items: Sequence[int]) -> int | None:
    """Return the axis of an output that is the batch in every part; None where there is none.

    Raises:
        ArmError: several axes may be.
    """
    declared = next((spec.shape for spec in source.outputs if spec.name == name), (UNKNOWN_RANK,))
    parts_axes = [
        set(possible_batch_axes(declared, np.shape(part[name]), count))
        for part, count in zip(parts, items, strict=True)
    ]
    axes = set.intersection(*parts_axes)
    if len(axes) > 1:
        raise ArmError(
            f"a batch cannot be divided: which axis of the output '{name}' is the batch cannot be told at this size"
        )
    return axes.pop() if axes else None


def own_cpus() -> list[int]:
    """Return the CPUs that this thread may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def allowed_of(tasks: Iterable[int]) -> set[int]:
    """Return the CPUs that any of these threads may use, by their numbers; none where the system does not tell."""
    allowed: set[int] = set()
    for task in tasks if hasattr(os, "sched_getaffinity") else ():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            allowed |= os.sched_getaffinity(task)
    return allowed


def _tasks() -> set[int]:
    """Return the threads of this process; none where the system does not tell."""
    return {int(task.name) for task in _TASKS.iterdir()} if _TASKS.exists() else set()
