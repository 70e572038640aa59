"""`ortbench plan`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ortbench.commands.answering import CHECK_FAILED, DONE, INCOMPLETE, INTERRUPTED, Json, Quiet, Results, answer
from ortbench.errors import UsageError, expected_one_of

if TYPE_CHECKING:
    from ortbench.results.verification import Verification


def plan(
    results: Results,
    threads: Annotated[int, typer.Option(help="Threads that may be used, over all instances.", min=1)],
    batch_size: Annotated[int, typer.Option(help="Items to be divided among the instances.", min=1)],
    objective: Annotated[
        str, typer.Option(help="latency (of the slowest instance) or throughput (of all).")
    ] = "latency",
    max_latency: Annotated[
        str | None, typer.Option(help="The median call of no instance may take longer, e.g. 50ms.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Only this engine.  [default: the best of all]")] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Assume straight lines between measured batch sizes.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Measure the plan, its best uniform alternatives and the single instance, turn by turn."
        ),
    ] = False,
    margin: Annotated[
        str, typer.Option(help="For --verify: what is worse than the best by less is called the same.")
    ] = "1%",
    trust: Annotated[
        list[str] | None,
        typer.Option(
            help="With --verify: let RESULTS name programs and libraries that are run.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    max_time: Annotated[str, typer.Option(help="For --verify, launches included.")] = "2m",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find the best way to split threads and a batch among instances; exit status 1 where none keeps --max-latency."""
    import msgspec

    from ortbench.results.profiles import OBJECTIVES
    from ortbench.results.recommendation import PlanRequest, recommend
    from ortbench.results.source import load_summary
    from ortbench.units import parse_duration, parse_fraction

    if objective not in OBJECTIVES:
        raise UsageError(expected_one_of("--objective", OBJECTIVES, objective))
    request = PlanRequest(
        threads=threads,
        batch_size=batch_size,
        objective="throughput" if objective == "throughput" else "latency",
        max_latency_ms=math.inf if max_latency is None else parse_duration(max_latency, "--max-latency") * 1000,
        engine=engine,
        interpolate=interpolate,
        margin=parse_fraction(margin, "--margin"),
    )
    found = recommend(load_summary(Path(results)), request)
    from ortbench.charts.plan_words import plan_lines, verification_lines

    document, lines = msgspec.to_builtins(found), plan_lines(found, request.max_latency_ms)
    status = CHECK_FAILED if found.keeps_max_latency is False else DONE
    if verify:
        from ortbench.progress import Progress
        from ortbench.verifying import verify_plan

        seconds = parse_duration(max_time, "--max-time")
        with Progress(seconds, quiet=quiet) as progress:
            verified = verify_plan(Path(results), request, found, seconds, progress.say, trusted=trust or ())
        document["verification"] = msgspec.to_builtins(verified)
        lines += ["", *verification_lines(verified)]
        status = exit_status(verified, status)
    answer(document, lines, as_json=as_json)
    raise typer.Exit(status)


def exit_status(verified: Verification, planned: int) -> int:
    """Return the exit status: interrupted, nothing keeps the bound, some candidate failed, or done.

    Args:
        verified: what was measured.
        planned: the exit status of the plan alone, for where nothing was measured.
    """
    if verified.state == "interrupted":
        return INTERRUPTED
    if verified.best is None and any(one.measured for one in verified.candidates):
        return CHECK_FAILED
    if any(one.verdict == "failed" for one in verified.candidates):
        return INCOMPLETE
    # What keeps the bound in measurement does, whatever the prediction was.
    return DONE if verified.best else planned
