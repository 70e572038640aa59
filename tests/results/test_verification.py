"""A plan against its alternatives: which they are, who won, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from ortbench.charts.plan_words import verification_lines
from ortbench.results.contest import slices_by_name, together
from ortbench.results.profiles import Measured
from ortbench.results.recommendation import Instances, PlanRequest, Recommendation
from ortbench.results.standings import Standings, observe, ratio
from ortbench.results.verification import Candidate, Verification, candidates, verify
from tests.results.factory import make_rounds

ALONE = {(1, 1): 10.0, (1, 2): 20.0, (1, 4): 41.0, (2, 4): 30.0}
BESIDE = {(1, 1): 11.0, (1, 2): 21.0}
REQUEST = PlanRequest(threads=2, batch_size=4)
THIN, FAT = "2 x 1 thread x batch 2", "1 x 2 threads x batch 4"


def recommendation(*instances: tuple[int, int, int], objective: str = "latency") -> Recommendation:
    return Recommendation(
        engine="a",
        allocator="default",
        objective="throughput" if objective == "throughput" else "latency",
        threads=2,
        batch_size=4,
        latency_ms=21.0,
        throughput_per_s=190.0,
        single_instance_latency_ms=30.0,
        speedup=30 / 21,
        instances=tuple(Instances(threads=threads, batch_size=size, count=count) for threads, size, count in instances),
    )


def tried() -> list[Candidate]:
    return candidates(recommendation((1, 2, 2)), Measured(ALONE, BESIDE), REQUEST)


def verified(
    latencies_ms: Mapping[str, Sequence[Sequence[float]]],
    request: PlanRequest = REQUEST,
    failures: Mapping[str, str] | None = None,
) -> Verification:
    return verify(tried(), make_rounds(latencies_ms), failures or {}, request)


def launches(latency_ms: float, count: int = 8) -> list[list[float]]:
    return [[latency_ms * (1 + 0.001 * ((launch + number) % 3)) for number in range(5)] for launch in range(count)]


def test_the_single_instance_and_the_best_uniform_plans_run_against_the_recommended_one() -> None:
    recommended, single = tried()
    assert (recommended.name, recommended.predicted, recommended.recommended) == (THIN, 21.0, True)
    assert (single.name, single.predicted, single.single) == (FAT, 30.0, True)
    assert recommended.places == [(1, 2), (1, 2)]


def test_a_recommended_single_instance_runs_once_and_against_what_others_take_in_company() -> None:
    found = candidates(recommendation((2, 4, 1)), Measured(ALONE, BESIDE), REQUEST)
    assert [(one.name, one.predicted, one.single) for one in found] == [(FAT, 21.0, True), (THIN, 21.0, False)]


def test_uneven_plans_are_named_by_all_their_parts() -> None:
    uneven, *_ = candidates(recommendation((1, 3, 1), (1, 1, 1)), Measured(ALONE, BESIDE), REQUEST)
    assert uneven.name == "1 x 1 thread x batch 3 + 1 x 1 thread x batch 1"
    assert (uneven.count, uneven.places) == (2, [(1, 3), (1, 1)])


def test_interpolated_sizes_are_alternatives_only_where_they_were_asked_for() -> None:
    measured = Measured({(1, 1): 10.0, (1, 3): 30.0, (2, 4): 15.0})
    plain = candidates(recommendation((2, 4, 1)), measured, REQUEST)
    filled = candidates(recommendation((2, 4, 1)), measured, msgspec.structs.replace(REQUEST, interpolate=True))
    assert [one.name for one in plain] == [FAT]
    assert [one.name for one in filled] == [FAT, THIN]


def test_throughput_is_predicted_in_items_per_second() -> None:
    request = msgspec.structs.replace(REQUEST, objective="throughput")
    recommended, single = candidates(recommendation((1, 2, 2), objective="throughput"), Measured(ALONE), request)
    assert recommended.predicted == 190.0
    assert single.predicted == pytest.approx(4000 / 30)


def test_what_won_in_measurement_is_recommended() -> None:
    found = verified({THIN: launches(40), FAT: launches(30)})
    assert (found.best, found.chosen, found.confirmed) == (FAT, FAT, False)
    thin, fat = found.candidates
    assert (thin.verdict, fat.verdict) == ("worse", "best")
    assert thin.advantage is not None
    assert thin.advantage.value == pytest.approx(0.75, rel=0.01)
    assert thin.predicted_advantage == pytest.approx(30 / 21)
    assert thin.over_predicted is not None
    assert thin.over_predicted.value == pytest.approx(40 / 21, rel=0.01)
    assert fat.advantage is None


def test_of_what_is_surely_the_same_the_fewest_instances_are_chosen() -> None:
    found = verified({THIN: launches(30, 3), FAT: launches(30.03, 20)})
    assert [one.verdict for one in found.candidates] == ["best", "inconclusive"]
    found = verified({THIN: launches(30, 20), FAT: launches(30.03, 20)})
    assert (found.best, found.chosen, found.confirmed) == (THIN, FAT, True)
    assert [one.verdict for one in found.candidates] == ["best", "same"]


def test_what_cannot_be_told_apart_is_not_called_the_same() -> None:
    found = verified({THIN: [[30.0, 30.4]], FAT: [[30.3, 30.6]]})
    assert [one.verdict for one in found.candidates] == ["best", "inconclusive"]
    # It won, if not surely; fewer instances would be a guess.
    assert found.chosen == THIN


def test_a_bound_that_does_not_hold_in_company_is_told() -> None:
    request = msgspec.structs.replace(REQUEST, max_latency_ms=35.0)
    found = verified({THIN: launches(40), FAT: launches(30)}, request)
    assert [one.verdict for one in found.candidates] == ["over the bound", "best"]
    request = msgspec.structs.replace(REQUEST, max_latency_ms=25.0)
    found = verified({THIN: launches(40), FAT: launches(30)}, request)
    assert (found.best, found.chosen, found.confirmed) == (None, None, False)
    assert verification_lines(found)[-1] == "best        none: in measurement nothing keeps to --max-latency"


@pytest.mark.parametrize(
    ("bound_ms", "notes"),
    [(31.0, (f"the interval of the latency of {FAT} reaches beyond --max-latency",)), (40.0, ()), (math.inf, ())],
)
def test_a_bound_within_the_interval_of_the_best_is_told(bound_ms: float, notes: tuple[str, ...]) -> None:
    request = msgspec.structs.replace(REQUEST, max_latency_ms=bound_ms)
    found = verified({THIN: launches(50), FAT: launches(30)}, request)
    assert (found.best, found.notes) == (FAT, notes)


def test_who_fails_leaves_the_rest() -> None:
    found = verified({FAT: launches(30), THIN: [[50.0]]}, failures={THIN: "it was killed"})
    thin, fat = found.candidates
    assert (thin.verdict, thin.reason, thin.measured) == ("failed", "it was killed", None)
    assert (fat.verdict, found.chosen, found.confirmed) == ("best", FAT, False)


def test_nothing_measured_is_no_answer() -> None:
    found = verified({})
    assert (found.best, found.chosen, found.confirmed, found.launches) == (None, None, False, 0)
    assert [one.reason for one in found.candidates] == ["it was never its turn"] * 2
    assert verification_lines(found)[-1] == "nothing could be measured"


def test_intervals_hold_for_all_candidates_together() -> None:
    third = Candidate(name="third", instances=(), predicted=None)
    rounds = make_rounds({THIN: launches(20), FAT: launches(30), "third": launches(40)})
    found = verify([*tried(), third], rounds, {}, REQUEST).candidates[0].advantage
    standings = Standings(observe(slices_by_name(rounds, "latency", {})))
    assert found == ratio(standings, THIN, FAT, together(3))
    alone = ratio(standings, THIN, FAT)
    assert found is not None
    assert found.ci95[0] < alone.ci95[0] < alone.value < alone.ci95[1] < found.ci95[1]


def test_the_words_say_what_was_predicted_what_was_measured_and_what_follows() -> None:
    found = verified({THIN: launches(40, 2), FAT: launches(30, 2)})
    notes = ("the machine's cpu was a, is b",)
    lines = verification_lines(msgspec.structs.replace(found, notes=notes, state="interrupted"))
    text = "\n".join(lines)
    assert lines[0] == "measured in 2 launches, 10 rounds, every candidate in each round [95 % for all together]:"
    assert lines[1].split("  ")[0] == "candidate"
    assert lines[2].startswith(f"{THIN} (recommended)  21.0 ")
    assert lines[2].endswith("worse")
    assert f"\nbest        {FAT}\n" in text
    assert f"\nnote        the plan, {THIN}, does not hold: beside others it loses to the best\n" in text
    assert "\nnote        2 of the 6 launches that are usual: the intervals rest on what launches differ by" in text
    assert lines[-2:] == [
        "note        it was interrupted: these are the rounds until then",
        "note        the machine's cpu was a, is b",
    ]


def test_an_infinite_prediction_gives_no_ratio() -> None:
    one, *rest = tried()
    found = verify(
        [msgspec.structs.replace(one, predicted=math.inf), *rest],
        make_rounds({THIN: launches(40), FAT: launches(30)}),
        {},
        REQUEST,
    )
    assert found.candidates[0].over_predicted is None
