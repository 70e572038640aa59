from __future__ import annotations

import io
from dataclasses import dataclass, field

import msgspec
import pytest
from rich.console import Console

from ortbench.progress import Progress, clock_line, fitting_table, provisional_line
from ortbench.results.derive import summarize
from ortbench.results.schema import ArmKey, CellKey, RoundRecord
from ortbench.results.summary import Summary
from tests.results.factory import make_launches, make_results, make_rounds, make_run

ROUNDS = make_rounds({"torch": [[80]], "ort": [[40]]})


@dataclass
class Watched:
    """A study with a first round."""

    phase: str = "launch 1: measuring"
    rounds: list[RoundRecord] = field(default_factory=lambda: list(ROUNDS))

    def summary(self) -> Summary:
        return summarize(make_run(), self.rounds, make_launches(["torch", "ort"], 1))

    def elapsed_s(self) -> float:
        return 65.0


def test_a_first_round_is_worded_in_one_line() -> None:
    line = provisional_line(Watched().summary(), "b1-t2")
    assert line == "batch size 1, threads 2: torch 80.0 ms, ort 40.0 ms (2.00x)"


def test_without_a_terminal_each_cell_is_a_plain_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(300, quiet=False) as progress:
        progress.progress(Watched(rounds=[]))
        for _ in range(5):
            progress.progress(Watched())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "  1:05 · batch size 1, threads 2: torch 80.0 ms, ort 40.0 ms (2.00x)\n"


def test_a_twin_is_told_from_its_engine() -> None:
    twin = [msgspec.structs.replace(line, engine="torch", twin=True) for line in ROUNDS if line.engine == "ort"]
    run = make_run(["torch"])
    cells = tuple(msgspec.structs.replace(cell, arms=(*cell.arms, ArmKey("torch", twin=True))) for cell in run.cells)
    summary = summarize(msgspec.structs.replace(run, cells=cells), [*ROUNDS, *twin], make_launches(["torch"], 1))
    assert provisional_line(summary, "b1-t2").endswith("torch 80.0 ms, torch (twin) 40.0 ms (2.00x)")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(300, quiet=True) as progress:
        progress.say("exporting")
        progress.progress(Watched())
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_table_so_far(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Console(stderr=True, force_terminal=True, width=120)
    monkeypatch.setattr("ortbench.progress.answer_console", lambda **_: terminal)
    with Progress(300, quiet=False) as progress:
        progress.progress(Watched())
    shown = capsys.readouterr().err
    assert "1:05 of at most 5:00 · launch 1: measuring" in shown
    assert "2.00x" in shown


def test_the_clock_says_by_how_much_the_time_is_overrun() -> None:
    assert clock_line(19.0, 20.0) == "0:19 of at most 0:20"
    assert clock_line(31.0, 20.0) == "0:31, 11 s over --max-time (20 s)"


@pytest.mark.parametrize("sizes", [(1, 2, 4, 8, 16, 32, 64, 128), (1,)])
def test_the_table_fits_on_the_screen_and_shows_what_is_measured(sizes: tuple[int, ...]) -> None:
    summary = make_results([CellKey(model="m", batch_size=size, threads=2) for size in sizes]).summary
    for height in (6, 24, 100):
        first = Console(file=io.StringIO(), width=80, height=height)
        lines = first.render_lines(fitting_table(summary, "b1-t2", first))
        assert len(lines) <= height - 3
        assert height < 20 or len(lines) > 4, "the first cell's table, whatever is planned after it"
        console = Console(file=io.StringIO(), width=80, height=height)
        lines = console.render_lines(fitting_table(summary, f"b{sizes[-1]}-t2", console))
        assert len(lines) <= height - 3
        shown = "".join(segment.text for line in lines for segment in line)
        assert f"{sizes[-1]}" in shown
        assert "1.9" in shown, "the figures of the cell that is measured"
    # Where there is room for all cells, all are shown.
    assert len(lines) > 4 * len(sizes)
