"""A fake that plays a part: a known latency, a crash, a hang, a wrong output, a fallback. Never a result.

Its outputs are what ONNX Runtime computes once, outside any timed call, so that it agrees with the reference
unless it is told not to.
"""

from __future__ import annotations

import ctypes
import time

import numpy as np

import ortbench
from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, Placement
from ortbench.engines.ort import OrtEngine

_FOREVER_S = 1e9


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
        self._crash_at = int(options.get("crash_at", 0))
        self._raise_at = int(options.get("raise_at", 0))
        self._hang_at = int(options.get("hang_at", 0))
        self._wrong_output = bool(options.get("wrong_output", False))
        self._fallback = bool(options.get("fallback", False))
        self._calls = 0
        self._threads = request.threads
        time.sleep(float(options.get("load", 0.0)))
        self._honest = OrtEngine()
        self._honest.load(
            LoadRequest(source=request.source, artifact=request.artifact, target="cpu", threads=1, options={})
        )

    def bind(self, inputs: Arrays) -> None:
        """Compute the right outputs for this batch."""
        self._honest.bind(inputs)
        self._honest.run()
        self._outputs = {name: np.array(array) for name, array in (self._honest.outputs() or {}).items()}

    def run(self) -> None:
        """Keep the core busy for the scripted latency, as a real engine would, or misbehave."""
        started = time.perf_counter_ns()
        self._calls += 1
        if self._calls == self._crash_at:
            ctypes.string_at(0)
        if self._calls == self._raise_at:
            raise RuntimeError(f"scripted error in call {self._calls}")
        if self._calls == self._hang_at:
            time.sleep(_FOREVER_S)
        while time.perf_counter_ns() - started < self._latency_ns:
            pass

    def outputs(self) -> Arrays | None:
        """Return the right outputs, or ones shifted by 1 where the script says so."""
        if not self._wrong_output:
            return self._outputs
        return {name: array + np.ones((), dtype=array.dtype) for name, array in self._outputs.items()}

    def evidence(self) -> Evidence:
        """Claim the scripted provider, or admit a fallback where the script says so."""
        ran = "CPUExecutionProvider" if self._fallback else "ScriptedExecutionProvider"
        return Evidence(
            versions={"ortbench": ortbench.__version__},
            threads=self._threads,
            placement=Placement(requested="ScriptedExecutionProvider", assigned={ran: 1}),
        )
