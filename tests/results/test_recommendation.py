"""From a summary or CSV to a recommended plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ortbench.errors import ResultsError, UsageError
from ortbench.results.csv_input import summarize_csv
from ortbench.results.profiles import interpolate
from ortbench.results.recommendation import INTERPOLATED, ISOLATED, PlanRequest, recommend
from ortbench.results.summary import Summary
from tests.conftest import CommandLine

HEAD = "engine,batch_size,threads,latency_ms\n"
# `thin` gains from two instances, `fat` does not.
ROWS = "thin,1,1,10\nthin,2,1,20\nthin,2,2,18\nthin,1,2,8\nfat,2,2,15\nfat,1,1,14\nfat,1,2,9\n"
PROFILE = Path(__file__).with_name("data") / "inception-v3-16-threads.csv"


def summary(tmp_path: Path, rows: str = ROWS, head: str = HEAD) -> Summary:
    path = tmp_path / "profile.csv"
    path.write_text(head + rows, encoding="utf-8")
    return summarize_csv(path)


def test_the_best_engine_is_planned_and_named(tmp_path: Path) -> None:
    found = recommend(summary(tmp_path), PlanRequest(threads=2, batch_size=2))
    assert (found.engine, found.latency_ms) == ("thin", 10)
    assert [(group.threads, group.batch_size, group.count) for group in found.instances] == [(1, 1, 2)]
    assert found.single_instance_latency_ms == 18
    assert found.speedup == 1.8
    assert found.notes == (ISOLATED,)


def test_an_engine_may_be_chosen(tmp_path: Path) -> None:
    found = recommend(summary(tmp_path), PlanRequest(threads=2, batch_size=2, engine="fat"))
    assert (found.engine, found.latency_ms, found.speedup) == ("fat", 14, 15 / 14)


def test_a_single_instance_that_was_not_measured_is_null(tmp_path: Path) -> None:
    found = recommend(summary(tmp_path), PlanRequest(threads=4, batch_size=4))
    assert found.single_instance_latency_ms is None
    assert found.speedup is None


def test_throughput_is_of_all_instances_and_keeps_to_the_bound(tmp_path: Path) -> None:
    request = PlanRequest(threads=2, batch_size=2, objective="throughput", max_latency_ms=16, engine="fat")
    found = recommend(summary(tmp_path), request)
    assert found.throughput_per_s == pytest.approx(2 * 1000 / 14)
    assert found.speedup == pytest.approx(15 / 14)
    assert found.keeps_max_latency is True


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_bound_that_nothing_keeps_gives_the_fastest_and_says_so(tmp_path: Path, objective: str) -> None:
    words = {"objective": objective, "max_latency_ms": 5.0}
    found = recommend(summary(tmp_path), PlanRequest(threads=2, batch_size=2, **words))  # type: ignore[arg-type]  # a dict's values have one type
    assert found.keeps_max_latency is False
    assert found.latency_ms == 10


def test_a_missing_size_is_not_invented_unless_asked_for(tmp_path: Path) -> None:
    sparse = summary(tmp_path, "a,2,1,20\na,4,1,40\n")
    with pytest.raises(ResultsError) as caught:
        recommend(sparse, PlanRequest(threads=1, batch_size=3))
    assert str(caught.value) == (
        "No instances of measured sizes make a batch of 3 on 1 threads. Measured are batch sizes 2, 4 on threads 1. "
        "--interpolate fills batch sizes between measured ones."
    )
    found = recommend(sparse, PlanRequest(threads=1, batch_size=3, interpolate=True))
    assert found.latency_ms == 30
    assert found.notes == (INTERPOLATED,)


def test_a_single_instance_that_was_interpolated_was_not_measured(tmp_path: Path) -> None:
    sparse = summary(tmp_path, "a,2,1,20\na,4,1,40\n")
    found = recommend(sparse, PlanRequest(threads=1, batch_size=3, interpolate=True))
    assert (found.single_instance_latency_ms, found.speedup) == (None, None)


def test_of_engines_that_all_miss_the_bound_the_fastest_is_given_whatever_the_objective(tmp_path: Path) -> None:
    rows = "slow,1,1,10\nslow,2,2,12\nfast,2,1,11\n"
    request = PlanRequest(threads=2, batch_size=2, objective="throughput", max_latency_ms=5)
    found = recommend(summary(tmp_path, rows), request)
    assert (found.engine, found.latency_ms, found.keeps_max_latency) == ("slow", 10, False)
    wider = "slow,1,1,10\nfast,2,1,9\n"
    assert recommend(summary(tmp_path, wider), request).engine == "fast"


def test_nothing_is_assumed_beyond_what_was_measured() -> None:
    assert interpolate({(1, 2): 20.0, (1, 4): 40.0, (2, 3): 5.0}, 9) == {
        (1, 2): 20.0, (1, 3): 30.0, (1, 4): 40.0, (2, 3): 5.0,
    }  # fmt: skip


def test_several_models_are_refused(tmp_path: Path) -> None:
    mixed = summary(tmp_path, "a,m,1,1,5\na,n,1,1,6\n", "engine,model,batch_size,threads,latency_ms\n")
    with pytest.raises(ResultsError, match="The results hold several models: m, n"):
        recommend(mixed, PlanRequest(threads=1, batch_size=1))


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Expected --engine to be one of \[thin, fat\], but got 'ort'"):
        recommend(summary(tmp_path), PlanRequest(threads=1, batch_size=1, engine="ort"))


def test_allocators_are_alternatives(tmp_path: Path) -> None:
    rows = "a,1,1,10,default\na,1,1,6,tcmalloc\n"
    two = summary(tmp_path, rows, "engine,batch_size,threads,latency_ms,allocator\n")
    found = recommend(two, PlanRequest(threads=2, batch_size=2))
    assert (found.engine, found.allocator, found.latency_ms) == ("a", "tcmalloc", 6)


def test_the_command_plans_from_a_real_study(ortbench: CommandLine) -> None:
    outcome = ortbench("plan", PROFILE, "--threads", 16, "--batch-size", 64, "--engine", "torchscript", "--json")
    assert outcome.status == 0, outcome.stderr
    document = json.loads(outcome.stdout)
    assert document["engine"] == "torchscript"
    assert document["single_instance_latency_ms"] == 455.38
    assert document["speedup"] == pytest.approx(455.38 / document["latency_ms"])
    assert sum(group["threads"] * group["count"] for group in document["instances"]) <= 16
    assert sum(group["batch_size"] * group["count"] for group in document["instances"]) == 64
    readable = ortbench("plan", PROFILE, "--threads", 16, "--batch-size", 64)
    assert "instances   16 x 1 thread with batch size 4 each" in readable.stdout


def test_the_command_fails_where_nothing_keeps_the_bound(ortbench: CommandLine) -> None:
    outcome = ortbench("plan", PROFILE, "--threads", 16, "--batch-size", 64, "--max-latency", "50ms")
    assert outcome.status == 1
    assert outcome.stdout.startswith("no plan keeps to 50.0 ms")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--objective", "speed"], "Expected --objective to be one of [latency, throughput], but got 'speed'."),
        (["--max-latency", "fast"], "--max-latency"),
    ],
)
def test_the_command_refuses_bad_options(ortbench: CommandLine, words: list[str], message: str) -> None:
    outcome = ortbench("plan", PROFILE, "--threads", 16, "--batch-size", 64, *words)
    assert outcome.status == 2
    assert message in outcome.stderr
