"""Runs over time: which there are, and the figures of one cell in each. No statistic is computed here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ortbench.errors import ResultsError, UsageError
from ortbench.results.folder import RUN_FILE
from ortbench.results.likeness import differences_by_section
from ortbench.results.reading import read_record
from ortbench.results.schema import CellKey, Run
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Summary

# History of HISTORY_VERSION: 1, the first.
HISTORY_VERSION = 1
_SHOWN_VERSIONS = ("torch", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_COMMIT_LENGTH = 9


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One engine in one cell of one run; a figure is None where there is none that may be compared.

    Attributes:
        latency_ms: the median per batch.
        speedup: over the history's baseline.
    """

    engine: str
    batch_size: int
    status: str
    latency_ms: float | None = None
    latency_ci95: Bounds | None = None
    speedup: float | None = None
    speedup_ci95: Bounds | None = None


class HistoryRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        folder: as it was given or found.
        git_commit: shortened; `-dirty` where files were changed.
        versions: of torch and of what onnxruntime was installed.
        other_machine: its machine is not the newest run's.
        figures: of the history's cell, and of the cells that differ from it in the batch size only.
    """

    folder: str
    created: str
    git_commit: str | None
    versions: dict[str, str]
    other_machine: bool
    figures: tuple[Figures, ...]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `ortbench history` says, the oldest run first.

    Attributes:
        baseline: the newest run's; a run with another has no speedups here.
        engines: in the order of their appearance.
    """

    schema_version: int = HISTORY_VERSION
    model: str
    baseline: str
    cell: CellKey
    engines: tuple[str, ...]
    runs: tuple[HistoryRun, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StoredRun:
    """A results folder that was read."""

    path: Path
    run: Run
    summary: Summary

    @property
    def created(self) -> dt.datetime:
        """When the run began.

        Raises:
            ResultsError: run.json has no such time.
        """
        try:
            created = dt.datetime.fromisoformat(self.run.created)
        except ValueError as error:
            raise ResultsError(f"'{self.path / RUN_FILE}' was created at no time: '{self.run.created}'.") from error
        return created if created.tzinfo else created.replace(tzinfo=dt.UTC)


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the results folders among `folders` and directly inside them, each once.

    Raises:
        UsageError: one of them holds none.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        inside = (
            [folder] if (folder / RUN_FILE).exists() else sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
        )
        if not inside:
            raise UsageError(f"'{folder}' is no results folder and holds none; expected folders with a {RUN_FILE}.")
        for path in inside:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def read_stored(path: Path) -> StoredRun:
    """Read one results folder.

    Raises:
        ResultsError: it cannot be read.
    """
    record = read_record(path)
    return StoredRun(path, record.run, record.summary)


def make_history(stored: Sequence[StoredRun], batch_size: int | None = None, threads: int | None = None) -> History:
    """Return the runs by time with the figures of one cell: the smallest that all have and that fits what is given.

    Raises:
        UsageError: the runs are of several models, or no cell fits.
        ResultsError: a run has no time.
    """
    models = sorted({one.run.model for one in stored})
    if len(models) > 1:
        raise UsageError(f"These runs are of several models: {', '.join(models)}. Give the folders of one of them.")
    ordered = sorted(stored, key=lambda one: one.created)
    newest = ordered[-1]
    cell = choose_cell([one.summary for one in stored], batch_size, threads)
    engines = tuple(dict.fromkeys(engine for one in ordered for engine in one.run.engines))
    runs = tuple(_history_run(one, newest.run, cell) for one in ordered)
    return History(
        model=newest.run.model,
        baseline=newest.run.baseline,
        cell=cell,
        engines=engines,
        runs=runs,
        notes=(
            *_undrawn(newest.run.baseline, engines, runs),
            *(note for one in ordered for note in _notes(one, newest.run)),
        ),
    )


def choose_cell(runs: Sequence[Summary], batch_size: int | None, threads: int | None) -> CellKey:
    """Return the smallest cell of all runs with this batch size and thread count, where given.

    Where they are given and no such cell is in every run, one that any run has will do.

    Raises:
        UsageError: there is none; the message says which there are.
    """
    held = [{cell.key for cell in run.cells} for run in runs]
    wanted = [{key for key in keys if _fits(key, batch_size, threads)} for keys in held]
    candidates = set.intersection(*wanted)
    if not candidates and (batch_size, threads) != (None, None):
        candidates = set.union(*wanted)
    if not candidates:
        there = ", ".join(
            sorted({f"{key.batch_size} with {key.threads}" for keys in held for key in keys}, key=_numbers)
        )
        raise UsageError(
            ("No run has that cell" if any((batch_size, threads)) else "The runs have no cell in common")
            + f". Choose with --batch-size and --threads from these batch sizes with threads: {there or 'none'}."
        )
    return min(candidates, key=lambda key: (key.batch_size, key.threads, key.precision != "fp32", key))


def speedup_rows(history: History, engine: str) -> list[dict[str, Any]]:
    """Return one point per run and batch size in which the engine has a speedup, ready for a chart."""
    return [
        {
            "created": run.created,
            "batch_size": one.batch_size,
            "speedup": one.speedup,
            "speedup_low": (one.speedup_ci95 or (one.speedup, one.speedup))[0],
            "speedup_high": (one.speedup_ci95 or (one.speedup, one.speedup))[1],
            "valid": not run.other_machine,
        }
        for run in history.runs
        for one in run.figures
        if one.engine == engine and one.speedup is not None
    ]


def _fits(key: CellKey, batch_size: int | None, threads: int | None) -> bool:
    return key.batch_size == (batch_size or key.batch_size) and key.threads == (threads or key.threads)


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(" with ")]


def _history_run(one: StoredRun, newest: Run, cell: CellKey) -> HistoryRun:
    same = [own for own in one.summary.cells if msgspec.structs.replace(own.key, batch_size=cell.batch_size) == cell]
    commit, _, dirty = (one.run.git_commit or "").partition("-")
    return HistoryRun(
        folder=str(one.path),
        created=one.created.isoformat(),
        git_commit=(commit[:_COMMIT_LENGTH] + (f"-{dirty}" if dirty else "")) or None,
        versions={name: one.run.versions[name] for name in _SHOWN_VERSIONS if name in one.run.versions},
        other_machine=bool(differences_by_section(one.run, newest)["machine"]),
        figures=tuple(_figures(own, arm, newest.baseline) for own in same for arm in own.arms if not arm.twin),
    )


def _figures(cell: CellSummary, arm: ArmSummary, baseline: str) -> Figures:
    latency = arm.latency_ms if arm.status == "ok" else None
    speedup = arm.speedup if arm.speedup and arm.speedup.baseline == baseline else None
    return Figures(
        engine=arm.engine,
        batch_size=cell.batch_size,
        status=arm.status,
        latency_ms=latency.median if latency else None,
        latency_ci95=latency.ci95 if latency else None,
        speedup=speedup.ratio if speedup else None,
        speedup_ci95=speedup.ci95 if speedup else None,
    )


def _undrawn(baseline: str, engines: Sequence[str], runs: Sequence[HistoryRun]) -> Iterator[str]:
    """Say of which engines there is no chart, and why: charts are of speedups over the baseline."""
    if set(engines) == {baseline}:
        yield f"no chart: charts are of speedups, and {baseline} alone was measured. Its latencies are in the table"
        return
    drawn = {one.engine for run in runs for one in run.figures if one.speedup is not None}
    if missing := [engine for engine in engines if engine not in drawn and engine != baseline]:
        yield f"no chart of {', '.join(missing)}: no run has a speedup over {baseline} of it in this cell"


def _notes(one: StoredRun, newest: Run) -> Iterator[str]:
    """Say what sets a run apart from the newest beyond its versions, and what its own summary notes."""
    if one.run.baseline != newest.baseline:
        yield f"{one.path}: its speedups are over {one.run.baseline}, not {newest.baseline}, and left out"
    if one.run.artifact and newest.artifact and one.run.artifact.sha256 != newest.artifact.sha256:
        yield f"{one.path}: its artifact is not the newest run's"
    yield from (f"{one.path}: {note}" for note in one.summary.notes)
