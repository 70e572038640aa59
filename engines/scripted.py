"""A fake that plays a part: a known latency, a crash, a hang, a wrong output, a fallback. Never a result.

Its outputs are what ONNX Runtime computes once, outside any timed call, so that it agrees with the reference
unless it is told not to.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import ortbench
from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, Placement
from ortbench.engines.onnx_graph import load_graph, with_fault
from ortbench.engines.ort import OrtEngine
from ortbench.models.files import file_sha256

_FOREVER_S = 1e9
_RUBBISH = b"this is no reply\n"


def _crash() -> None:
    """Read from address 0: a segmentation fault."""
    ctypes.string_at(0)


def _abort() -> None:
    os.write(2, b"scripted abort\n")
    os.abort()


def _raise() -> None:
    raise RuntimeError("scripted error")


def _exhaust() -> None:
    """Ask for memory beyond a limit that is set just above what is in use."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))
    bytearray(1 << 32)


def _be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(_FOREVER_S)


def _write_rubbish() -> None:
    """Write to every pipe that is open for writing, as a library that knows no manners might."""
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, _RUBBISH)


def _compute_for_ever() -> None:
    """Keep a CPU busy: hashing leaves the interpreter to others."""
    block = bytes(1 << 20)
    while True:
        hashlib.sha256(block)


def _start_busy_threads(count: int) -> None:
    for _ in range(count):
        threading.Thread(target=_compute_for_ever, daemon=True).start()


_FAULTS: dict[str, Callable[[], None]] = {
    "crash_at": _crash,
    "abort_at": _abort,
    "raise_at": _raise,
    "exhaust_at": _exhaust,
    "kill_at": _be_killed,
    "hang_at": _hang,
    "rubbish_at": _write_rubbish,
}


@contextlib.contextmanager
def _artifact(path: str, wrong_at: str, *, other: bool) -> Iterator[str]:
    """Give the file to load: the one given, or a copy that is another file or has a fault planted at one tensor."""
    if not wrong_at and not other:
        yield path
        return
    model = load_graph(Path(path))
    if wrong_at:
        model = with_fault(model, wrong_at)
    if other:
        model.doc_string += " (altered)"
    with tempfile.TemporaryDirectory(prefix="ortbench-scripted-") as folder:
        copy = Path(folder) / "altered.onnx"
        copy.write_bytes(model.SerializeToString())
        yield str(copy)


class ScriptedEngine(Engine):
    """Waits as long as it is told, then misbehaves as it is told."""

    @classmethod
    def probe(cls, target: str) -> Availability:  # noqa: ARG003 - it has one target
        """Available wherever ortbench is."""
        return Availability(version=ortbench.__version__, device="none (fake)")

    def load(self, request: LoadRequest) -> None:
        """Load the model in ONNX Runtime, to know the right outputs, and take the script."""
        options = request.options
        self._latency_ns = int(float(options.get("latency", 0.001)) * 1e9)
        self._faults = {int(options.get(name, 0)): fault for name, fault in _FAULTS.items()}
        self._wrong_output = bool(options.get("wrong_output", False))
        self._fallback = bool(options.get("fallback", False))
        self._calls = 0
        # A warm-up takes as many calls as the machine's noise makes it: no count lies safely beyond it.
        self._counting = not options.get("when_ready", False)
        self._gradients = bool(options.get("gradients", False))
        self._threads = int(options.get("report_threads", 0)) or request.threads
        if options.get("ignore_threads"):
            _start_busy_threads(request.threads + 1)
        time.sleep(float(options.get("load", 0.0)))
        assert request.artifact is not None, "the registry says that this engine needs an artifact"
        self._honest = OrtEngine()
        other = bool(options.get("other_artifact"))
        with _artifact(request.artifact, str(options.get("wrong_at", "")), other=other) as artifact:
            self._honest.load(LoadRequest(source=request.source, artifact=artifact, target="cpu", threads=1))
            # A planted fault is one of the engine's, which loaded what it was given.
            self._artifact_sha256 = file_sha256(Path(artifact if other else request.artifact))

    def bind(self, inputs: Arrays) -> None:
        """Compute the right outputs for this batch."""
        self._honest.bind(inputs)
        self._honest.run()
        self._outputs = {name: np.array(array) for name, array in (self._honest.outputs() or {}).items()}

    def run(self) -> None:
        """Keep the core busy for the scripted latency, as a real engine would, or misbehave."""
        started = time.perf_counter_ns()
        if self._counting:
            self._calls += 1
            if self._calls in self._faults:
                self._faults[self._calls]()
        while time.perf_counter_ns() - started < self._latency_ns:
            pass

    def outputs(self) -> Arrays | None:
        """Return the right outputs, or ones shifted by 1 where the script says so."""
        if not self._wrong_output:
            return self._outputs
        return {name: array + np.ones((), dtype=array.dtype) for name, array in self._outputs.items()}

    def evidence(self) -> Evidence:
        """Claim the scripted provider, or admit a fallback where the script says so; asked last before slices."""
        self._counting = True
        ran = "CPUExecutionProvider" if self._fallback else "ScriptedExecutionProvider"
        return Evidence(
            versions={"ortbench": ortbench.__version__},
            threads=self._threads,
            placement=Placement(requested="ScriptedExecutionProvider", assigned={ran: 1}),
            gradients=self._gradients,
            artifact_sha256=self._artifact_sha256,
        )
