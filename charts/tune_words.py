"""A race in a table and in words. Pure functions."""

from __future__ import annotations

import math
import shlex

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ortbench.results.race import Setting
from ortbench.results.standings import Figure
from ortbench.results.tuning import Trial, Tuning
from ortbench.units import format_seconds, format_significant

_ORDER = ("best", "kept", "ruled out", "failed", "not tried")
_STYLES = {"best": "green", "failed": "red"}


def build_tuning_table(tuning: Tuning) -> Table:
    """Return every configuration: those that were measured by throughput (or latency), then the others."""
    table = Table(box=SIMPLE_HEAD, title=escape(_title(tuning)), title_justify="left", pad_edge=False)
    allocators = {trial.setting.allocator for trial in tuning.trials}
    for heading in ("state", "engine", *(["allocator"] if len(allocators) > 1 else []), "instances x threads"):
        table.add_column(heading)
    for heading in ("batch\nsize", "inferences/s\n[95 %]", "latency ms\n[95 %]", "MiB", "launches", "rounds"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    for trial in sorted(tuning.trials, key=lambda trial: _rank(trial, tuning)):
        setting = trial.setting
        words = [setting.engine, *([setting.allocator] if len(allocators) > 1 else []), setting.layout]
        words += [f"{setting.batch_size}{' each' if setting.mode == 'stream' else ''}"]
        words += [_figure(trial.throughput_per_s), _figure(trial.latency_ms)]
        words += ["" if trial.memory_mib is None else f"{trial.memory_mib:.0f}"]
        words += [str(trial.launches or ""), str(trial.rounds or ""), why(trial, tuning.best)]
        table.add_row(trial.state, *map(escape, words), style=_STYLES.get(trial.state))
    return table


def why(trial: Trial, best: Setting | None) -> str:
    """Say why a configuration is where it is, in a few words."""
    ruling = trial.ruling
    if ruling and ruling.ratio is not None and ruling.interval is not None:
        bounds = ", ".join(f"{bound:.2f}" for bound in ruling.interval)
        by = "the best" if best and ruling.by == best.name else ruling.by
        return f"{ruling.ratio:.2f}x [{bounds}] worse than {by}"
    if ruling:
        return ruling.reason
    if trial.possible_gain is not None:
        return "surely no better" if trial.possible_gain <= 1 else f"could be {_better(trial.possible_gain)}"
    return f"predicted {_against(trial.predicted_ratio)}" if trial.predicted_ratio is not None else ""


def _against(ratio: float) -> str:
    return f"{ratio:.2f}x worse" if ratio >= 1 else f"{1 / ratio:.2f}x better"


def tuning_conclusion(tuning: Tuning) -> list[str]:
    """Return the winner, how sure that is, what it assumes and how to run it, a line each."""
    tried = len(tuning.trials) - len(tuning.of_state("not tried"))
    spent = f"{tried} of {len(tuning.trials)} tried in {format_seconds(tuning.seconds)}, {tuning.launches} launches"
    if tuning.best is None:
        return [f"best   none: {_why_none(tuning)}; {spent}"]
    [best] = tuning.of_state("best")
    assert best.throughput_per_s is not None, "the best was measured"
    assert best.latency_ms is not None, "the best was measured"
    figures = f"{format_significant(best.throughput_per_s.value)} inferences/s, "
    figures += f"{format_significant(best.latency_ms.value)} ms a batch"
    memory = f", {best.memory_mib:.0f} MiB" if best.memory_mib is not None else ""
    return [
        f"best   {best.setting.name}: {figures}{memory}; {spent}",
        *_confidence(tuning),
        "note   its figures are of the rounds that chose it, and so a little flattering",
        f"run    {shlex.join(tuning.again)}",
    ]


def _confidence(tuning: Tuning) -> list[str]:
    kept, untried, out = tuning.of_state("kept"), tuning.of_state("not tried"), tuning.of_state("ruled out")
    by_rival = sum(trial.ruling is not None and trial.ruling.kind == "rival" for trial in out)
    lines = []
    if kept and tuning.at_most_better is not None:
        better = _better(tuning.at_most_better)
        lines.append(
            f"sure   none of the {len(kept)} others that were kept could be more than {better} (95 % for all together)"
            if len(kept) > 1
            else f"sure   the other that was kept could not be more than {better} (95 %)"
        )
    if by_rival:
        each = "by" if by_rival == 1 else "each by"
        lines.append(f"sure   {_were(by_rival)} ruled out as worse, {each} an interval of 99.5 %")
    if by_rival < len(out):
        lines.append(f"sure   {_were(len(out) - by_rival)} ruled out by a bound")
    if untried:
        ratios = [trial.predicted_ratio for trial in untried if trial.predicted_ratio is not None]
        likely = f"; the figures of the rest predict the nearest to be {_against(min(ratios))}" if ratios else ""
        known = f"nothing is known of {len(untried)} that {'was' if len(untried) == 1 else 'were'} not tried"
        lines.append(f"open   {known}{likely}. A longer --max-time tries more")
    return lines


def _were(count: int) -> str:
    return f"{count} {'was' if count == 1 else 'were'}"


def _why_none(tuning: Tuning) -> str:
    if all(trial.state == "failed" for trial in tuning.trials):
        return "everything failed"
    if not any(trial.rounds for trial in tuning.trials):
        return "nothing was measured"
    return "nothing that was tried keeps to the bounds"


def _title(tuning: Tuning) -> str:
    return f"{tuning.model}, tuned for {tuning.objective}"


def _rank(trial: Trial, tuning: Tuning) -> tuple[int, float]:
    measured = trial.throughput_per_s if tuning.objective == "throughput" else trial.latency_ms
    sign = -1 if tuning.objective == "throughput" else 1
    return _ORDER.index(trial.state), sign * measured.value if measured else trial.predicted_ratio or math.inf


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return f"{format_significant(figure.value)} [{', '.join(map(format_significant, figure.ci95))}]"


def _better(ratio: float) -> str:
    return f"{(ratio - 1) * 100:.1f} % better" if ratio < 2 else f"{ratio:.1f} times as good"
