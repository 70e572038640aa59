"""`ortbench plan --verify`: the recommended plan and its alternatives, measured in the same rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from ortbench.api import plan_comparison
from ortbench.comparison import CompareRequest, PlannedComparison
from ortbench.errors import UsageError
from ortbench.results.folder import RUN_FILE, VERIFICATION_FILE, holding, read_run, write_atomically, writing_to
from ortbench.results.likeness import differences_by_section
from ortbench.results.profiles import gather_profiles
from ortbench.results.recommendation import PlanRequest, Recommendation
from ortbench.results.source import load_summary
from ortbench.results.verification import Candidate, Verification, candidates, verify
from ortbench.run_record import artifact_records, export_request, new_run
from ortbench.runner.configurations import Configuration, ContestantMaker, open_reference
from ortbench.runner.contest import Contest
from ortbench.runner.cpus import thread_limit
from ortbench.runner.exports import Exports
from ortbench.runner.interruption import ignore_interruptions
from ortbench.runner.jobs import making_limit_s
from ortbench.runner.planning import StudyPlan
from ortbench.runner.repeating import Repeated, repeat
from ortbench.study_file import read_study
from ortbench.trust import check_trusted


def plan_like(
    results: Path,
    found: Recommendation,
    say: Callable[[str], None],
    typed: str | None = None,
    trusted: Sequence[str] = (),
) -> PlannedComparison:
    """Return a study of the model, lane and inputs of some results, with the planned engine, checked to run here.

    Args:
        results: the folder.
        found: the plan.
        say: is told of each environment that is made.
        typed: the engine as the user named it, if so.
        trusted: files given with `--trust`. Of other results nothing is run but engines and models that ortbench knows.

    Raises:
        UsageError: the results are no folder of ortbench's, they cannot be written, or the engine cannot run here.
    """
    if not (results / RUN_FILE).is_file():
        raise UsageError(
            "--verify measures anew, and so needs a results folder that says what model and weights to run, but "
            f"'{results}' is none. Leave --verify out, or plan from a folder of `ortbench compare`."
        )
    own = {"engines": found.engine, "baseline": None, "threads": None, "instances": None}
    check_trusted({"engines": found.engine}, {"engines": typed}, results, trusted)
    fields = read_study(results, own, trusted) | own
    # The folder is never made: what is measured goes beside the results that were planned from.
    fields |= {"allocators": found.allocator, "output": str(results / "verification")}
    fields |= {"load": None, "rate": None, "max_latency": None}
    return plan_comparison(CompareRequest(**fields), say)


@contextmanager
def contest(plan: StudyPlan, say: Callable[[str], None]) -> Iterator[tuple[Contest, ContestantMaker]]:
    """Export what is missing and load the reference; give what runs configurations against each other."""
    with ExitStack() as stack:
        requests = [export_request(plan, one) for one in plan.exports]
        exports = stack.enter_context(Exports(requests, say, making_limit_s(plan.settings.max_time_s)))
        reference = open_reference(stack, plan)
        if reference is not None:
            reference.ready()
        maker = ContestantMaker(plan, artifact_records(plan, exports.results()), say)
        gpu = any(engine.target != "cpu" for engine in plan.engines)
        yield stack.enter_context(Contest(plan.source, reference, plan.settings.seed, gpu=gpu)), maker


def verify_plan(  # noqa: PLR0913 - what is trusted is given by name
    results: Path,
    request: PlanRequest,
    found: Recommendation,
    max_time_s: float,
    say: Callable[[str], None],
    *,
    trusted: Sequence[str] = (),
) -> Verification:
    """Measure the recommended plan, the best uniform alternatives and the single instance against each other.

    Args:
        results: the folder that the plan was made from; the record of the verification is left in it.
        request: what was planned.
        found: the plan.
        max_time_s: for measuring, launches included.
        say: is told what is being done.
        trusted: files given with `--trust`, which may name programs and libraries.

    Raises:
        UsageError: the results are no folder, or the plan cannot run here.
    """
    planned = plan_like(results, found, say, request.engine, trusted)
    measured = gather_profiles(load_summary(results), found.engine)[found.engine, found.allocator]
    tried, too_wide = _fitting(candidates(found, measured, request))
    notes = [*_notes(results, planned), *too_wide]

    def keep(seen: Repeated, *, over: bool = False) -> Verification:
        interrupted = seen.interrupted or not over
        verification = verify(tried, seen.rounds, seen.failures, request, notes, interrupted=interrupted)
        _keep(results, found, verification, seen)
        return verification

    with holding(results, lambda: None), contest(planned.plan, say) as (running, maker):
        contestants = maker.make([_configuration(one, found) for one in tried])
        # After each launch, so that whatever ends this loses one at most.
        seen = repeat(running, contestants, max_time_s, say, keep)
        if seen.interrupted:
            ignore_interruptions()
    return keep(seen, over=True)


def _fitting(tried: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Return the candidates that fit on this machine's CPUs, and a note of those that do not."""
    limit = thread_limit()
    recommended = next(one for one in tried if one.recommended)
    if recommended.threads > limit:
        raise UsageError(
            f"The plan uses {recommended.threads} threads, but this process may use {limit} CPUs. Leave --verify out, "
            f"or plan with --threads {limit}."
        )
    too_wide = [one.name for one in tried if one.threads > limit]
    note = f"not measured, as this process may use {limit} CPUs: {'; '.join(too_wide)}"
    return [one for one in tried if one.threads <= limit], [note] if too_wide else []


def _configuration(one: Candidate, found: Recommendation) -> Configuration:
    mode = "single" if one.count == 1 else "split" if found.objective == "latency" else "stream"
    return Configuration(
        name=one.name, engine=found.engine, allocator=found.allocator, instances=tuple(one.places), mode=mode
    )


def _notes(results: Path, planned: PlannedComparison) -> list[str]:
    """Say what is not as it was when the figures were measured that the plan was made from."""
    differing = differences_by_section(read_run(results), new_run(planned))
    sections = [*differing["machine"], *differing["versions"]]
    return [f"not as it was when the plan's figures were measured: {line}" for line in sections]


def _keep(results: Path, found: Recommendation, verification: Verification, seen: Repeated) -> None:
    document = {"schema_version": 1, "plan": found, "verification": verification, "rounds": seen.rounds}
    with writing_to(results):
        write_atomically(results / VERIFICATION_FILE, msgspec.json.format(msgspec.json.encode(document)))
