"""How long a run under a load is waited for; the run itself is tested where LoadGen really makes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ortbench.results.schema import CellKey, SlicePlan
from ortbench.runner import load_slice, protocol
from ortbench.runner.arm import Arm
from ortbench.runner.load import Load


def waited_s(monkeypatch: pytest.MonkeyPatch, load: Load) -> float:
    """Return the limit of a run of an arm whose calls take 20 ms, beyond the 30 s of a hang."""
    asked: list[float] = []

    def ask(_: Any, __: protocol.LoadSlice, timeout_s: float) -> None:
        asked.append(timeout_s)

    monkeypatch.setattr(load_slice, "_ask", ask)
    arm = cast("Arm", SimpleNamespace(call_s_per_item=0.02, slices=SlicePlan(lead_in=3, calls=1)))
    load_slice.run_under_load(arm, CellKey(model="m", batch_size=1, threads=1), load, 1, 1, 30.0)
    return asked[0] - 30.0


def test_a_run_ends_with_an_arrival_and_rare_ones_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    often = waited_s(monkeypatch, Load("poisson", 100.0, run_s=2.0))
    rarely = waited_s(monkeypatch, Load("poisson", 0.1, run_s=2.0))
    # The chance that no request comes for ten times as long as they are apart on average is e^-10.
    assert rarely - often == pytest.approx(10 / 0.1 - 10 / 100)
    assert waited_s(monkeypatch, Load("single-stream", run_s=2.0)) == pytest.approx(5 * 2.0 + 20 * 0.02)
