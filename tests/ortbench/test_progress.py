from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
from rich.console import Console

from ortbench.progress import Progress, provisional_line
from ortbench.results.derive import summarize
from ortbench.results.schema import ArmKey, RoundRecord
from ortbench.results.summary import Summary
from tests.results.factory import make_launches, make_rounds, make_run

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
