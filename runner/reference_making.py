"""The reference's outputs in files, with what comparing them takes beside. Inside a worker."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.engines.base import Engine, LoadRequest
from ortbench.engines.onnx_graph import load_graph, showing
from ortbench.engines.registry import find_engine
from ortbench.models.inputs import distinct_inputs
from ortbench.models.npz import write_named
from ortbench.models.parity import FP32, compare_outputs, tolerance_for
from ortbench.models.reference_file import DECIDING, RANDOM, SPREAD, as_stored
from ortbench.models.spec import TensorSpec
from ortbench.runner import job_messages
from ortbench.runner.checking import run_batch

_Arrays = dict[str, NDArray[np.generic]]
# Nodes that draw random numbers need not change an output each time.
_RUNS_OF_RANDOM_NODES = 4
# Of the values that decided on a batch's integers: 64 batches are kept.
_MOST_DECIDING_BYTES = 32 << 20
# For how much an output of a quantised model varies.
_SPREAD_INPUTS = 16
_SPREAD_S = 2.0


class ReferenceMaker:
    """Makes files with a loaded engine."""

    def __init__(self, engine: Engine, request: LoadRequest) -> None:
        """Take what was loaded.

        Args:
            engine: the reference.
            request: what it was loaded by.
        """
        self._engine, self._request = engine, request
        self._facts = request.source.facts
        self._random: bool | None = None if request.source.path else False
        self._deciding: Engine | None = None
        self._deciding_failed = not self._facts.choices

    def make(self, request: job_messages.MakeReference) -> job_messages.ReferenceMade:
        """Run batches and save what came out."""
        began, count = time.perf_counter(), 0
        for count, path in enumerate(request.paths):
            if count and time.perf_counter() - began > request.limit_s:
                return job_messages.ReferenceMade(count=count, random=bool(self._random))
            arrays = self._batch(request.batch_size, request.first + count)
            write_named(Path(path), arrays)
        return job_messages.ReferenceMade(count=count + 1, random=bool(self._random))

    def _batch(self, batch_size: int, index: int) -> _Arrays:
        outputs = self._run(batch_size, index)
        if self._random is None:
            self._random = self._differs_from_itself(outputs)
        if self._random:
            return outputs | {RANDOM: np.ones(1, np.bool_)}
        arrays = outputs | self._deciding_values(batch_size, index)
        if self._facts.made in ("int8", "int4") and index == 0:
            arrays |= self._spreads(outputs, batch_size)
        return arrays

    def _run(self, batch_size: int, index: int) -> _Arrays:
        run_batch(self._engine, self._request.source, batch_size, index)
        return self._outputs(self._engine)

    @staticmethod
    def _outputs(engine: Engine) -> _Arrays:
        # What an engine gives may be its own memory, which the next call overwrites.
        return {name: as_stored(np.array(array)) for name, array in (engine.outputs() or {}).items()}

    def _differs_from_itself(self, outputs: _Arrays) -> bool:
        """Run the bound batch again, and say whether the outputs differ by more than rounding."""
        tolerance = FP32 if self._facts.random else tolerance_for("fp32", self._facts.made)
        for _ in range(_RUNS_OF_RANDOM_NODES - 1 if self._facts.random else 1):
            self._engine.run()
            self._engine.synchronize()
            if not compare_outputs(self._outputs(self._engine), outputs, "", tolerance, self._facts).ok:
                return True
        return False

    def _spreads(self, outputs: _Arrays, batch_size: int) -> _Arrays:
        """Return the standard deviation of each output over some inputs; of batch 0 alone where there is no time."""
        seen: dict[str, list[NDArray[np.float64]]] = {}
        began, source = time.perf_counter(), self._request.source
        batches = -(-distinct_inputs(source, batch_size, _SPREAD_INPUTS) // batch_size)
        for index in range(batches):
            if index and time.perf_counter() - began > _SPREAD_S:
                break
            for name, array in (self._run(batch_size, index) if index else outputs).items():
                if array.dtype.kind in "fiu" and np.isfinite(array.astype(np.float64)).all():
                    numbers = array.astype(np.float64).ravel()
                    seen.setdefault(name, []).append(np.array([numbers.size, numbers.sum(), np.square(numbers).sum()]))
        return {SPREAD + name: np.array(_deviation(sums)) for name, sums in seen.items()}

    def _deciding_values(self, batch_size: int, index: int) -> _Arrays:
        """Return the values among which the model chose; none where they cannot be had."""
        if self._deciding_failed:
            return {}
        try:
            if self._deciding is None:
                self._deciding = self._deciding_engine()
            run_batch(self._deciding, self._request.source, batch_size, index)
            values = self._outputs(self._deciding)
        except Exception:  # noqa: BLE001 - a cut model may fail in any way; then a small share may differ unseen
            self._deciding_failed = True
            return {}
        wanted = {choice.output: values[choice.deciding] for choice in self._facts.choices if choice.deciding in values}
        if sum(array.nbytes for array in wanted.values()) > _MOST_DECIDING_BYTES:
            return {}
        return {DECIDING + output: array for output, array in wanted.items()}

    def _deciding_engine(self) -> Engine:
        source = self._request.source
        assert source.path is not None, "only of a file it is known what it chooses"
        names = list(dict.fromkeys(choice.deciding for choice in self._facts.choices))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "deciding.onnx"
            path.write_bytes(showing(load_graph(Path(source.path)), names).SerializeToString())
            shown = msgspec.structs.replace(source, outputs=tuple(TensorSpec(name, ()) for name in names))
            engine = find_engine("ort").create(self._request.options)
            engine.load(msgspec.structs.replace(self._request, artifact=str(path), source=shown))
        return engine


def _deviation(sums: list[NDArray[np.float64]]) -> float:
    count, total, squares = (float(each) for each in np.sum(sums, axis=0))
    mean = total / max(count, 1.0)
    return math.sqrt(max(squares / max(count, 1.0) - mean * mean, 0.0))
