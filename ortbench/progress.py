"""What is seen while a study runs, on standard error. Drawn between slices only, by the study's own thread."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ortbench.charts.console import answer_console, print_line
from ortbench.charts.table import build_table
from ortbench.results.schema import ArmKey, RoundRecord
from ortbench.results.summary import Summary, arm_label
from ortbench.units import format_clock, format_overrun, format_significant

# Drawing takes some milliseconds in which nothing is measured, and more the longer the record is.
_REDRAW_S = 1.0
_REDRAW_SHARE = 0.005
_LINE_S = 15.0


class Watched(Protocol):
    """What the display needs of a study."""

    phase: str

    @property
    def rounds(self) -> list[RoundRecord]:
        """Every slice so far."""

    def summary(self) -> Summary:
        """Return the figures so far."""

    def elapsed_s(self) -> float:
        """Return the seconds since measuring began."""


class Progress:
    """A live table on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, max_time_s: float, *, quiet: bool) -> None:
        self._max_time_s = max_time_s
        self._quiet = quiet
        self._console = answer_console(stderr=True)
        self._live: Live | None = None
        self._last = 0.0
        self._pause_s = _REDRAW_S
        self._seen: set[str] = set()

    def say(self, text: str) -> None:
        """Print one line, above the live table if there is one."""
        if not self._quiet:
            print_line(self._console, text)

    def progress(self, study: Watched) -> None:
        """Show the figures so far, if it is time to."""
        if self._quiet:
            return
        if self._live is not None:
            self._redraw(study, self._live)
        elif study.rounds:
            self._line(study)

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _redraw(self, study: Watched, live: Live) -> None:
        now = time.monotonic()
        if now - self._last < self._pause_s:
            return
        self._last = now
        clock = clock_line(study.elapsed_s(), self._max_time_s)
        head = Text(f"{clock} · {study.phase}", style="dim", no_wrap=True, overflow="ellipsis")
        shown = fitting_table(study.summary(), study.rounds[-1].cell, self._console) if study.rounds else None
        live.update(Group(head, shown) if shown else head, refresh=True)
        self._pause_s = max(_REDRAW_S, (time.monotonic() - now) / _REDRAW_SHARE)

    def _line(self, study: Watched) -> None:
        """Print one cell's provisional row: at its first round, and then now and then."""
        cell_id = study.rounds[-1].cell
        now = time.monotonic()
        if cell_id in self._seen and now - self._last < max(_LINE_S, self._pause_s):
            return
        self._seen.add(cell_id)
        self._last = now
        self.say(f"{format_clock(study.elapsed_s()):>6} · {provisional_line(study.summary(), cell_id)}")
        self._pause_s = (time.monotonic() - now) / _REDRAW_SHARE


def clock_line(elapsed_s: float, max_time_s: float) -> str:
    """Say how much of the time has gone, or by how much it was overrun."""
    gone, over = format_clock(elapsed_s), format_overrun(elapsed_s, max_time_s)
    return f"{gone}, {over}" if over else f"{gone} of at most {format_clock(max_time_s)}"


def fitting_table(summary: Summary, cell_id: str, console: Console) -> RenderableType:
    """Return as many cells as fit on the screen, the one that is measured and those before it; else its line.

    A live display as high as the screen scrolls, and what has scrolled away cannot be drawn over: it stays.
    """
    last = next(place for place, cell in enumerate(summary.cells) if cell.key.id == cell_id)
    # The line above the table, the cursor's below it, and one for what is said in between.
    height = console.size.height - 3
    for cells in (summary.cells, *(summary.cells[first : last + 1] for first in range(last + 1))):
        table = build_table(msgspec.structs.replace(summary, cells=cells))
        if len(console.render_lines(table)) <= height:
            return table
    return Text(provisional_line(summary, cell_id), no_wrap=True, overflow="ellipsis")


def provisional_line(summary: Summary, cell_id: str) -> str:
    """Word one cell's figures so far: `batch size 1, threads 2: torch 77 ms, ort 39 ms (1.97x)`."""
    cell = next(cell for cell in summary.cells if cell.key.id == cell_id)
    parts = []
    for arm in cell.arms:
        if arm.latency_ms:
            ratio = f" ({format_significant(arm.speedup.ratio)}x)" if arm.speedup else ""
            label = arm_label(ArmKey(arm.engine, arm.twin))
            parts.append(f"{label} {format_significant(arm.latency_ms.median)} ms{ratio}")
    return f"{cell.place}: {', '.join(parts)}"
