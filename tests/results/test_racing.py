"""Who leads, who is out and why, and what the answer says; of rounds that are made up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from ortbench.results.race import Setting
from ortbench.results.racing import Race
from ortbench.results.schema import RoundRecord
from ortbench.results.tuning import Bounds
from tests.results.factory import MS


def setting(engine: str, batch_size: int = 1, instances: int = 1) -> Setting:
    mode = "single" if instances == 1 else "stream"
    return Setting(engine=engine, allocator="default", threads=1, instances=instances, mode=mode, batch_size=batch_size)


A, B, C = setting("a"), setting("b", 4), setting("c", 4, 2)
GRID = (A, B, C)


def rounds(latencies_ms: Mapping[Setting, float], launch: int = 1, count: int = 6) -> list[RoundRecord]:
    """Return rounds that these settings share; a little noise, the same for all."""
    return [
        RoundRecord(
            cell="",
            launch=launch,
            round=number,
            position=0,
            engine=one.name,
            started_s=0.0,
            samples_ns=(round(took * MS * (1 + 0.001 * number)),),
            items=float(one.items) if one.mode == "stream" else None,
        )
        for number in range(count)
        for one, took in latencies_ms.items()
    ]


def race(bounds: Bounds | None = None, settings: Sequence[Setting] = GRID) -> Race:
    return Race(settings, "throughput", bounds or Bounds())


def test_a_setting_is_named_by_all_that_it_is() -> None:
    assert [one.name for one in GRID] == [
        "a, 1 x 1 thread, batch 1",
        "b, 1 x 1 thread, batch 4",
        "c, 2 x 1 thread, batch 4 each",
    ]
    assert [one.items for one in GRID] == [1, 4, 8]


def test_throughput_counts_all_instances_items() -> None:
    one = race()
    one.add(rounds({A: 10, B: 40, C: 60}), {}, {})
    assert one.leader == C.name
    assert one.out.keys() == {A.name, B.name}
    ruling = one.out[A.name]
    assert (ruling.kind, ruling.by) == ("rival", C.name)
    assert ruling.ratio == pytest.approx(80 / 60, rel=0.01)
    assert ruling.interval is not None
    assert 1 < ruling.interval[0] < 80 / 60 < ruling.interval[1]
    assert ruling.reason == (
        f"c, 2 x 1 thread, batch 4 each is 1.33x [{ruling.interval[0]:.2f}, {ruling.interval[1]:.2f}] better, "
        "in the same rounds"
    )


def test_what_is_close_is_kept_and_challenges_until_it_cannot_be_two_percent_better() -> None:
    one = race(settings=(A, B))
    one.add(rounds({A: 10, B: 40.2}), {}, {})
    assert one.out == {}
    assert one.challengers() == [B.name]
    for launch in range(2, 12):
        one.add(rounds({A: 10, B: 40.2}, launch), {}, {})
    assert one.challengers() == []
    found = one.conclude("m", 1.0)
    assert found.best == A
    assert found.at_most_better is not None
    assert 1 <= found.at_most_better < 1.02


def test_who_could_be_the_most_better_challenges_first() -> None:
    one = race()
    one.add(rounds({A: 10, B: 40.4}), {}, {})
    # Never in the same rounds: little is known of it.
    one.add(rounds({C: 82}, launch=2, count=2), {}, {})
    assert one.challengers() == [C.name, B.name]


def test_who_met_nobody_is_ruled_out_only_by_what_no_unlucky_launch_explains() -> None:
    one = race(settings=(A, B))
    one.add(rounds({A: 10}), {}, {})
    one.add(rounds({B: 46}, launch=2), {}, {})
    assert one.out == {}
    one = race(settings=(A, B))
    one.add(rounds({A: 10}), {}, {})
    one.add(rounds({B: 400}, launch=2), {}, {})
    assert one.out[B.name].reason.endswith("better, by rounds with others")


def test_a_bound_on_latency_is_decided_on_the_interval() -> None:
    one = race(Bounds(max_latency_ms=50))
    one.add(rounds({A: 10, B: 52, C: 200}), {}, {})
    assert one.out[C.name].kind == "latency"
    assert one.out[C.name].reason.endswith(" ms, over 50.0 ms")
    # Too close to rule out, and over the bound as far as is known: it may not lead, but is looked at again.
    assert one.leader == A.name
    assert B.name not in one.out or one.out[B.name].kind == "rival"


def test_nobody_leads_who_is_over_the_bound_but_who_may_keep_it_runs_again() -> None:
    one = race(Bounds(max_latency_ms=38), settings=(B, C))
    one.add(rounds({B: 40, C: 41}), {}, {})
    assert one.leader is None
    assert one.challengers() == [B.name, C.name]
    found = one.conclude("m", 1.0)
    assert (found.best, found.at_most_better) == (None, None)
    assert [trial.state for trial in found.trials] == ["kept", "kept"]
    for launch in range(2, 8):
        one.add(rounds({B: 40, C: 41}, launch), {}, {})
    assert one.challengers() == []


def test_a_bound_on_memory_is_kept_by_the_most_that_was_seen() -> None:
    one = race(Bounds(max_memory_mib=500))
    one.add(rounds({A: 10, B: 40, C: 60}), {A.name: 100, B.name: 400, C.name: 501}, {})
    assert one.leader == A.name
    assert one.out[C.name].reason == "it used 501 MiB, over 500 MiB"
    one.add([], {A.name: 600}, {})
    assert one.leader == B.name


def test_who_fails_is_out_with_its_reason_and_leaves_the_rest() -> None:
    one = race()
    one.add(rounds({A: 10, B: 40, C: 60}), {}, {})
    one.add([], {}, {C.name: "c was killed by SIGSEGV"})
    # B was ruled out by one that can no longer be run; that it was slower than A was never shown.
    assert one.leader == A.name
    found = one.conclude("m", 1.0, ["ortbench"], "interrupted")
    assert found.state == "interrupted"
    assert found.again == ("ortbench",)
    [failed] = found.of_state("failed")
    assert failed.ruling is not None
    assert failed.ruling.reason == "c was killed by SIGSEGV"


def test_who_was_ruled_out_by_a_bad_launch_comes_back_when_more_is_known() -> None:
    one = race(settings=(A, B))
    one.add(rounds({A: 10, B: 60}), {}, {})
    assert B.name in one.out
    for launch in range(2, 6):
        one.add(rounds({A: 10, B: 40.1}, launch), {}, {})
    assert one.out == {}


def test_what_was_not_tried_is_predicted_and_not_ruled_out() -> None:
    other = setting("a", 4)
    one = race(settings=(A, B, other))
    assert one.promising() == [A, B, other]
    one.add(rounds({A: 10, B: 41}), {}, {})
    assert one.promising() == [other]
    found = one.conclude("m", 2.5)
    assert [trial.state for trial in found.trials] == ["best", found.trials[1].state, "not tried"]
    predicted = found.trials[2].predicted_ratio
    assert predicted is not None
    assert math.isclose(predicted, 1, abs_tol=0.1)
    assert found.trials[0].throughput_per_s is not None
    assert found.trials[0].throughput_per_s.value == pytest.approx(100, rel=0.05)
    assert (found.trials[0].launches, found.trials[0].rounds, found.launches) == (1, 6, 1)


def test_what_is_predicted_to_be_far_worse_waits() -> None:
    slow = setting("b", 16)
    one = race(settings=(A, setting("b", 1), slow))
    one.add(rounds({A: 10, setting("b", 1): 30}), {}, {})
    assert one.promising() == []
    assert one.untried == [slow]


def test_before_anything_ran_there_is_no_answer() -> None:
    found = race().conclude("m", 0.0)
    assert found.best is None
    assert {trial.state for trial in found.trials} == {"not tried"}
