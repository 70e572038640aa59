"""LoadGen itself, around an engine that waits a known time; in this process."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest
from ortbench.results.loadgen import LoadRun
from ortbench.runner.load_logs import read_trace
from ortbench.runner.load_run import run_load
from ortbench.runner.protocol import LoadSlice, Samples

MS = 1_000_000


class Waiting(Engine):
    """Takes so long for every batch, or raises at one call."""

    def __init__(self, seconds: float, raise_at: int = 0) -> None:
        self.seconds, self.raise_at, self.calls = seconds, raise_at, 0

    @classmethod
    def probe(cls, target: str) -> Availability:
        return Availability(version=target, device="none")

    def load(self, request: LoadRequest) -> None:
        pass

    def bind(self, inputs: Arrays) -> None:
        pass

    def run(self) -> None:
        self.calls += 1
        if self.calls == self.raise_at:
            raise RuntimeError("it broke")
        time.sleep(self.seconds)

    def outputs(self) -> None:
        pass

    def evidence(self) -> Evidence:
        return Evidence(versions={})


def request(folder: Path, scenario: str, **changes: object) -> LoadSlice:
    fields = {"batch_size": 1, "run_s": 0.4, "call_ns": 2 * MS, "seeds": (1, 2, 3), "folder": str(folder)}
    return LoadSlice(scenario=scenario, **{**fields, **changes})  # type: ignore[arg-type]  # a test names fields freely


def arrivals(folder: Path, rate: float, **changes: object) -> LoadSlice:
    return request(folder, "poisson", **{"rate": rate, "max_latency_ns": 100 * MS, **changes})


def told(samples: Samples) -> LoadRun:
    assert samples.loadgen is not None
    return samples.loadgen


def lindley(due_ns: Sequence[int], service_ns: int) -> list[int]:
    """Return the latencies of a queue with one server that takes equally long for everybody."""
    latencies, free = [], 0
    for due in due_ns:
        free = max(free, due) + service_ns
        latencies.append(free - due)
    return latencies


def test_in_a_single_stream_a_query_takes_as_long_as_the_engine(tmp_path: Path) -> None:
    samples = run_load(Waiting(0.002), request(tmp_path, "single-stream"))
    run = told(samples)
    assert run.queries == run.calls == len(samples.samples_ns) == samples.items
    assert min(samples.samples_ns) >= 2 * MS
    assert statistics.median(samples.samples_ns) < 20 * MS
    # LoadGen's own figure is of the same queries.
    assert set(run.percentiles_ns.values()) <= set(samples.samples_ns)
    assert (run.bound_ns, "duration" in run.unmet) == (None, False)
    assert samples.wall_ns >= 400 * MS


def test_in_a_multi_stream_a_query_is_a_batch(tmp_path: Path) -> None:
    samples = run_load(Waiting(0.002), request(tmp_path, "multi-stream", batch_size=8))
    run = told(samples)
    assert run.queries == run.calls == len(samples.samples_ns)
    assert samples.items == 8 * run.queries


def test_offline_is_one_query_whose_batches_follow_each_other(tmp_path: Path) -> None:
    samples = run_load(Waiting(0.002), request(tmp_path, "offline", batch_size=4))
    run = told(samples)
    assert run.queries == 1
    assert samples.items is not None
    # The last batch is computed in full, whether or not there were samples for it.
    assert run.calls == len(samples.samples_ns) == samples.items // 4
    assert samples.items == 4 * run.calls
    assert sum(samples.samples_ns) == samples.wall_ns
    assert min(samples.samples_ns) >= 2 * MS


def test_arrivals_do_not_wait_for_the_engine_and_are_alike_for_all(tmp_path: Path) -> None:
    schedules = []
    for name, seconds in (("fast", 0.001), ("slow", 0.02)):
        folder = tmp_path / name
        folder.mkdir()
        samples = run_load(Waiting(seconds), arrivals(folder, 100))
        traced = read_trace((folder / "mlperf_log_trace.json").read_text())
        schedules.append([one.scheduled_ns for one in traced])
        expected = lindley(schedules[-1], round(seconds * 1e9))
        # However busy this machine is, no query is faster than a queue allows.
        assert all(own >= least - MS for own, least in zip(samples.samples_ns, expected, strict=True))
        assert told(samples).scheduled_ns == schedules[-1][-1]
    fast, slow = schedules
    assert len(fast) == len(slow) > 10
    # A schedule is kept in whole µs of a clock that begins a moment earlier.
    assert all(abs(one - other) <= 2000 for one, other in zip(fast, slow, strict=True))


def test_another_seed_is_another_schedule(tmp_path: Path) -> None:
    spans = {told(run_load(Waiting(0.0), arrivals(tmp_path, 100, seeds=(1, 2, seed)))).scheduled_ns for seed in (3, 4)}
    assert len(spans) == 2


def test_arrivals_are_a_poisson_process(tmp_path: Path) -> None:
    run_load(Waiting(0.0), arrivals(tmp_path, 2000, run_s=1.0))
    due = [one.scheduled_ns for one in read_trace((tmp_path / "mlperf_log_trace.json").read_text())]
    gaps = [after - before for before, after in itertools.pairwise(due)]
    mean = statistics.fmean(gaps)
    assert mean == pytest.approx(0.5 * MS, rel=0.1)
    # The gaps are exponential: their deviation is their mean. So a queue with a constant service time waits as
    # Pollaczek and Khinchine say, half as long as one whose service time is exponential too.
    assert statistics.stdev(gaps) == pytest.approx(mean, rel=0.1)
    service = 0.5 * mean
    waits = [latency - service for latency in lindley(due, round(service))]
    assert statistics.fmean(waits) == pytest.approx(0.5 * service / (2 * (1 - 0.5)), rel=0.25)


def test_an_engine_that_cannot_keep_up_is_told_by_loadgen(tmp_path: Path) -> None:
    samples = run_load(Waiting(0.02), arrivals(tmp_path, 100, max_latency_ns=30 * MS))
    run = told(samples)
    assert run.busy_ns > run.scheduled_ns
    assert not run.valid
    assert "latency bound" in run.unmet
    assert "Reduce target QPS to improve latency." in run.reasons
    assert run.late > 0
    assert samples.wall_ns > run.scheduled_ns


def test_a_queue_that_grows_beyond_its_bound_ends_the_run(tmp_path: Path) -> None:
    run = told(run_load(Waiting(0.02), arrivals(tmp_path, 1000, most_outstanding=20)))
    assert run.queries < 100
    assert run.reasons[0].startswith("IssueQueryThread 0 Ending early: Too many outstanding queries.")


def test_with_a_batch_several_waiting_queries_share_a_call(tmp_path: Path) -> None:
    run = told(run_load(Waiting(0.02), arrivals(tmp_path, 200, batch_size=8)))
    assert run.queries / 8 <= run.calls < run.queries / 2


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline"])
def test_an_engine_that_raises_is_heard_after_loadgen_has_ended(tmp_path: Path, scenario: str) -> None:
    engine = Waiting(0.001, raise_at=3)
    with pytest.raises(RuntimeError, match="it broke"):
        run_load(engine, request(tmp_path, scenario, run_s=0.1))
    assert engine.calls == 3


def test_the_engine_leads_in_before_loadgen_asks(tmp_path: Path) -> None:
    engine = Waiting(0.002)
    samples = run_load(engine, request(tmp_path, "single-stream", lead_in=3))
    assert len(samples.lead_in_ns) == 3
    assert engine.calls == 3 + told(samples).queries == 3 + len(samples.samples_ns)
