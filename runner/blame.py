"""What follows where an arm's outputs differ: where it begins, found in a process of its own, and its other cells."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import msgspec

from ortbench.errors import OrtbenchError
from ortbench.models.parity import FP32, Tolerance
from ortbench.results.schema import LaunchRecord
from ortbench.runner import job_messages
from ortbench.runner.arm import ArmPlan
from ortbench.runner.cpus import choose_cpus
from ortbench.runner.environments import interpreter_for
from ortbench.runner.process import Worker

LIMIT_S = 60.0
# For starting, loading, and the one step that may be under way when the time is over.
_GRACE_S = 60.0


def disagrees(record: LaunchRecord) -> bool:
    """Say whether an arm's outputs were found to differ."""
    return bool(record.parity) and (record.parity or {}).get("ok") is False and record.status == "invalid"


def locate(plan: ArmPlan, batch_size: int, parity: Mapping[str, Any]) -> str:
    """Say where the arm begins to differ; of a search that fails, that and why. Raises nothing.

    Args:
        plan: of the arm.
        batch_size: of the cell.
        parity: what was found there, as in the record.
    """
    tolerance = msgspec.convert(parity["tolerance"], Tolerance) if parity.get("tolerance") else FP32
    try:
        with (
            tempfile.TemporaryDirectory(prefix="ortbench-bisection-") as scratch,
            Worker(
                f"the bisection of {plan.key.engine}",
                choose_cpus(plan.request.threads),
                plan.request.threads,
                interpreter_for(plan.engine),
            ) as worker,
        ):
            request = job_messages.Bisect(
                engine=plan.engine.entry.name,
                request=plan.request,
                batch_size=batch_size,
                index=parity.get("failed_batch") or 0,
                tolerance=tolerance,
                limit_s=LIMIT_S,
                scratch=scratch,
            )
            return worker.ask(request, job_messages.Bisected, LIMIT_S + _GRACE_S).found
    except (OrtbenchError, OSError) as error:
        return f"where it begins was not found: {error}"


def blamed(record: LaunchRecord, where: str) -> LaunchRecord:
    """Return the record with the place in its reason."""
    return msgspec.structs.replace(record, reason=f"{record.reason}; {where}")


def in_other_cell(record: LaunchRecord, cell_id: str) -> LaunchRecord:
    """Return the same verdict for another cell of the group, in which the arm was not made ready."""
    return msgspec.structs.replace(
        record,
        cell=cell_id,
        reason=f"{record.reason} (found in {record.cell})",
        first_call_ns=None,
        warm_up_ns=(),
        steady=None,
    )
