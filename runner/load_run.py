"""One run of MLPerf LoadGen around an engine's bound batch; in the worker.

Where each query waits for the last, LoadGen's thread is this one and runs the engine in its callback. Under arrivals
the callback only puts the query into a queue, on a thread of LoadGen's own, so that the next one is issued when it is
due however long the engine takes; the engine stays on this thread, where it was made ready: OpenMP keeps a team of
threads for each thread that calls, and PyTorch's inference mode belongs to one.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from ortbench.engines.base import Engine
from ortbench.errors import ArmError
from ortbench.results.loadgen import LoadRun
from ortbench.runner import protocol
from ortbench.runner.load import OFFLINE, POISSON, SCENARIOS
from ortbench.runner.load_logs import completion_gaps, query_latencies, read_detail, read_trace
from ortbench.runner.timing import time_calls
from ortbench.runner.usage import usage

# LoadGen chooses among so many samples; all of them are the batch that is bound.
_LIBRARY_SIZE = 1024
# A callback after the engine failed returns no faster than this, so that LoadGen's memory holds out until its end.
_FAILED_CALL_S = 0.01

_Complete = Callable[[Sequence[Any]], None]


@dataclass
class _Calls:
    """Calls of the engine, timed; what it raised is kept until LoadGen has returned.

    An exception that passed through LoadGen's own frames would leave its threads to end the process.
    """

    engine: Engine
    count: int = 0
    busy_ns: int = 0
    error: Exception | None = None

    def __post_init__(self) -> None:
        # Asked once: it is no part of a request.
        self._asynchronous = self.engine.asynchronous

    def run(self) -> None:
        started = time.perf_counter_ns()
        self.engine.run()
        if self._asynchronous:
            self.engine.synchronize()
        self.busy_ns += time.perf_counter_ns() - started
        self.count += 1

    def try_to_run(self) -> None:
        if self.error is not None:
            time.sleep(_FAILED_CALL_S)
            return
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - an engine may raise anything; it is raised again afterwards
            self.error = error


def run_load(engine: Engine, request: protocol.LoadSlice) -> protocol.Samples:
    """Run LoadGen once.

    Raises:
        ArmError: LoadGen is not installed, or left no record.
        Exception: whatever the engine raised.
    """
    lg = _loadgen()
    calls, before = _Calls(engine), usage()
    # What a process pays for the pause before its slice is nobody's latency; LoadGen's setting up takes a few ms only.
    # Between arrivals the engine waits; what it pays for that is what a user would see, and counts.
    lead_in = time_calls(engine, request.lead_in)
    settings, logs = _settings(lg, request), _logs(lg, request.folder)
    library = lg.ConstructQSL(_LIBRARY_SIZE, _LIBRARY_SIZE, lambda _: None, lambda _: None)

    def start(issue: Callable[[Sequence[Any]], None]) -> None:
        system = lg.ConstructSUT(issue, lambda: None)
        # Without a name of its own LoadGen would obey an audit.config in whatever folder this is.
        lg.StartTestWithLogSettings(system, library, settings, logs, str(Path(request.folder) / "no-audit"))
        lg.DestroySUT(system)

    def complete(queries: Sequence[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(query.id, 0, 0) for query in queries])

    if request.scenario == POISSON:
        _serve_arrivals(start, complete, calls, request.batch_size)
    else:
        _answer_in_turn(start, complete, calls, request.batch_size)
    lg.DestroyQSL(library)
    return msgspec.structs.replace(_samples(request, calls, before), lead_in_ns=tuple(lead_in))


def _loadgen() -> Any:
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise ArmError(
            f"MLPerf LoadGen is not installed for {sys.executable}; `pip install mlcommons-loadgen` there adds it"
        ) from error
    return mlperf_loadgen


def _answer_in_turn(start: Callable[..., None], complete: _Complete, calls: _Calls, batch_size: int) -> None:
    def issue(queries: Sequence[Any]) -> None:
        for begin in range(0, len(queries), batch_size):
            calls.try_to_run()
            complete(queries[begin : begin + batch_size])

    start(issue)
    if calls.error is not None:
        raise calls.error


def _serve_arrivals(start: Callable[..., None], complete: _Complete, calls: _Calls, batch_size: int) -> None:
    """Take what waits, up to a batch at a time; a batch that is not full takes as long as a full one."""
    arrived: SimpleQueue[Any] = SimpleQueue()

    def issue(queries: Sequence[Any]) -> None:
        for query in queries:
            arrived.put(query)

    def generate() -> None:
        try:
            start(issue)
        finally:
            arrived.put(None)

    # Where the engine fails, this thread is left behind: the process is ended at once.
    generator = threading.Thread(target=generate, daemon=True)
    generator.start()
    while (query := arrived.get()) is not None:
        waiting = [query]
        # None comes only once every query is completed, so never behind one that waits.
        while len(waiting) < batch_size and not arrived.empty():
            waiting.append(arrived.get())
        calls.run()
        complete(waiting)
    generator.join()


def _settings(lg: Any, request: protocol.LoadSlice) -> Any:
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, SCENARIOS[request.scenario])
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = max(1, round(request.run_s * 1e3))
    settings.min_query_count = 1
    settings.qsl_rng_seed, settings.sample_index_rng_seed, settings.schedule_rng_seed = request.seeds
    if request.scenario == POISSON:
        settings.server_target_qps = request.rate
        settings.server_target_latency_ns = request.max_latency_ns
        settings.server_max_async_queries = request.most_outstanding
    # LoadGen makes up its queries beforehand, twice as many as these say: enough for calls a quarter as long.
    hint_ns = max(1, request.call_ns // 2)
    settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = hint_ns
    settings.multi_stream_samples_per_query = request.batch_size
    settings.offline_expected_qps = request.batch_size * 1e9 / max(request.call_ns, 1)
    return settings


def _logs(lg: Any, folder: str) -> Any:
    output = lg.LogOutputSettings()
    output.outdir = folder
    logs = lg.LogSettings()
    logs.log_output = output
    logs.enable_trace = True
    return logs


def _samples(request: protocol.LoadSlice, calls: _Calls, before: Any) -> protocol.Samples:
    """Read what LoadGen wrote, and say what the process used meanwhile."""
    samples = read_trace((Path(request.folder) / "mlperf_log_trace.json").read_text(errors="replace"))
    verdict = read_detail((Path(request.folder) / "mlperf_log_detail.txt").read_text(errors="replace"))
    latencies = completion_gaps(samples) if request.scenario == OFFLINE else query_latencies(samples)
    arrivals = request.scenario == POISSON
    after = usage()
    return protocol.Samples(
        samples_ns=latencies,
        wall_ns=max(sample.done_ns for sample in samples),
        cpu_ns=after.cpu_ns - before.cpu_ns,
        minor_faults=after.minor_faults - before.minor_faults,
        major_faults=after.major_faults - before.major_faults,
        involuntary_switches=after.involuntary_switches - before.involuntary_switches,
        # A last batch that the samples do not fill is computed in full.
        items=calls.count * request.batch_size if request.scenario == OFFLINE else len(samples),
        loadgen=LoadRun(
            seeds=request.seeds,
            queries=len({sample.query for sample in samples}),
            valid=verdict.valid,
            unmet=verdict.unmet,
            reasons=verdict.reasons,
            percentiles_ns=verdict.percentiles_ns,
            scheduled_ns=max(sample.scheduled_ns for sample in samples),
            busy_ns=calls.busy_ns,
            calls=calls.count,
            late=verdict.late,
            bound_ns=request.max_latency_ns if arrivals else None,
            delay_ns=max(sample.delay_ns for sample in samples) if arrivals else 0,
        ),
    )
