from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from ortbench.charts.diff_table import conclusion, diff_lines, print_diff, print_history
from ortbench.charts.history import draw_history, history_chart
from ortbench.results.diff import ArmDiff, CellDiff, Change, RunDiff, Unmatched
from ortbench.results.history import Figures, History, HistoryRun
from ortbench.results.schema import CellKey
from ortbench.results.verdicts import Verdict

CELL = CellKey(model="m", batch_size=1, threads=2)


def make_figures(speedup: float, batch_size: int = 1, **changes: Any) -> tuple[Figures, ...]:
    ort = {
        "engine": "ort",
        "batch_size": batch_size,
        "status": "ok",
        "latency_ms": 80 / speedup,
        "latency_ci95": (78 / speedup, 82 / speedup),
        "speedup": speedup,
        "speedup_ci95": (speedup * 0.98, speedup * 1.02),
    }
    return (
        Figures(engine="torch", batch_size=batch_size, status="ok", latency_ms=80.0),
        Figures(**{**ort, **changes}),
    )


def make_history(*, other_machine: bool = False, sizes: tuple[int, ...] = (1, 4)) -> History:
    runs = tuple(
        HistoryRun(
            folder=f"run{day}",
            created=f"2026-01-{day:02}T12:00:00+00:00",
            git_commit="c6ba33b0c",
            versions={"torch": "2.14.1"},
            other_machine=other_machine and day == 1,
            figures=tuple(one for size in sizes for one in make_figures(2 + day / 10 + size / 20, size)),
        )
        for day in (1, 2, 3)
    )
    return History(model="m", baseline="torch", cell=CELL, engines=("torch", "ort"), runs=runs, notes=("a note",))


def printed(print_it: Any, subject: Any) -> str:
    file = io.StringIO()
    print_it(subject, Console(file=file, width=180, highlight=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def chart_of(history: History) -> dict[str, Any]:
    chart = history_chart(history, "ort")
    assert chart is not None
    return chart


def test_a_chart_has_one_line_a_batch_size_over_time() -> None:
    chart = chart_of(make_history())
    assert chart["title"]["text"] == "Speedup over time, ort"
    assert chart["title"]["subtitle"] == [
        "m · 2 threads",
        "vertical lines: 95 % intervals",
    ]
    encoding = chart["layer"][0]["encoding"]
    assert encoding["x"]["field"] == "created"
    assert encoding["y"]["title"] == "Speedup over torch"
    assert encoding["color"]["scale"]["domain"] == [1, 4]
    assert "batch size" in encoding["color"]["legend"]["title"].lower()


def test_the_baseline_is_drawn_where_the_speedups_are_near_it() -> None:
    history = make_history()
    figures = tuple(one for one in make_figures(1.1) if one.engine == "ort")
    near = msgspec.structs.replace(
        history, runs=tuple(msgspec.structs.replace(run, figures=figures) for run in history.runs)
    )
    assert len(chart_of(near)["layer"]) == len(chart_of(history)["layer"]) + 1
    assert chart_of(near)["title"]["subtitle"][1].endswith("; dashed: as fast as the baseline")


def test_a_single_batch_size_needs_no_legend() -> None:
    assert chart_of(make_history(sizes=(1,)))["layer"][0]["encoding"]["color"]["legend"] is None


def test_another_machine_is_hollow_off_the_line_and_named() -> None:
    chart = chart_of(make_history(other_machine=True))
    assert chart["layer"][0]["transform"] == [{"filter": "datum.valid"}]
    hollow = [layer for layer in chart["layer"] if layer.get("transform") == [{"filter": "!datum.valid"}]]
    assert [layer["mark"]["filled"] for layer in hollow] == [False]
    assert chart["title"]["subtitle"][1].endswith("; hollow: on another machine than the newest run")


def test_the_chart_tells_its_figures_in_words() -> None:
    assert "1: created 2026-01-01T12:00:00+00:00 2.15 (2.11 to 2.19)" in chart_of(make_history())["description"]


def test_every_engine_with_a_speedup_is_drawn(tmp_path: Path) -> None:
    files = draw_history(make_history(), tmp_path / "charts")
    assert [file.name for file in files] == ["history-ort.png", "history-ort.svg"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert "Speedup over time, ort" in files[1].read_text(encoding="utf-8")


def test_nothing_to_draw_makes_no_folder(tmp_path: Path) -> None:
    empty = make_history(sizes=())
    assert history_chart(empty, "ort") is None
    assert draw_history(empty, tmp_path / "charts") == []
    assert not (tmp_path / "charts").exists()


def test_the_history_as_a_whole() -> None:
    assert (
        printed(print_history, make_history(other_machine=True))
        == """\
m, batch size 1, threads 2, baseline torch

  created                       commit      torch    torch ms [95 %]       ort ms [95 %]   ort speedup [95 %]
 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
  2026-01-01T12:00:00+00:00 *   c6ba33b0c   2.14.1              80.0   37.2 [36.3, 38.1]   2.15x [2.11, 2.19]
  2026-01-02T12:00:00+00:00     c6ba33b0c   2.14.1              80.0   35.6 [34.7, 36.4]   2.25x [2.21, 2.29]
  2026-01-03T12:00:00+00:00     c6ba33b0c   2.14.1              80.0   34.0 [33.2, 34.9]   2.35x [2.30, 2.40]

*: on another machine than the newest run, not to be compared with it
note: a note"""
    )


def make_diff(**changes: Any) -> RunDiff:
    latency = Change(old=40.0, new=36.4, ratio=0.91, ci95=(0.9, 0.92))
    speedup = Change(old=2.0, new=2.2, ratio=1.1, ci95=(1.08, 1.12))
    arms = (
        ArmDiff(engine="base", latency_ms=Change(old=80.0, new=80.1, ratio=1.00125, ci95=None)),
        ArmDiff(engine="ort", latency_ms=latency, speedup=speedup, verdict="faster", launches=6),
        ArmDiff(engine="bad", verdict="inconclusive", reason="failed in new (it hung)"),
    )
    fields: dict[str, Any] = {
        "old": "before",
        "new": "after",
        "baseline": "base",
        "paired": True,
        "band": 0.012,
        "differences": ("the version of torch was 2.14, is 2.15",),
        "cells": (CellDiff(cell=CELL, arms=arms),),
        "only_in_old": (
            Unmatched(cell=CELL, engine="torchscript"),
            Unmatched(cell=CellKey(model="m", batch_size=4, threads=2)),
        ),
        "only_in_new": (),
        "notes": ("old: a note",),
    }
    return RunDiff(**{**fields, **changes})


def test_the_diff_as_a_whole() -> None:
    assert (
        printed(print_diff, make_diff())
        == """\
before -> after, baseline base

  engine   batch size   threads     latency ms         new/old [95 %]        speedup         new/old [95 %]   verdict
 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  base              1         2   80.0 -> 80.1                  1.001                                         baseline
  ort               1         2   40.0 -> 36.4   0.910 [0.900, 0.920]   2.00 -> 2.20   1.100 [1.080, 1.120]   faster
  bad               1         2                                                                               inconclusive

bad at batch size 1, threads 2: failed in new (it hung)
only in old: torchscript at batch size 1, threads 2; batch size 4, threads 2
differs: the version of torch was 2.14, is 2.15
note: old: a note
intervals combine both runs' own; verdicts are on the speedup's change, beyond 1.2%
ort: 1 cell faster, none slower; bad: 1 cell inconclusive"""  # noqa: E501 - the table is as wide as that
    )


def test_what_was_passed_over_marks_the_table() -> None:
    text = printed(print_diff, make_diff(passed_over=("the machine's cpu was one, is two",)))
    assert text.startswith("before -> after, baseline base (not comparable, shown anyway)\n")
    assert "\nnot comparable: the machine's cpu was one, is two\n" in text


def test_intervals_that_are_not_paired_say_so() -> None:
    assert diff_lines(make_diff(paired=False))[-1] == (
        "intervals are the widest that both runs' bounds allow; verdicts are on the speedup's change, beyond 1.2%"
    )


def told(*verdicts: Verdict | None) -> str:
    return conclusion([CellDiff(cell=CELL, arms=(ArmDiff(engine="ort", verdict=verdict),)) for verdict in verdicts])


def test_all_verdicts_in_one_line() -> None:
    assert told("faster", "faster", "faster", "same") == "ort: 3 cells faster, 1 same, none slower"
    assert told("faster", "slower", "inconclusive") == "ort: 1 cell slower, 1 faster, 1 inconclusive"
    assert told("same", "inconclusive") == "No change shown. ort: 1 cell same, 1 inconclusive"
    assert told(None) == "Nothing to decide: only the baseline is in both runs."


def test_markup_in_a_name_stays_text() -> None:
    cell = CellDiff(cell=CELL, arms=(ArmDiff(engine="[red]ort[/red]", verdict="same"),))
    text = printed(print_diff, make_diff(cells=(cell,), old="[bold]x"))
    assert "[red]ort[/red]" in text
    assert "[bold]x -> after" in text
