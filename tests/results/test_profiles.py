"""Which figures a plan is made from: those measured beside others, where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.results.csv_input import summarize_csv
from ortbench.results.profiles import Measured, gather_profiles
from ortbench.results.recommendation import ISOLATED, TOGETHER, PlanRequest, recommend
from ortbench.results.summary import Summary

HEAD = "engine,batch_size,threads,latency_ms,instances,mode\n"


def summary(tmp_path: Path, rows: str) -> Summary:
    path = tmp_path / "profile.csv"
    path.write_text(HEAD + rows, encoding="utf-8")
    return summarize_csv(path)


def test_instances_are_known_alone_dividing_a_batch_and_streaming(tmp_path: Path) -> None:
    rows = "a,2,1,20,1,single\na,4,1,26,2,split\na,2,1,24,2,stream\n"
    assert gather_profiles(summary(tmp_path, rows)) == {
        ("a", "default"): Measured(
            alone={(1, 2): 20},
            divided={(1, 2): 26},
            streaming={(1, 2): 24},
            uniform={"split": {((1, 2), 2): 26}, "stream": {((1, 2), 2): 24}},
        )
    }


def test_an_uneven_batch_is_as_slow_as_its_largest_share(tmp_path: Path) -> None:
    measured = gather_profiles(summary(tmp_path, "a,5,1,30,2,split\n"))["a", "default"]
    assert measured.divided == {(1, 3): 30}


def test_of_several_numbers_of_instances_the_one_with_the_most_company_counts(tmp_path: Path) -> None:
    rows = "a,2,1,28,4,stream\na,2,1,24,2,stream\n"
    assert gather_profiles(summary(tmp_path, rows))["a", "default"].streaming == {(1, 2): 28}


@pytest.mark.parametrize(("objective", "expected"), [("latency", 26), ("throughput", 24)])
def test_what_was_measured_in_the_mode_that_counts_goes_first(objective: str, expected: float) -> None:
    measured = Measured({(1, 2): 20, (2, 4): 40}, {(1, 2): 26}, {(1, 2): 24})
    assert measured.beside_others("throughput" if objective == "throughput" else "latency") == {
        (1, 2): expected, (2, 4): 40,
    }  # fmt: skip


def test_isolated_figures_flatter_thin_instances_and_co_running_ones_do_not(tmp_path: Path) -> None:
    alone = "a,2,1,20,1,single\na,4,2,24,1,single\n"
    flattered = recommend(summary(tmp_path, alone), PlanRequest(threads=2, batch_size=4))
    assert (flattered.latency_ms, flattered.notes) == (20, (ISOLATED,))
    honest = recommend(summary(tmp_path, alone + "a,4,1,30,2,split\n"), PlanRequest(threads=2, batch_size=4))
    assert (honest.latency_ms, sum(group.count for group in honest.instances), honest.notes) == (24, 1, ())


def test_a_plan_of_several_says_that_its_figures_are_of_instances_in_company(tmp_path: Path) -> None:
    rows = "a,2,1,20,1,single\na,4,2,40,1,single\na,4,1,26,2,split\n"
    found = recommend(summary(tmp_path, rows), PlanRequest(threads=2, batch_size=4))
    assert (found.latency_ms, found.notes) == (26, (TOGETHER,))


def test_one_that_runs_alone_is_planned_from_what_it_takes_alone(tmp_path: Path) -> None:
    rows = "a,2,1,20,1,single\na,2,1,26,2,stream\n"
    found = recommend(summary(tmp_path, rows), PlanRequest(threads=1, batch_size=2))
    assert found.latency_ms == 20


@pytest.mark.parametrize(("two", "expected"), [(24, 24), (32, 32)])
def test_equal_instances_that_were_measured_in_just_that_number_count_as_they_were(
    tmp_path: Path, two: float, expected: float
) -> None:
    rows = f"a,4,1,{two},2,split\na,8,1,28,4,split\n"
    found = recommend(summary(tmp_path, rows), PlanRequest(threads=4, batch_size=4))
    assert (found.latency_ms, found.notes) == (expected, (TOGETHER,))
    assert recommend(summary(tmp_path, rows), PlanRequest(threads=4, batch_size=6)).latency_ms == 28


def test_what_makes_the_whole_batch_is_not_planned_from_what_it_takes_in_company(tmp_path: Path) -> None:
    rows = "a,4,2,50,1,single\na,4,2,30,2,stream\na,2,1,40,1,single\n"
    found = recommend(summary(tmp_path, rows), PlanRequest(threads=2, batch_size=4))
    assert (found.latency_ms, sum(group.count for group in found.instances)) == (40, 2)


def test_a_size_that_was_tried_in_vain_is_not_filled(tmp_path: Path) -> None:
    head = "engine,batch_size,threads,latency_ms,status\n"
    path = tmp_path / "profile.csv"
    path.write_text(head + "a,2,1,20,ok\na,3,1,,failed\na,5,1,50,ok\n", encoding="utf-8")
    measured = gather_profiles(summarize_csv(path))["a", "default"]
    assert measured.interpolated(9).alone == {(1, 2): 20, (1, 4): 40, (1, 5): 50}


def test_an_engine_without_any_figure_is_no_engine_to_plan(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text("engine,batch_size,threads,latency_ms,status\na,2,1,,failed\nb,2,1,20,ok\n", encoding="utf-8")
    assert list(gather_profiles(summarize_csv(path))) == [("b", "default")]
