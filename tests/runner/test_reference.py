"""The reference's process for real: what it made outlives it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ortbench.errors import ModelError
from ortbench.models.spec import BATCH, ModelSource, TensorSpec
from ortbench.runner.jobs import Reference


def test_outputs_that_were_made_hold_when_the_process_is_killed_at_a_larger_batch(model_file: Path) -> None:
    source = ModelSource(name="m", path=str(model_file), inputs=(TensorSpec("x", (BATCH, 8)),))
    with Reference("ort[graph_optimization_level=disable]", source) as reference:
        reference.ready()
        one = reference.outputs(1)
        two = reference.batches(2, 6, 60.0)
        os.kill(reference._worker.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match="^The model cannot be run at batch size 4: .*killed by SIGKILL"):
            reference.outputs(4)
        assert reference.outputs(1) == one
        assert one.exists()
        assert reference.batches(2, 6, 60.0) == two
        assert reference.batches(2, 8, 60.0) == two
        with pytest.raises(ModelError, match="^The model cannot be run at batch size 4"):
            reference.outputs(8)
