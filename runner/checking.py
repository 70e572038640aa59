"""The full check of an arm before its first timing, inside its worker: many inputs, each with its reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ortbench.engines.base import Engine
from ortbench.models.agreement import Agreement
from ortbench.models.inputs import Part, distinct_inputs, make_inputs, take_part
from ortbench.models.npz import read_named
from ortbench.models.parity import Outputs, Parity, Tolerance
from ortbench.models.spec import ModelSource
from ortbench.runner import protocol


def check_batches(
    engine: Engine,
    source: ModelSource,
    request: protocol.Prepare,
    tolerance: Tolerance,
    clock: Callable[[], float] = time.perf_counter,
) -> Parity:
    """Compare batch after batch until all are compared or the time is over; then batch 0 is bound again.

    Args:
        engine: has run batch 0.
        source: makes the inputs.
        request: the batch size, the files with the reference's outputs, batch 0 first, and the time for them.
        tolerance: how far outputs may be from the reference.
        clock: seconds.
    """
    began = clock()
    agreement = Agreement(request.reference, tolerance, source.facts)
    for index, path in enumerate(request.batches):
        if index and clock() - began > request.limit_s:
            break
        if index:
            run_batch(engine, source, request.batch_size, index, request.part)
        agreement.add(_outputs(engine), expected_outputs(path, source, request.part))
    compared = agreement.batches
    if compared > 1:
        run_batch(engine, source, request.batch_size, 0, request.part)
    possible = distinct_inputs(source, request.batch_size, request.wanted_inputs)
    inputs = min(compared * request.batch_size, possible)
    return msgspec.structs.replace(
        agreement.result(),
        full=True,
        inputs=inputs,
        seconds=clock() - began,
        note=_note(inputs, possible, request.wanted_inputs),
    )


def run_batch(engine: Engine, source: ModelSource, batch_size: int, index: int, part: Part | None = None) -> None:
    """Bind one batch, or an instance's part of it, and run it once."""
    engine.bind(make_inputs(source, batch_size, index, part))
    engine.run()
    engine.synchronize()


def _note(inputs: int, possible: int, wanted: int) -> str | None:
    if inputs < possible:
        return f"only {inputs} of {possible} inputs were compared: the time for it was over"
    if inputs < wanted:
        compared = "1 input was" if inputs == 1 else f"{inputs} inputs were"
        return f"only {compared} compared: --inputs holds no more"
    return None


def _outputs(engine: Engine) -> Outputs:
    return dict(engine.outputs() or {})


def expected_outputs(path: str, source: ModelSource, part: Part | None) -> Outputs:
    """Return what the reference gave for a batch, or for an instance's part of it."""
    arrays = read_named(Path(path))
    return dict(arrays) if part is None else take_part(arrays, source.outputs, part)
