"""`ortbench plan --verify`: the recommended plan and its alternatives, measured in the same rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from ortbench.api import plan_comparison
from ortbench.comparison import CompareRequest
from ortbench.errors import UsageError
from ortbench.results.profiles import gather_profiles
from ortbench.results.recommendation import PlanRequest, Recommendation
from ortbench.results.source import load_summary
from ortbench.results.verification import Candidate, Verification, candidates, verify
from ortbench.run_record import artifact_records, export_request
from ortbench.runner.configurations import Configuration, ContestantMaker, open_reference
from ortbench.runner.contest import Contest
from ortbench.runner.exports import Exports
from ortbench.runner.planning import StudyPlan
from ortbench.study_file import read_study

VERIFICATION_FILE = "verification.json"


def plan_like(results: Path, engines: str, say: Callable[[str], None]) -> StudyPlan:
    """Return a study of the model and lane of some results, with other engines, checked to run here.

    Raises:
        UsageError: the results are no folder of ortbench's, or an engine cannot run here.
    """
    if not (results / "run.json").is_file():
        raise UsageError(
            f"--verify measures anew, and so needs a results folder that says what model and weights to run; "
            f"'{results}' is none."
        )
    fields = read_study(results) | {"engines": engines, "baseline": None, "threads": None, "instances": None}
    fields |= {"allocators": "default", "twins": "smallest", "load": None, "rate": None, "max_latency": None}
    return plan_comparison(CompareRequest(**fields), say).plan


@contextmanager
def contest(plan: StudyPlan, say: Callable[[str], None]) -> Iterator[tuple[Contest, ContestantMaker]]:
    """Export what is missing and load the reference; give what runs configurations against each other."""
    with ExitStack() as stack:
        exports = stack.enter_context(Exports([export_request(plan, one) for one in plan.exports], say))
        reference = open_reference(stack, plan)
        if reference is not None:
            reference.ready()
        maker = ContestantMaker(plan, artifact_records(plan, exports.results()), say)
        gpu = any(engine.target != "cpu" for engine in plan.engines)
        yield stack.enter_context(Contest(reference, plan.settings.seed, gpu=gpu)), maker


def verify_plan(
    results: Path, request: PlanRequest, found: Recommendation, max_time_s: float, say: Callable[[str], None]
) -> Verification:
    """Measure the recommended plan, the best uniform alternatives and the single instance against each other.

    Args:
        results: the folder that the plan was made from; the record of the verification is left in it.
        request: what was planned.
        found: the plan.
        max_time_s: for measuring, launches included.
        say: is told what is being done.
    """
    measured = gather_profiles(load_summary(results), found.engine)[found.engine, found.allocator]
    tried = candidates(found, measured, request)
    plan = plan_like(results, found.engine, say)
    with contest(plan, say) as (running, maker):
        rounds, failures = running.run(maker.make([_configuration(one, found) for one in tried]), max_time_s, say)
    verification = verify(tried, rounds, failures, request.objective)
    (results / VERIFICATION_FILE).write_bytes(
        msgspec.json.format(msgspec.json.encode({"plan": found, "verification": verification, "rounds": rounds}))
    )
    return verification


def _configuration(one: Candidate, found: Recommendation) -> Configuration:
    mode = "single" if one.count == 1 else "split" if found.objective == "latency" else "stream"
    return Configuration(
        name=one.name, engine=found.engine, allocator=found.allocator, instances=tuple(one.places), mode=mode
    )
