"""Heavy jobs that are not arms: what can run here, the export, the reference outputs. Each in a worker."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ortbench.engines.base import Availability, LoadRequest
from ortbench.engines.registry import resolve_engine
from ortbench.engines.spec import parse_engine
from ortbench.errors import ArmError, ExportCrashed, ExportError, ModelError
from ortbench.export.artifact import Artifact
from ortbench.export.cache import artifacts_root, make_cache_folder
from ortbench.export.exporter import ExportRequest
from ortbench.models.inputs import distinct_inputs
from ortbench.models.spec import ModelSource
from ortbench.runner import job_messages, protocol
from ortbench.runner.cpus import allowed_cpus
from ortbench.runner.input_meaning import values_hint
from ortbench.runner.interpreter import THIS, Interpreter
from ortbench.runner.process import Worker
from ortbench.units import format_seconds

_PROBE_TIMEOUT_S = 120.0
_LONGEST_S = 1800.0
# Of --max-time: what comes before measuring may take as long as measuring may, and some time in any case. Libraries are
# imported and weights read before a model is loaded; an export or a build of a large model takes minutes.
_LEAST_RUN_S = 30.0
_LEAST_LOADING_S = 120.0
_LEAST_MAKING_S = 300.0


def reference_limit_s(max_time_s: float) -> float:
    """Return how long one run of the reference may take in a study of this --max-time."""
    return min(max(_LEAST_RUN_S, max_time_s), _LONGEST_S)


def loading_limit_s(max_time_s: float) -> float:
    """Return how long loading the reference may take in a study of this --max-time."""
    return min(max(_LEAST_LOADING_S, max_time_s), _LONGEST_S)


def making_limit_s(max_time_s: float) -> float:
    """Return how long one export, or one build of an engine, may take in a study of this --max-time."""
    return min(max(_LEAST_MAKING_S, max_time_s), _LONGEST_S)


def longer_hint(error: Exception, limit_s: float) -> str:
    """Say what gives more time, where there was too little of it; empty where something else is wrong."""
    too_late = "no answer within" in str(error) and limit_s < _LONGEST_S
    return " A longer --max-time gives it longer." if too_late else ""


def probe_targets(targets: Sequence[tuple[str, str]], interpreter: Interpreter = THIS) -> list[Availability]:
    """Ask, in one worker of that interpreter, whether each (engine, target) can run here."""
    with Worker("the probe", interpreter=interpreter) as worker:
        request = job_messages.Probe(targets=tuple(targets))
        return list(worker.ask(request, job_messages.Probed, _PROBE_TIMEOUT_S).availability)


def run_export(request: ExportRequest) -> Artifact:
    """Export in a worker, so that this process stays light and an interruption ends it at once.

    Raises:
        ExportError, ModelError: as the exporter says.
    """
    with ExportJob(request) as job:
        return job.result()


class ExportJob:
    """An export under way, to be waited for; on the way out it is ended and its half-made files are removed."""

    def __init__(self, request: ExportRequest, limit_s: float = _LONGEST_S) -> None:
        """Start it; it may take `limit_s`."""
        self._limit_s, self._began = limit_s, time.perf_counter()
        # The scratch folder must share the artifact's file system.
        if request.output:
            parent = Path(request.output).absolute().parent
            parent.mkdir(parents=True, exist_ok=True)
        else:
            parent = artifacts_root()
            make_cache_folder(parent)
        self._scratch = tempfile.TemporaryDirectory(prefix=".exporting-", dir=parent)
        self._worker = Worker("the export")
        request = msgspec.structs.replace(request, scratch=self._scratch.name)
        self._worker.send(job_messages.Export(request=request))

    def result(self) -> Artifact:
        """Wait for the artifact.

        Raises:
            ExportError, ModelError: as the exporter says.
            ExportError: it took too long.
            ExportCrashed: its process died.
        """
        try:
            left_s = max(0.0, self._limit_s - (time.perf_counter() - self._began))
            return self._worker.receive(job_messages.Exported, left_s).artifact
        except ArmError as error:
            if hint := longer_hint(error, self._limit_s):
                raise ExportError(f"The export took longer than {format_seconds(self._limit_s)}.{hint}") from error
            raise ExportCrashed(f"The export failed: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.kill()
        self._scratch.cleanup()


class Reference:
    """The reference engine in a worker, giving the outputs that every arm must agree with."""

    def __init__(
        self,
        label: str,
        source: ModelSource,
        precision: str = "fp32",
        limit_s: float = _LONGEST_S,
        loading_s: float = _LONGEST_S,
    ) -> None:
        """Start loading; `ready` waits for it.

        Args:
            label: of the engine.
            source: the model.
            precision: that it computes in.
            limit_s: how long one run of the model, and looking through it, may take.
            loading_s: how long loading it may take.
        """
        self.label = label
        self._limit_s, self._loading_s = limit_s, loading_s
        self._source = source
        self._broken: str | None = None
        # The model was seen to give other outputs when it was run again.
        self.random = False
        self._folder = tempfile.TemporaryDirectory(prefix="ortbench-reference-")
        engine = resolve_engine(parse_engine(label))
        cpus = self._cpus = allowed_cpus()
        self._worker = Worker(f"the reference engine {label}", cpus, len(cpus))
        request = LoadRequest(
            source=source,
            artifact=source.path,
            target=engine.target,
            threads=len(cpus),
            precision=precision,
            options=engine.options,
        )
        self._request = request
        self._worker.send(protocol.Load(engine=engine.entry.name, request=request))

    def ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ModelError: the reference itself cannot run the model, so nothing can be compared.
        """
        try:
            self._worker.receive(protocol.Loaded, self._loading_s)
        except ArmError as error:
            said, hint = str(error), longer_hint(error, self._loading_s)
            said = f"{said.rstrip(' .')}.{hint}" if hint else said
            raise ModelError(f"The model cannot be run: {said}") from error
        self._worker.park()

    def batches(self, batch_size: int, wanted: int, limit_s: float) -> tuple[Path, ...]:
        """Return files with the reference outputs of as many batches as hold `wanted` inputs.

        They are fewer where the time is over or the inputs' file has fewer rows; never none.

        Raises:
            ModelError: as `outputs` does.
        """
        count = -(-distinct_inputs(self._source, batch_size, wanted) // batch_size)
        first, *rest = (self._path(batch_size, index) for index in range(count))
        self.outputs(batch_size)
        if not rest:
            return (first,)
        if self._broken:
            # What its process made while it lived still holds.
            return (first, *itertools.takewhile(Path.exists, rest))
        request = job_messages.MakeReference(
            batch_size=batch_size, paths=tuple(map(str, rest)), first=1, limit_s=limit_s
        )
        made = self._make(request, self._limit_s + limit_s)
        return (first, *rest[:made])

    def inspect(self, batch_size: int, limit_s: float) -> job_messages.Inspected:
        """Look for NaN, Inf and denormals in weights and intermediate tensors.

        A file's intermediate tensors all become outputs, which takes memory; so a process of its own does that.

        Raises:
            OrtbenchError: it could not be done; the reference itself goes on where its process lives.
        """
        request = job_messages.Inspect(batch_size=batch_size, limit_s=limit_s)
        timeout_s = self._limit_s + limit_s
        if self._source.path is None:
            self._worker.wake()
            try:
                return self._worker.ask(request, job_messages.Inspected, timeout_s)
            finally:
                self._worker.park()
        with Worker("the inspection", self._cpus, len(self._cpus)) as worker:
            load = protocol.Load(engine=resolve_engine(parse_engine(self.label)).entry.name, request=self._request)
            worker.ask(load, protocol.Loaded, self._loading_s)
            return worker.ask(request, job_messages.Inspected, timeout_s)

    def count_work(self, lanes: Sequence[str]) -> job_messages.WorkCounted:
        """Return what the model must do for one item; this process has what it takes to tell already.

        Raises:
            OrtbenchError: the process is not there any more, or could not do it.
        """
        if self._broken:
            raise ModelError(self._broken)
        self._worker.wake()
        try:
            request = job_messages.CountWork(source=self._source, lanes=tuple(lanes))
            return self._worker.ask(request, job_messages.WorkCounted, self._loading_s)
        finally:
            self._worker.park()

    def outputs(self, batch_size: int) -> Path:
        """Return the file with the reference outputs of one batch size, made at the first asking.

        Raises:
            ModelError: they cannot be made, or could not be before.
        """
        path = self._path(batch_size, 0)
        if not path.exists():
            self._make(job_messages.MakeReference(batch_size=batch_size, paths=(str(path),)), self._limit_s)
        return path

    def _path(self, batch_size: int, index: int) -> Path:
        return Path(self._folder.name) / f"batch-{batch_size}-{index}.npz"

    def _make(self, request: job_messages.MakeReference, timeout_s: float) -> int:
        """Return how many batches were made."""
        if self._broken:
            raise ModelError(self._broken)
        self._worker.wake()
        try:
            made = self._worker.ask(request, job_messages.ReferenceMade, timeout_s)
        except ArmError as error:
            self._worker.kill()
            for path in request.paths:
                Path(path).unlink(missing_ok=True)
            hint = longer_hint(error, self._limit_s) + values_hint(self._source)
            said = f"{str(error).rstrip(' .')}.{hint}" if hint else str(error)
            self._broken = f"The model cannot be run at batch size {request.batch_size}: {said}"
            raise ModelError(self._broken) from error
        self._worker.park()
        self.random = self.random or made.random
        return made.count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.kill()
        self._folder.cleanup()
