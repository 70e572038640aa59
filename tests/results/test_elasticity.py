"""The slope of an arm's latency on the baseline's, on made-up rounds whose slope is known."""

from __future__ import annotations

import io
import json
import math
import random
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ortbench.charts.table import print_summary
from ortbench.charts.words import trust_sentences
from ortbench.results.derive import summarize
from ortbench.results.elasticity import Elasticity, cell_elasticities, elasticity
from ortbench.results.schema import ArmKey, PlannedCell, RoundRecord
from tests.results.factory import make_launches, make_rounds, make_run

Readings = dict[tuple[int, int], float]


def readings(slope: float, noise: float, seed: int, spread: float = 0.1) -> tuple[Readings, Readings, Readings]:
    """Return the latencies of a baseline, an arm and the baseline's twin: six launches of thirty rounds.

    Args:
        slope: of the arm's logarithm on the machine's state.
        noise: standard deviation of each reading's own noise.
        seed: of all of it.
        spread: standard deviation of the state, which stays for about twenty rounds.
    """
    generator = random.Random(seed)
    base, arm, twin = {}, {}, {}
    for launch in range(1, 7):
        state = generator.gauss(0, spread)
        for number in range(1, 31):
            state = 0.95 * state + generator.gauss(0, spread * math.sqrt(1 - 0.95**2))
            base[launch, number], arm[launch, number], twin[launch, number] = (
                middle * math.exp(follows * state + generator.gauss(0, noise))
                for middle, follows in ((60e6, 1), (40e6, slope), (60e6, 1))
            )
    return base, arm, twin


def lines(engine: str, latencies: Readings, *, twin: bool = False) -> list[RoundRecord]:
    launches = [[latencies[launch, number] / 1e6 for number in range(1, 31)] for launch in range(1, 7)]
    return [msgspec.structs.replace(line, twin=twin) for line in make_rounds({engine: launches})]


@pytest.mark.parametrize("slope", [0.4, 1.0, 1.5])
def test_the_twin_takes_out_what_noise_in_the_baseline_does_to_the_slope(slope: float) -> None:
    found = [one for seed in range(40) if (one := elasticity(*readings(slope, 0.05, seed)))]
    assert len(found) >= 36
    assert statistics.fmean(one.slope for one in found) == pytest.approx(slope, abs=0.08 * max(slope, 1))
    # 95 % are expected, and fewer than 82 % of forty by chance in one of a thousand tries.
    assert statistics.fmean(one.ci95[0] <= slope <= one.ci95[1] for one in found) >= 0.82


def test_without_a_twin_noise_pulls_the_slope_down_and_nothing_is_claimed_of_it() -> None:
    base, _, twin = readings(1.0, 0.1, 1)
    found = elasticity(base, twin)
    assert found
    assert found.ci95[1] < 1, "the twin follows its baseline one to one, and yet this is what the plain slope reads"
    assert not found.corrected
    assert not found.off_one
    assert Elasticity(slope=1.5, ci95=(1.2, 1.9), corrected=False, rounds=99, baseline_spread=0.1).off_one


def test_exact_readings_give_the_exact_slope() -> None:
    base, arm, twin = readings(0.5, 0.0, 3)
    found = elasticity(base, arm, twin)
    assert found
    assert found.slope == pytest.approx(0.5)
    assert found.ci95 == pytest.approx((0.5, 0.5))
    assert found.rounds == 180
    low, *_, high = sorted(base.values())
    assert 0 < found.baseline_spread < high / low - 1


def test_a_baseline_that_hardly_varied_tells_nothing() -> None:
    assert elasticity(*readings(0.4, 0.05, 4, spread=0.002)) is None
    still = dict.fromkeys(readings(0.4, 0.0, 5)[0], 60e6)
    assert elasticity(still, still, still) is None


def test_few_rounds_tell_nothing() -> None:
    base, arm, twin = ({place: one[place] for place in one if place[1] <= 3} for one in readings(0.4, 0.0, 6))
    assert elasticity(base, arm, twin) is None
    assert elasticity({}, {}, None) is None


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.integers(1, 30)),
        st.tuples(*[st.sampled_from([0.0, 1.0, 1.5, 1e3, 1e12]) | st.floats(0, 1e15)] * 3),
        max_size=60,
    )
)
def test_it_is_total(rounds: dict[tuple[int, int], tuple[float, float, float]]) -> None:
    base, arm, twin = ({place: triple[index] for place, triple in rounds.items()} for index in range(3))
    for found in (elasticity(base, arm, twin), elasticity(base, arm)):
        if found:
            assert found.ci95[0] <= found.slope <= found.ci95[1]
            assert all(map(math.isfinite, (*found.ci95, found.baseline_spread)))


def test_long_launches_are_thinned_out_and_not_cut() -> None:
    places = [(1, number) for number in range(1, 5001)]
    state = {place: 60e6 * (1.2 if place[1] > 4000 else 1.0) * (1 + (place[1] % 7) / 1000) for place in places}
    arm = {place: 40e6 * (latency / 60e6) ** 0.5 for place, latency in state.items()}
    found = elasticity(state, arm, state)
    assert found
    assert found.slope == pytest.approx(0.5)
    assert found.rounds == 5000


def test_the_summary_the_table_and_the_report_say_where_a_speedup_depends_on_the_state() -> None:
    base, arm, twin = readings(0.4, 0.02, 7)
    same = readings(1.0, 0.02, 7)[1]
    record = [
        *lines("torch", base),
        *lines("ort", arm),
        *lines("openvino", same),
        *lines("torch", twin, twin=True),
    ]
    engines = ("torch", "openvino", "ort")
    run = make_run(engines)
    [cell] = run.cells
    with_twin = PlannedCell(key=cell.key, arms=(*cell.arms, ArmKey("torch", twin=True)), status="ok")
    summary = summarize(make_run(engines, cells=(with_twin,)), record, make_launches(engines, 6))
    arms = json.loads(msgspec.json.encode(summary))["cells"][0]["arms"]
    found = {one["engine"]: one["elasticity"] for one in arms if not one["twin"]}
    assert found["torch"] is None
    assert found["ort"].keys() == {"slope", "ci95", "corrected", "rounds", "baseline_spread"}
    assert found["ort"]["slope"] == pytest.approx(0.4, abs=0.1)
    assert found["openvino"]["ci95"][0] <= 1 <= found["openvino"]["ci95"][1]
    file = io.StringIO()
    print_summary(summary, Console(file=file, width=180))
    told = [line for line in file.getvalue().splitlines() if line.startswith("state:")]
    assert len(told) == 1
    assert told[0].startswith(
        "state: the speedup of ort at batch size 1, threads 2 is larger when the machine is slow: while torch's latency"
    )
    assert [told[0].removeprefix("state: t")] == [
        sentence.removeprefix("T").removesuffix(".")
        for sentence in trust_sentences(summary)
        if sentence.startswith("The speedup of ")
    ]


def test_under_a_load_a_latency_is_no_reading_of_the_machines_state() -> None:
    from tests.charts.kinds import KINDS

    results = KINDS["load"]()
    assert cell_elasticities(results.rounds, "torch") == {}
