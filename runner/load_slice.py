"""The parent's side of a run under a load: what LoadGen is told for one arm, and how long to wait for it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from ortbench.results.schema import CellKey
from ortbench.runner import protocol
from ortbench.runner.arm import Arm
from ortbench.runner.load import SINGLE_STREAM, Load, round_seeds

# A run may last twice as long as it should where the engine falls behind; from this many times on it hangs.
_HANG_FACTOR = 5
# LoadGen ends with the first arrival after the time, which one run in e^10 awaits for longer than ten gaps on average.
_GAPS = 10
_WARM_UP_S = 0.001


def run_under_load(  # noqa: PLR0913 - a run is of one arm in one cell of one round
    arm: Arm, cell: CellKey, load: Load, launch: int, number: int, timeout_s: float
) -> protocol.Samples:
    """Run LoadGen once in the arm's process, parked before and after.

    Args:
        arm: has been made ready.
        cell: for which.
        load: what is to arrive.
        launch: its number, which with the round's gives the seeds.
        number: of the round in it.
        timeout_s: how long a hang is waited for, beyond what the run should take.

    Raises:
        ArmError: the process died, hung, or has no LoadGen.
    """
    call_s = arm.call_s_per_item * cell.batch_size
    request = protocol.LoadSlice(
        scenario=load.name,
        batch_size=cell.batch_size,
        run_s=load.arm_run_s(call_s, cell.batch_size),
        rate=load.rate or 0.0,
        max_latency_ns=round(load.max_latency_s * 1e9),
        most_outstanding=load.most_outstanding(call_s, cell.batch_size),
        call_ns=round(call_s * 1e9),
        seeds=round_seeds(load.seed, launch, number),
        folder="",
        lead_in=arm.slices.lead_in,
    )
    arrival_s = _GAPS / load.rate if load.rate else 0.0
    return _ask(arm, request, timeout_s + arrival_s + _HANG_FACTOR * request.run_s + 4 * _HANG_FACTOR * call_s)


def warm_up_load(arm: Arm, cell: CellKey, timeout_s: float) -> None:
    """Let LoadGen ask for one query, so that what its first use takes is in no figure; see `run_under_load`."""
    call_s = arm.call_s_per_item * cell.batch_size
    request = protocol.LoadSlice(
        scenario=SINGLE_STREAM,
        batch_size=cell.batch_size,
        run_s=_WARM_UP_S,
        call_ns=round(call_s * 1e9),
        seeds=(0, 0, 0),
        folder="",
    )
    _ask(arm, request, timeout_s + 4 * _HANG_FACTOR * call_s)


def _ask(arm: Arm, request: protocol.LoadSlice, timeout_s: float) -> protocol.Samples:
    team = arm.running_team
    # Here, not in the worker: a process that is killed leaves its files behind.
    with tempfile.TemporaryDirectory(prefix="ortbench-loadgen-", ignore_cleanup_errors=True) as folder:
        request.folder = folder
        team.wake()
        answers: Sequence[protocol.Samples] = team.ask([request], protocol.Samples, timeout_s)
        team.park()
    return answers[0]
