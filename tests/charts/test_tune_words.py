from __future__ import annotations

import io

from rich.console import Console

from ortbench.charts.tune_words import build_tuning_table, tuning_conclusion, why
from ortbench.results.race import Ruling, Setting
from ortbench.results.standings import Figure
from ortbench.results.tuning import Bounds, Trial, Tuning

BEST, KEPT, OUT, SLOW, DEAD, LEFT = (
    Setting(engine=name, allocator="default", threads=1, instances=1, mode="single", batch_size=4)
    for name in ("best", "kept", "out", "slow", "dead", "left")
)


def figure(value: float) -> Figure:
    return Figure(value=value, ci95=(0.9 * value, 1.1 * value))


def trial(setting: Setting, state: str, rate: float | None = None, **more: object) -> Trial:
    measured = {"throughput_per_s": figure(rate), "latency_ms": figure(4000 / rate)} if rate else {}
    ran = {"memory_mib": 123.4, "launches": 2, "rounds": 9} if rate else {}
    return Trial(setting=setting, state=state, **{**measured, **ran, **more})  # type: ignore[arg-type]  # freely named


def tuning(*trials: Trial, best: Setting | None = BEST, at_most_better: float | None = 1.013) -> Tuning:
    return Tuning(
        state="complete", model="m", objective="throughput", bounds=Bounds(), best=best, at_most_better=at_most_better,
        seconds=61.4, launches=5, trials=trials, again=("ortbench", "compare", "--engines", "scripted[a=1]"),
    )  # fmt: skip


RIVAL = Ruling(kind="rival", reason="", by=BEST.name, ratio=1.5, interval=(1.25, 1.8))
FOUND = tuning(
    trial(LEFT, "not tried", predicted_ratio=1.72),
    trial(DEAD, "failed", ruling=Ruling(kind="failed", reason="it was killed")),
    trial(SLOW, "ruled out", 50, ruling=Ruling(kind="latency", reason="its latency is over")),
    trial(OUT, "ruled out", 66.7, ruling=RIVAL),
    trial(KEPT, "kept", 99.5, possible_gain=1.013),
    trial(BEST, "best", 100),
)


def test_the_table_has_a_row_for_every_configuration_the_best_first() -> None:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(build_tuning_table(FOUND))
    text = console.export_text()
    rows = [line.split() for line in text.splitlines() if "1 x 1 thread" in line]
    assert [row[0] for row in rows] == ["best", "kept", "ruled", "ruled", "failed", "not"]
    assert "100 [90.0, 110]" in text
    assert "1.50x [1.25, 1.80] worse than the best" in text
    assert "allocator" not in text


def test_why_names_the_interval_the_bound_or_the_fault() -> None:
    assert [why(one, BEST) for one in FOUND.trials] == [
        "predicted 1.72x worse",
        "it was killed",
        "its latency is over",
        "1.50x [1.25, 1.80] worse than the best",
        "could be 1.3 % better",
        "",
    ]
    assert why(FOUND.trials[3], KEPT) == f"1.50x [1.25, 1.80] worse than {BEST.name}"
    assert why(trial(KEPT, "kept", 99, possible_gain=1.0), BEST) == "surely no better"
    assert why(trial(KEPT, "kept", 99, possible_gain=3.21), BEST) == "could be 3.2 times as good"
    assert why(trial(LEFT, "not tried", predicted_ratio=0.8), BEST) == "predicted 1.25x better"


def test_the_conclusion_says_how_sure_it_is_and_how_to_run_the_best() -> None:
    assert tuning_conclusion(FOUND) == [
        "best   best, 1 x 1 thread, batch 4: 100 inferences/s, 40.0 ms a batch, 123 MiB; 5 of 6 tried in 61 s, "
        "5 launches",
        "sure   the other that was kept could not be more than 1.3 % better (95 %)",
        "sure   1 was ruled out as worse, by an interval of 99.5 %",
        "sure   1 was ruled out by a bound",
        "open   nothing is known of 1 that was not tried; the figures of the rest predict the nearest to be 1.72x "
        "worse. A longer --max-time tries more",
        "note   its figures are of the rounds that chose it, and so a little flattering",
        "run    ortbench compare --engines 'scripted[a=1]'",
    ]


def test_no_winner_is_explained() -> None:
    slow, dead, left = FOUND.trials[2], FOUND.trials[1], FOUND.trials[0]
    [line] = tuning_conclusion(tuning(slow, dead, best=None, at_most_better=None))
    assert line == "best   none: nothing that was tried keeps to the bounds; 2 of 2 tried in 61 s, 5 launches"
    [line] = tuning_conclusion(tuning(dead, best=None, at_most_better=None))
    assert line.startswith("best   none: everything failed; ")
    [line] = tuning_conclusion(tuning(dead, left, best=None, at_most_better=None))
    assert line.startswith("best   none: nothing was measured; ")
