from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ortbench.results import best_rows
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.decomposition import best_against_best, contestants
from ortbench.results.markdown import to_markdown
from ortbench.results.ratio import EXACTLY_ONE
from ortbench.results.schema import CellKey, RoundRecord
from ortbench.results.summary import ArmSummary, BestAgainstBest, CellSummary, Latency, Speedup, Summary, Way
from ortbench.results.ways import choices, varies
from tests.results.factory import MS

PLAIN = Way(threads=2)
TCMALLOC = Way(threads=2, allocator="tcmalloc")
SPLIT = Way(threads=1, instances=2, mode="split")
SPLIT_TCMALLOC = Way(threads=1, instances=2, mode="split", allocator="tcmalloc")
STREAM = Way(threads=1, instances=2, mode="stream")
STREAM_TCMALLOC = Way(threads=1, instances=2, mode="stream", allocator="tcmalloc")

# Way -> engine -> ms a batch of four.
Grid = Mapping[Way, Mapping[str, float]]
GRID: Grid = {
    PLAIN: {"torch": 100, "ort": 50},
    TCMALLOC: {"torch": 80, "ort": 48},
    SPLIT: {"torch": 95, "ort": 45},
    SPLIT_TCMALLOC: {"torch": 70, "ort": 40},
    STREAM: {"torch": 180, "ort": 90},
    STREAM_TCMALLOC: {"torch": 130, "ort": 90.5},
}


def cell(way: Way, latencies: Mapping[str, float], size: int = 4, width: float = 0.1) -> CellSummary:
    items = size * (way.instances if way.mode == "stream" else 1)
    baseline = latencies.get("torch")
    return CellSummary(
        model="m",
        batch_size=size,
        threads=way.threads,
        instances=way.instances,
        mode=way.mode,
        allocator=way.allocator,
        arms=tuple(
            ArmSummary(
                engine=engine,
                latency_ms=Latency(median=ms, ci95=(ms * (1 - width), ms * (1 + width))),
                throughput_per_s=items / ms * 1000,
                speedup=Speedup(baseline="torch", ratio=baseline / ms, ci95=None, verdict="faster")
                if baseline and engine != "torch"
                else None,
            )
            for engine, ms in latencies.items()
        ),
    )


def cells(grid: Grid = GRID) -> list[CellSummary]:
    return [cell(way, latencies) for way, latencies in grid.items()]


def finals(grid: Grid, launches: int = 6, rounds: int = 5, noise: float = 0.0) -> list[RoundRecord]:
    """Every engine in every way once a round; slow spells fall on all of a round alike."""
    chance = random.Random(0)
    lines = []
    for launch in range(1, launches + 1):
        for number in range(1, rounds + 1):
            spell = math.exp(chance.gauss(0, 0.3))
            for way, latencies in grid.items():
                key = CellKey(model="m", batch_size=4, threads=way.threads, instances=way.instances, mode=way.mode,
                              allocator=way.allocator)  # fmt: skip
                for engine, ms in latencies.items():
                    taken = round(ms * MS * spell * math.exp(chance.gauss(0, noise)))
                    items = 8.0 if way.mode == "stream" else None
                    lines.append(
                        RoundRecord(
                            cell=key.id,
                            launch=launch,
                            round=number,
                            position=0,
                            engine=engine,
                            started_s=0.0,
                            samples_ns=(taken,),
                            wall_ns=taken,
                            items=items,
                        )
                    )
    return lines


def by_objective(found: tuple[BestAgainstBest, ...]) -> dict[str, BestAgainstBest]:
    return {one.objective: one for one in found}


def test_the_best_way_of_each_engine_is_looked_for_by_latency_and_by_throughput() -> None:
    latency, throughput = choices(cells(), "torch")
    assert (latency.objective, latency.plain, latency.with_allocator) == ("latency", PLAIN, TCMALLOC)
    assert latency.best == {"torch": SPLIT_TCMALLOC, "ort": SPLIT_TCMALLOC}
    assert throughput.objective == "throughput"
    # 8 items in 130 ms are more than 4 in 70; of ways that differ by less than 1 % the plainer is taken.
    assert throughput.best == {"torch": STREAM_TCMALLOC, "ort": SPLIT_TCMALLOC}


def test_what_is_hardly_better_is_not_worth_another_allocator_or_more_processes() -> None:
    nearly = {way: {"torch": ms} for way, ms in ((PLAIN, 100), (TCMALLOC, 99.5), (SPLIT, 99.2))}
    assert choices(cells(nearly), "torch")[0].best == {"torch": PLAIN}


def test_failed_arms_and_divided_batches_of_a_single_item_take_no_part() -> None:
    own = cells({PLAIN: {"torch": 100, "ort": 50}, STREAM: {"torch": 60, "ort": 30}})
    broken = ArmSummary(engine="ort", status="invalid", latency_ms=Latency(median=1.0), throughput_per_s=1e6)
    own[0] = CellSummary(model="m", batch_size=4, threads=2, arms=(own[0].arms[0], broken))
    latency, throughput = choices(own, "torch")
    assert latency.best == {"torch": PLAIN}  # a stream's latency is no batch's latency
    assert throughput.best == {"torch": STREAM, "ort": STREAM}


def test_there_is_nothing_to_choose_where_only_thread_counts_differ() -> None:
    assert not varies([Way(threads=1), Way(threads=2)])
    assert varies([Way(threads=1), SPLIT])
    assert choices(cells({PLAIN: {"torch": 1, "ort": 2}, Way(threads=1): {"torch": 2, "ort": 3}}), "torch") == []


def test_without_the_baseline_as_it_comes_nothing_is_taken_apart() -> None:
    assert choices(cells({SPLIT: {"torch": 1.0}, SPLIT_TCMALLOC: {"torch": 1.0}}), "torch") == []
    assert choices(cells({PLAIN: {"ort": 1.0}, TCMALLOC: {"ort": 1.0}}), "torch") == []


def test_whoever_any_objective_compares_meets_once() -> None:
    [(place, met)] = contestants(cells(), "torch").items()
    assert place == ("fp32", 4)
    assert [(engine, key.id) for engine, key in met] == [
        ("torch", "b4-t2"),
        ("torch", "b4-t2-tcmalloc"),
        ("torch", "b4-t1-i2-split-tcmalloc"),
        ("ort", "b4-t1-i2-split-tcmalloc"),
        ("torch", "b4-t1-i2-stream-tcmalloc"),
    ]


def test_factors_of_the_same_rounds_are_exact_however_slow_the_machine_was_meanwhile() -> None:
    found = by_objective(best_against_best(cells(), "torch", finals(GRID)))
    latency = found["latency"]
    assert (latency.paired, latency.launches, latency.rounds) == (True, 6, 30)
    torch, ort = latency.engines
    assert latency.allocator is not None
    assert latency.split is not None
    assert ort.over_best is not None
    assert ort.over_plain is not None
    assert latency.allocator.value == pytest.approx(100 / 80)
    assert latency.split.value == pytest.approx(80 / 70)
    assert ort.over_best.value == pytest.approx(70 / 40)
    assert ort.over_plain.value == pytest.approx(100 / 40)
    assert ort.over_plain.ci95 == pytest.approx((2.5, 2.5))
    assert torch.over_best == EXACTLY_ONE
    assert ort.as_they_come is not None
    assert ort.as_they_come.value == 2
    throughput = found["throughput"]
    assert throughput.split is not None
    assert throughput.split.value == pytest.approx((8 / 130) / (4 / 80))


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 1e4), min_size=6, max_size=6), st.integers(1, 4))
def test_the_factors_multiply_to_the_whole(latencies: list[float], launches: int) -> None:
    grid = {way: {"torch": ms, "ort": ms / 2} for way, ms in zip(GRID, latencies, strict=True)}
    for one in best_against_best(cells(grid), "torch", finals(grid, launches, 3)):
        for way in one.engines:
            assert one.allocator is not None
            assert one.split is not None
            assert way.over_best is not None
            assert way.over_plain is not None
            product = one.allocator.value * one.split.value * way.over_best.value
            assert product == pytest.approx(way.over_plain.value, rel=1e-4)


def test_noise_shows_in_the_interval() -> None:
    [latency, _] = best_against_best(cells(), "torch", finals(GRID, noise=0.05))
    own = latency.engines[1].over_best
    assert own is not None
    assert own.ci95 is not None
    assert own.ci95[0] < 70 / 40 < own.ci95[1]
    assert own.ci95[1] / own.ci95[0] > 1.02


def test_what_never_met_is_compared_by_the_cells_own_figures_with_the_widest_interval() -> None:
    latency, throughput = best_against_best(cells(), "torch")
    assert (latency.paired, latency.launches, latency.rounds) == (False, 0, 0)
    assert latency.allocator is not None
    assert latency.allocator.value == pytest.approx(100 / 80)
    assert latency.allocator.ci95 == pytest.approx((90 / 88, 110 / 72))
    assert throughput.engines[0].figure is not None
    assert throughput.engines[0].figure.value == pytest.approx(8 / 0.13)
    assert throughput.engines[0].figure.ci95 == pytest.approx((8 / 0.143, 8 / 0.117))
    # One contestant that is missing from the rounds makes the whole unpaired.
    missing = [line for line in finals(GRID) if line.cell != "b4-t2"]
    assert [one.paired for one in best_against_best(cells(), "torch", missing)] == [False, False]


def test_an_engine_that_never_met_the_others_leaves_their_factors_paired() -> None:
    own = [line for line in finals(GRID, noise=0.02) if line.engine == "torch"]
    [latency, _] = best_against_best(cells(), "torch", own)
    assert (latency.paired, latency.launches, latency.rounds) == (False, 6, 30)
    [whole, _] = best_against_best(cells(), "torch", finals(GRID, noise=0.02))
    assert latency.split is not None
    assert latency.split.ci95 is not None
    assert latency.split.ci95[1] / latency.split.ci95[0] < 1.1
    torch, ort = latency.engines
    assert (torch.launches, ort.launches) == (6, 0)
    assert ort.over_best is not None
    # Both are figures of the cells, as a figure of one and a figure of the other would be of different hours.
    assert ort.over_best.value == pytest.approx(70 / 40)
    assert ort.over_best.ci95 == pytest.approx((63 / 44, 77 / 36))
    assert whole.engines[1].launches == 6
    assert best_rows.sentences(summary((latency,)), "latency")[1:] == [
        "measured in the same rounds, in 6 launches after the best ways had been chosen",
        "not all of it was measured in the same rounds (ort at batch size 4): there the factors are of the cells' own "
        "figures, with the widest interval that these allow, and the best of several figures flatters itself",
    ]


def test_who_missed_some_launches_is_said_to_have_fewer() -> None:
    some = [line for line in finals(GRID) if line.engine == "torch" or line.launch < 3]
    [latency, _] = best_against_best(cells(), "torch", some)
    assert (latency.paired, latency.launches) == (True, 2)
    assert [way.launches for way in latency.engines] == [6, 2]
    assert best_rows.sentences(summary((latency,)), "latency")[1] == (
        "measured in the same rounds, in 2 to 6 launches after the best ways had been chosen"
    )


def test_a_csv_with_allocators_is_taken_apart_too() -> None:
    text = "engine,batch_size,threads,allocator,latency_ms\n" + "".join(
        f"{engine},1,2,{allocator},{ms}\n"
        for engine, allocator, ms in (
            ("torch", "default", 100), ("ort", "default", 50), ("torch", "tcmalloc", 80), ("ort", "tcmalloc", 49)
        )
    )  # fmt: skip
    [latency, throughput] = summarize_csv_text(text, "x.csv", "m").best
    assert latency.allocator is not None
    assert (latency.paired, latency.allocator.value, latency.split) == (False, 1.25, EXACTLY_ONE)
    assert throughput.engines[1].way == TCMALLOC


def summary(best: tuple[BestAgainstBest, ...]) -> Summary:
    own = tuple(cells())
    return Summary(model="m", baseline="torch", engines=("torch", "ort"), paired=True, machine={}, cells=own, best=best)


def test_rows_name_the_best_way_and_every_factor() -> None:
    found = summary(best_against_best(cells(), "torch", finals(GRID)))
    assert best_rows.objectives(found) == ["latency", "throughput"]
    assert best_rows.headings(found, "latency") == [
        "batch size", "engine", "best way", "latency ms [95 %]", "allocator's", "split's", "engine's", "together",
        "as they come",
    ]  # fmt: skip
    texts = [[text for text, _ in entries] for _, entries in best_rows.rows(found, "throughput")]
    assert [row[1:3] for row in texts] == [
        ["torch", "2 x 1 thread, stream, tcmalloc"],
        ["ort", "2 x 1 thread, split, tcmalloc"],
    ]
    assert texts[1][4:] == [
        "1.25x [1.25, 1.25]",
        "1.23x [1.23, 1.23]",
        "1.62x [1.62, 1.63]",
        "2.50x [2.50, 2.50]",
        "2.00x",
    ]
    assert texts[0][6] == texts[0][8] == ""


def test_a_sentence_says_whose_the_advantage_is() -> None:
    [latency, _] = best_against_best(cells(), "torch", finals(GRID))
    assert best_rows.told_factors(latency, latency.engines[1], "torch") == (
        "By latency at batch size 4, ort in its best way (2 x 1 thread, split, tcmalloc) is "
        "2.50x [2.50, 2.50] better than torch as it comes: the allocator's 1.25x [1.25, 1.25] (tcmalloc), the split's "
        "1.14x [1.14, 1.14] (2 x 1 thread, split) and the engine's 1.75x [1.75, 1.75]."
    )


def test_markdown_has_the_tables() -> None:
    text = to_markdown(summary(best_against_best(cells(), "torch")))
    assert "### best against best: latency of a batch" in text
    assert "| 4 | ort | 2 x 1 thread, split, tcmalloc |" in text
    assert "not all of it was measured in the same rounds" in text
