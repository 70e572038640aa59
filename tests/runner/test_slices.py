"""How slices are made up, from what a first launch measured."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.schema import ArmKey, RoundRecord, SlicePlan
from ortbench.runner.readying import Readied, long_calls, run_stretches, stretch_ns, warms_up_in_a_round
from ortbench.runner.slices import (
    STRETCH_NS,
    Known,
    overhead_between_ns,
    pilot_arm,
    pilot_slices,
    settled_slices,
    slices_alone,
    stretch_calls,
    warm_up_calls,
)
from tests.results.factory import MS, make_launches, make_run

[CELL] = make_run().cells
ONE = SlicePlan(lead_in=1, calls=3, call_ns=4 * MS)


def line(  # what a slice is
    engine: str, number: int, samples: list[int], lead_in: int = 0, *, twin: bool = False, streams: int = 0
) -> RoundRecord:
    return RoundRecord(
        cell=CELL.key.id,
        launch=1,
        round=number,
        position=0,
        engine=engine,
        twin=twin,
        started_s=0.0,
        lead_in_ns=tuple(samples[:lead_in]),
        samples_ns=tuple(samples[lead_in:]),
        instance_calls=(len(samples) // streams,) * streams if streams else (),
    )


def slices_of(engine: str, seed: int, call_ns: float, first: float = 1.0, *, twin: bool = False) -> list[RoundRecord]:
    """Return twelve slices of 16 calls, whose first four lead in and whose first takes `first` times as long."""
    chance = random.Random(seed)
    return [
        line(
            engine,
            number,
            [round(call_ns * (first if place == 0 else 1) * chance.gauss(1, 0.01)) for place in range(16)],
            4,
            twin=twin,
        )
        for number in range(1, 13)
    ]


def test_a_first_launch_leads_in_generously_but_for_the_longest_calls() -> None:
    made = [pilot_slices(call * MS) for call in (0.01, 1, 10, 60, 200, 2000)]
    assert [(plan.lead_in, plan.calls) for plan in made] == [(249, 999), (40, 161), (4, 17), (1, 3), (1, 1), (0, 1)]


def test_a_stretch_is_longer_than_a_slice_and_is_left_out_where_it_would_take_too_long() -> None:
    assert [stretch_calls(250 * MS, call * MS) for call in (0.01, 1, 50, 120, 200, 2000)] == [3000, 250, 5, 3, 0, 0]
    assert stretch_ns(1000.0, 3) == STRETCH_NS
    # Five stretches of two arms, and three tenths of a second and a half for all of them.
    assert stretch_ns(1.5, 2) == pytest.approx(45 * MS)


def test_an_engine_and_its_twin_have_slices_alike_however_noisy_one_of_them_was() -> None:
    quiet, noisy = slices_of("torch", 1, 5.6 * MS), slices_of("torch", 2, 7.2 * MS, twin=True)
    arms = {
        ArmKey("torch"): pilot_arm(quiet, ()),
        ArmKey("torch", twin=True): pilot_arm(noisy, ()),
        ArmKey("ort"): pilot_arm(slices_of("ort", 3, 2 * MS, first=1.5), ()),
    }
    plans = {plan.engine: plan for plan in settled_slices(CELL.key.id, arms, "torch", 0.5 * MS)}
    assert plans.keys() == {"torch", "ort"}
    assert plans["torch"].call_ns == pytest.approx(6.4 * MS, rel=0.01)
    assert all(plan.calls % 2 == 1 and plan.calls >= 3 and plan.lead_in >= 1 for plan in plans.values())
    assert plans["ort"].off is not None
    assert abs(plans["ort"].off) < 0.01


def test_streams_tell_the_lead_in_by_their_stretches_alone() -> None:
    """Of several streams a slice's samples stand one instance after the other: they are no calls in a row."""
    lines = [line("ort", number, [9 * MS, 4 * MS, 4 * MS] * 2, streams=2) for number in range(1, 13)]
    arm = pilot_arm(lines, [(9 * MS, *[4 * MS] * 9)] * 5)
    assert len(arm.rows) == 5
    [plan] = settled_slices(CELL.key.id, {ArmKey("ort"): arm}, "ort", 0.0)
    assert plan.lead_in == 1


def test_what_was_never_measured_has_no_plan_and_what_has_no_stretch_the_usual_one() -> None:
    assert settled_slices(CELL.key.id, {ArmKey("ort"): pilot_arm([], ())}, "ort", 0.0) == ()
    plan = slices_alone("b1-t2", "ort", (), 30 * MS, 20 * MS)
    assert (plan.lead_in, plan.calls, plan.off) == (1, 1, None)
    assert slices_alone("b1-t2", "ort", [[9 * MS, *[2 * MS] * 20]] * 5, 1.0, 20 * MS).calls == 11
    # Four rows say nothing of what is off.
    rows = [[9 * MS, *[2 * MS] * 40]] * 5
    assert slices_alone("b1-t2", "ort", rows, 1.0, 20 * MS).off == 0
    assert slices_alone("b1-t2", "ort", rows[:4], 1.0, 20 * MS).off is None


@given(st.lists(st.lists(st.integers(0, 10**10), min_size=1, max_size=9), max_size=12), st.integers(0, 3))
def test_any_first_launch_has_a_plan(samples: list[list[int]], lead_in: int) -> None:
    lines = [line("ort", number, own, min(lead_in, len(own) - 1)) for number, own in enumerate(samples)]
    arms = {ArmKey("ort"): pilot_arm(lines, samples), ArmKey("torch"): pilot_arm(lines[:1], ())}
    for plan in settled_slices(CELL.key.id, arms, "torch", 1.0):
        assert plan.calls % 2 == 1
        assert plan.lead_in >= 0


def test_the_overhead_of_a_slice_is_what_lies_between_two_of_a_round() -> None:
    def at(number: int, started_s: float) -> RoundRecord:
        made = line("ort", number, [MS, 2 * MS, 2 * MS], 1)
        return msgspec.structs.replace(made, started_s=started_s, wall_ns=4 * MS)

    assert overhead_between_ns([at(1, 0.0), at(1, 0.006), at(2, 9.0), at(2, 9.006)]) == pytest.approx(MS)
    assert overhead_between_ns([]) == 0


def test_an_arm_warms_up_as_long_as_in_its_first_launch() -> None:
    records = make_launches(["ort"], 1, warm_up_ns=(MS,) * 7) + make_launches(["ort"], 1, warm_up_ns=(MS,) * 9)
    assert warm_up_calls(records, "b1-t2", ArmKey("ort")) == 7
    assert warm_up_calls(records, "b1-t2", ArmKey("ort", twin=True)) is None
    assert warm_up_calls(records, "b4-t2", ArmKey("ort")) is None


def test_long_calls_warm_up_in_a_round() -> None:
    long = SlicePlan(lead_in=1, calls=3, call_ns=40 * MS)
    known = {ArmKey("ort"): Known(ONE, 40), ArmKey("torch"): Known(long, 6), ArmKey("null"): Known()}
    assert long_calls(known) == [ArmKey("torch")]
    assert warms_up_in_a_round(Known(long, 6)) == Known(long, 2)
    assert warms_up_in_a_round(Known(long, 2)) == Known(long, 0)
    assert warms_up_in_a_round(Known(long)) == Known(long)


class Stretching:
    """A launch of two arms, one of which fails in its third stretch."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def running(self, keys: list[ArmKey]) -> list[ArmKey]:
        return [key for key in keys if self.order.count("bad") < 3 or key.engine != "bad"]

    def run_stretch(self, _cell: object, key: ArmKey, _ns: float) -> object:
        self.order.append(key.engine)
        failed = key.engine == "bad" and self.order.count("bad") == 3
        return make_launches(["bad"], 1, status="failed")[0] if failed else [(9, 5, 5)]


def test_arms_take_turns_at_their_stretches_and_one_that_fails_is_on_record() -> None:
    launch, readied = Stretching(), Readied()
    turns = [(ArmKey(engine), CELL.key) for engine in ("good", "bad")]
    run_stretches(launch, turns, 1.0, 0, readied)  # type: ignore[arg-type]  # a launch of this file
    assert (launch.order.count("good"), launch.order.count("bad")) == (5, 3)
    assert launch.order[:2] != launch.order[2:4] or launch.order[2:4] != launch.order[4:6]
    good, bad, failure = readied.completed(make_launches(["good", "bad"], 1))
    assert (good.stretches_ns, bad.stretches_ns) == (((9, 5, 5),) * 5, ((9, 5, 5),) * 2)
    assert failure.status == "failed"


def test_a_round_that_does_not_count_is_part_of_the_warm_up() -> None:
    readied = Readied(warm_ups={ArmKey("ort"): (50, 51, 50)})
    [record] = readied.completed(make_launches(["ort"], 1, warm_up_ns=(90,), steady=False))
    assert (record.warm_up_ns, record.steady) == ((90, 50, 51, 50), False)
    readied = Readied(warm_ups={ArmKey("ort"): (400 * MS, 401 * MS)})
    [record] = readied.completed(make_launches(["ort"], 1, warm_up_ns=(), steady=False))
    assert record.steady is True
