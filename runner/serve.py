"""What the worker does with each request."""

from __future__ import annotations

import gc
import importlib
import platform
import time
import traceback
from typing import BinaryIO

import msgspec

from ortbench.engines.base import Engine, Evidence, LoadRequest
from ortbench.engines.lanes import with_lane
from ortbench.engines.registry import find_engine
from ortbench.errors import OrtbenchError
from ortbench.export.exporter import export_model
from ortbench.models.inputs import make_inputs
from ortbench.models.parity import Parity, Tolerance, compare_outputs, tolerance_for
from ortbench.runner import job_messages, protocol
from ortbench.runner.bisecting import bisect
from ortbench.runner.busy import BusyThreads
from ortbench.runner.checking import check_batches, expected_outputs
from ortbench.runner.counting import count_work
from ortbench.runner.gpu import own_memory_mib
from ortbench.runner.images import preprocess
from ortbench.runner.inspection import inspect
from ortbench.runner.load_run import run_load
from ortbench.runner.machine import affinity_of_threads, count_threads, loaded_allocator, loaded_tunables, memory_maps
from ortbench.runner.meeting import Meeting
from ortbench.runner.peaks import measure_peaks
from ortbench.runner.pss import LargestPss
from ortbench.runner.reference_making import ReferenceMaker
from ortbench.runner.sentinel import time_sentinel
from ortbench.runner.timing import time_calls, warm_up, warm_up_again
from ortbench.runner.usage import peak_memory_mib, timed_slice


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer one request after the other until the parent closes the pipe."""
    host = EngineHost()
    for line in requests:
        replies.write(protocol.encode(_answer(host, line)))
        replies.flush()


def _answer(host: EngineHost, line: bytes) -> protocol.Reply:
    try:
        return _carry_out(host, protocol.decode_request(line))
    except OrtbenchError as error:
        return protocol.Failed(kind=type(error).__name__, message=str(error), trace=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - an engine may raise anything; the parent is told what it was
        message = f"{type(error).__name__}: {error}"
        return protocol.Failed(kind="Exception", message=message, trace=traceback.format_exc())


def _carry_out(  # noqa: PLR0911 - one a request
    host: EngineHost, request: protocol.Request
) -> protocol.Reply:
    match request:
        case protocol.Slice():
            return timed_slice(host.engine, request, host.meeting)
        case protocol.LoadSlice():
            return run_load(host.engine, request)
        case protocol.Profile(calls=calls):
            return _profile(host.engine, calls)
        case protocol.Sentinel():
            return protocol.SentinelTimed(duration_ns=time_sentinel())
        case protocol.Load(engine=name, request=load):
            host.meeting = Meeting(request.meeting) if request.meeting else None
            return host.load(name, load)
        case protocol.Prepare():
            return host.prepare(request)
        case protocol.Try():
            return host.try_call(request)
        case job_messages.MakeReference():
            return host.make_reference(request)
        case job_messages.Inspect():
            return host.inspect(request)
        case _:
            return _job(request)


def _job(  # noqa: PLR0911 - one a request
    request: job_messages.Export
    | job_messages.Build
    | job_messages.Probe
    | job_messages.Bisect
    | job_messages.Preprocess
    | job_messages.CountWork
    | job_messages.MeasurePeaks,
) -> protocol.Reply:
    """Do what needs no engine loaded."""
    match request:
        case job_messages.Export(request=export):
            return job_messages.Exported(artifact=export_model(export))
        case job_messages.Build(engine=name, request=load):
            return _build(name, load)
        case job_messages.Bisect():
            return job_messages.Bisected(found=bisect(request))
        case job_messages.Preprocess():
            return preprocess(request)
        case job_messages.CountWork():
            return count_work(request)
        case job_messages.MeasurePeaks():
            return measure_peaks(request)
        case job_messages.Probe(targets=targets):
            probes = (find_engine(name).implementation().probe(target) for name, target in targets)
            return job_messages.Probed(availability=tuple(probes))


def _build(name: str, request: LoadRequest) -> job_messages.Built:
    entry = find_engine(name)
    started = time.perf_counter()
    reused = entry.implementation().build(request)
    return job_messages.Built(seconds=time.perf_counter() - started, reused=reused)


def _profile(engine: Engine, calls: int) -> protocol.Profiled:
    """Profile a batch, and time calls without the profiler before and after, so that a drift is in both."""
    before = time_calls(engine, (calls + 1) // 2)
    operators = engine.profile(calls)
    return protocol.Profiled(samples_ns=(*before, *time_calls(engine, calls // 2)), operators=operators)


class EngineHost:
    """The worker's one engine, from loading to slices."""

    engine: Engine
    meeting: Meeting | None = None
    _maker: ReferenceMaker | None = None
    _request: LoadRequest

    def load(self, name: str, request: LoadRequest) -> protocol.Loaded:
        """Import the engine's libraries, then load the model; time both."""
        entry = find_engine(name)
        # Importing makes many objects and hardly any garbage; looking for it takes a tenth of the time.
        gc.disable()
        started = time.perf_counter()
        for library in entry.libraries_for(request.source):
            importlib.import_module(library)
        imported = time.perf_counter()
        self.engine = entry.create(request.options)
        self._request = request
        self.engine.load(request)
        loaded = time.perf_counter()
        self._pss = LargestPss()
        self._pss.look()
        # What loading left behind goes. The libraries' many objects are here to stay: looking through them again for
        # every batch size would take a third of a second each time.
        gc.collect()
        gc.freeze()
        return protocol.Loaded(import_s=imported - started, load_s=loaded - imported, memory_mib=peak_memory_mib())

    def inspect(self, request: job_messages.Inspect) -> job_messages.Inspected:
        """Look for unusual numbers in the weights and in what the loaded engine computes on the way."""
        return inspect(self.engine, self._request, request)

    def make_reference(self, request: job_messages.MakeReference) -> job_messages.ReferenceMade:
        """Run batches and save what came out."""
        if self._maker is None:
            self._maker = ReferenceMaker(self.engine, self._request)
        return self._maker.make(request)

    def try_call(self, request: protocol.Try) -> protocol.Tried:
        """Bind a batch and time one call, or a second where the first was short."""
        self.engine.bind(make_inputs(self._request.source, request.batch_size, part=request.part))
        [call] = time_calls(self.engine, 1)
        if call <= request.again_s * 1e9:
            [call] = time_calls(self.engine, 1)
        self._pss.look()
        return protocol.Tried(call_ns=call)

    def prepare(self, request: protocol.Prepare) -> protocol.Prepared:
        """Make one batch size ready: bind, first call, parity, evidence, warm-up."""
        gc.enable()
        self.engine.bind(make_inputs(self._request.source, request.batch_size, part=request.part))
        [first_call] = time_calls(self.engine, 1)
        self._pss.look()
        parity = self._parity(request)
        if parity.ok is not None and request.batches:
            parity = check_batches(self.engine, self._request.source, request, self._tolerance)
        durations: list[int] = []
        steady = False
        busy = None
        if parity.ok is not False:
            threads = BusyThreads()
            durations, steady = self._warm_up(first_call, request.warm_up)
            self.engine.settle()
            busy = threads.count(lambda: time_calls(self.engine, 1), self._request.threads)
        evidence = with_lane(_with_python(self.engine.evidence()), self._request)
        self._pss.look()
        # A collection in the middle of a slice would be charged to whichever call it fell into.
        gc.collect()
        gc.freeze()
        gc.disable()
        return protocol.Prepared(
            first_call_ns=first_call,
            warm_up_ns=tuple(durations),
            steady=steady,
            parity=parity,
            evidence=evidence,
            affinity=affinity_of_threads(),
            os_threads=count_threads(),
            allocator=loaded_allocator(memory_maps()),
            tunables=loaded_tunables(),
            memory_mib=peak_memory_mib(),
            pss_mib=self._pss.mib,
            gpu_memory_mib=own_memory_mib() if evidence.boundary != "host" else None,
            busy_threads=busy,
        )

    def _warm_up(self, first_call_ns: int, calls: int | None) -> tuple[list[int], bool]:
        def call() -> int:
            return time_calls(self.engine, 1)[0]

        if calls is not None:
            # What is compiled at the first call may go on with it in the second, which belongs in no round.
            return warm_up_again(first_call_ns, max(calls, int(self.engine.compiles_at_first_call)), call)
        if not self.engine.compiles_at_first_call:
            return warm_up(first_call_ns, call)
        # What compiling took says nothing about how long calls are, nor may it use up the time to warm up.
        second = call()
        durations, steady = warm_up(second, call)
        return [second, *durations], steady

    @property
    def _tolerance(self) -> Tolerance:
        return tolerance_for(self._request.precision, self._request.source.facts.made)

    def _parity(self, request: protocol.Prepare) -> Parity:
        outputs = self.engine.outputs()
        if outputs is None:
            return Parity(ok=None, reference=request.reference, reason="this engine computes nothing")
        if request.reference_path is None:
            return Parity(ok=None, reference=request.reference, reason="there is no reference")
        expected = expected_outputs(request.reference_path, self._request.source, request.part)
        facts = self._request.source.facts
        parity = compare_outputs(outputs, expected, request.reference, self._tolerance, facts)
        if parity.ok is None:
            return parity
        return msgspec.structs.replace(parity, inputs=request.batch_size, failed_batch=None if parity.ok else 0)


def _with_python(evidence: Evidence) -> Evidence:
    """Add the interpreter's version: an arm may run in another one than the rest."""
    return msgspec.structs.replace(evidence, versions=evidence.versions | {"python": platform.python_version()})
