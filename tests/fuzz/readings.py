"""Everything that is made of a summary without a process: if it was read, all of this must be possible."""

from __future__ import annotations

import io
import random

import msgspec
from rich.console import Console

from ortbench.charts.table import print_summary
from ortbench.errors import OrtbenchError
from ortbench.results import gate_formats
from ortbench.results.change import change_between
from ortbench.results.gate import decide
from ortbench.results.markdown import to_markdown
from ortbench.results.recommendation import PlanRequest, recommend
from ortbench.results.reduction import for_pictures
from ortbench.results.requirements import parse_requirement
from ortbench.results.study import Results
from ortbench.results.tidy import tidy_rows, to_csv, to_parquet


def read_everything(rng: random.Random, results: Results) -> str:
    """Make tables, files, a gate, a plan and a comparison with itself; return what could be made."""
    summary = results.summary
    print_summary(summary, Console(file=io.StringIO(), width=120))
    rows = tidy_rows(summary)
    to_csv(rows)
    to_parquet(rows)
    to_markdown(summary)
    msgspec.json.encode(summary)
    for_pictures(summary)
    done = ["shown"]
    for what, make in (("gate", _gate), ("plan", _plan), ("diff", _diff)):
        try:
            make(rng, results)
            done.append(what)
        except OrtbenchError:
            pass
    return "+".join(done)


def _gate(rng: random.Random, results: Results) -> None:
    engine = msgspec.json.encode(results.summary.engines[-1]).decode()
    text = rng.choice(
        (f"latency({engine}) <= 5ms", f"{engine}/{engine} >= 1", f"throughput({engine}) >= 1", f"p99({engine}) <= 1")
    )
    report = decide([parse_requirement(text)], results.summary, results.rounds)
    for form in (
        gate_formats.to_text,
        gate_formats.to_json,
        gate_formats.to_junit,
        gate_formats.to_github,
        gate_formats.to_markdown,
    ):
        form(report)


def _plan(rng: random.Random, results: Results) -> None:
    request = PlanRequest(
        threads=rng.choice((1, 4)),
        batch_size=rng.choice((1, 16)),
        objective=rng.choice(("latency", "throughput")),
        interpolate=rng.random() < 0.5,
    )
    recommend(results.summary, request)


def _diff(rng: random.Random, results: Results) -> None:
    change_between(results, results, anyway=rng.random() < 0.5)
