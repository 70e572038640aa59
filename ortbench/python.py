"""The public functions of `import ortbench`: all that the command line does, with results instead of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ortbench import api, products
from ortbench.comparison import CompareRequest, PlannedComparison
from ortbench.results.study import Results, load_results

if TYPE_CHECKING:
    from ortbench.doctor import Diagnosis
    from ortbench.export.artifact import Artifact
    from ortbench.results.diff import RunDiff
    from ortbench.results.explanation import Explanation
    from ortbench.results.gate import GateReport
    from ortbench.results.history import History
    from ortbench.results.tuning import Tuning
    from ortbench.runner.study import Study

PathLike = str | Path


class _Listener:
    """Passes what a study says on to a function."""

    def __init__(self, say: Callable[[str], None] | None) -> None:
        self._say = say

    def say(self, text: str) -> None:
        if self._say:
            self._say(text)

    def progress(self, study: Study) -> None:
        """Nothing is drawn."""


def compare(
    *,
    say: Callable[[str], None] | None = None,
    study: PathLike | None = None,
    trust: Sequence[PathLike] = (),
    **options: Any,
) -> Results:
    """Measure engines against each other and write the results folder with its charts and report.

    Args:
        say: is told what happens, a line at a time.
        study: a TOML file of options, or a run.json; what is given here goes first.
        trust: files that may name programs and libraries which are run; see docs/trust.md.
        options: those of `ortbench compare`, with underscores, as text: `engines="torch,ort"`, `batch_sizes="1,16"`,
            `max_time="5m"`, `output="folder"` …

    Raises:
        UsageError: something is wrong; nothing was measured or written.
        OrtbenchError: the model cannot be exported or run, or the folder not be written.
        TypeError: there is no such option.
    """
    listener = _Listener(say)
    comparison = api.compare(_plan(listener.say, study, trust, options), listener)
    products.draw_charts(comparison.results, products.charts_folder(comparison.folder))
    products.write_report(comparison.results, products.report_file(comparison.folder))
    return comparison.results


def plan(*, study: PathLike | None = None, trust: Sequence[PathLike] = (), **options: Any) -> PlannedComparison:
    """Check a comparison, down to whether each engine can run here, and return what would be measured.

    Raises:
        UsageError, TypeError: as for `compare`.
    """
    return _plan(lambda _: None, study, trust, options)


def _plan(
    say: Callable[[str], None], study: PathLike | None, trust: Sequence[PathLike], options: dict[str, Any]
) -> PlannedComparison:
    from ortbench.study_file import read_study

    fields = read_study(Path(study), options, trust) if study else {}
    return api.plan_comparison(CompareRequest(**fields | {"command": ("ortbench.compare",)} | options), say)


def load(path: PathLike, *, margin: float | None = None) -> Results:
    """Read a results folder, or a CSV of latencies.

    Args:
        path: of the folder or the file.
        margin: a speedup that differs from 1 by less than this fraction is called the same; None for the study's own.

    Raises:
        ResultsError: it is neither, or cannot be read.
    """
    return load_results(Path(path), margin)


def explain(results: Results, cell: str) -> Explanation:
    """Say where the time of a cell goes: what ran where, and what its operators take if it was profiled.

    Args:
        results: of a folder; `compare(explain="b4-t2", ...)` is what profiles a cell.
        cell: its id, e.g. `b4-t2`, or fields that only it has, e.g. `batch_size=4,threads=2`.

    Raises:
        UsageError: there is no such cell, or the results are a CSV.
    """
    from ortbench.results.explanation import load_explanation

    return load_explanation(results, cell)


def draw_charts(results: Results, folder: PathLike | None = None) -> list[Path]:
    """Draw the gallery as PNG, SVG and HTML, into the results folder unless told otherwise; return the files."""
    return products.draw_charts(results, Path(folder) if folder else products.charts_folder(results.path))


def write_report(results: Results, file: PathLike | None = None) -> Path:
    """Write the report, into the results folder unless told otherwise; return its file."""
    return products.write_report(results, Path(file) if file else products.report_file(results.path))


def check(results: Results, requirements: Iterable[str]) -> GateReport:
    """Decide requirements such as `ort/torch >= 1.2 where batch_size=1`.

    Raises:
        UsageError: one cannot be read, or matches no cell.
    """
    from ortbench.results.gate import decide
    from ortbench.results.requirements import parse_requirement

    return decide([parse_requirement(text) for text in requirements], results.summary, results.rounds)


def diff(old: Results, new: Results, *, anyway: bool = False, margin: float | None = None) -> RunDiff:
    """Say what changed between two runs; see `results/change.py`.

    Raises:
        UsageError: they are of different machines or models, and not to be compared `anyway`.
    """
    from ortbench.results.change import change_between

    return change_between(old, new, anyway=anyway, margin=margin)


def history(folders: Sequence[PathLike], *, batch_size: int | None = None, threads: int | None = None) -> History:
    """Return one cell's latencies and speedups over many runs, the oldest first.

    Raises:
        UsageError: there are no runs, or none with such a cell.
    """
    from ortbench.results.history import find_runs, make_history, read_stored

    stored = [read_stored(path) for path in find_runs([Path(folder) for folder in folders])]
    return make_history(stored, batch_size, threads)


def draw_history(runs: History, folder: PathLike) -> list[Path]:
    """Draw each engine's speedup over time; return the files."""
    from ortbench.charts.history import draw_history as draw

    return draw(runs, Path(folder))


def export_model(  # noqa: PLR0913 - one for each option
    model: str = "resnet50",
    *,
    weights: str | None = None,
    seed: int = 0,
    opset: int = 18,
    exporter: str = "dynamo",
    precision: str = "fp32",
    output: PathLike | None = None,
) -> Artifact:
    """Export a catalog model to ONNX and check it, or find its export.

    Raises:
        UsageError: an option is wrong.
        ExportError: the export failed, or disagrees with PyTorch.
    """
    from ortbench.exporting import export

    folder = str(output) if output else None
    return export(
        model=model,
        weights=weights,
        seed=seed,
        opset=str(opset),
        exporter=exporter,
        output=folder,
        precision=precision,
    )


def tune(*, say: Callable[[str], None] | None = None, **options: Any) -> Tuning:
    """Find the best configuration, and write its folder.

    Args:
        say: is told what happens, a line at a time.
        options: those of `ortbench tune`, with underscores, as text: `allocators="default,tcmalloc"`,
            `max_latency="50ms"`, `max_time="5m"` …

    Raises:
        UsageError: something is wrong; nothing was measured or written.
        OrtbenchError: the model cannot be exported or run, or the folder not be written.
        TypeError: there is no such option.
    """
    from ortbench import tuning

    own = {name: options.pop(name) for name in ("objective", "max_latency", "max_memory") if name in options}
    study = CompareRequest(**{"command": ("ortbench.tune",)} | options)
    listener = _Listener(say)
    planned = tuning.plan_tuning(tuning.TuneRequest(study=study, **own), listener.say)
    return tuning.tune(planned, listener.say).tuning


def diagnose(max_time: str = "30s") -> Diagnosis:
    """Say whether this machine is fit to measure on, and how fine a difference it can resolve."""
    from ortbench.doctor import examine

    return examine(max_time, _Listener(None))


def list_engines() -> list[dict[str, Any]]:
    """Return every engine: available here or not, version, device, and what would add it."""
    from ortbench.reports import engines_document

    engines: list[dict[str, Any]] = engines_document()["engines"]
    return engines


def list_models() -> list[dict[str, Any]]:
    """Return the catalog's models."""
    from ortbench.reports import models_document

    models: list[dict[str, Any]] = models_document()["models"]
    return models


def exports(*, clear: bool = False) -> dict[str, Any]:
    """Return what the cache holds with its sizes, or delete it first: exported models, environments, builds."""
    from ortbench.reports import cache_document

    return cache_document(clear=clear)
