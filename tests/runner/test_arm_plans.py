"""Where engines keep what they compile: in a folder of this study and arm, gone at its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from ortbench.results.schema import ArmKey
from ortbench.runner.arm_plans import ArmPlanner
from tests.results.factory import make_run

[CELL] = make_run().cells


def test_each_arm_compiles_for_itself_and_finds_it_again(tmp_path: Path) -> None:
    plan: Any = SimpleNamespace(settings=SimpleNamespace(max_time_s=60.0))
    planner = ArmPlanner(plan, compiled=tmp_path / "compiled")
    other = msgspec.structs.replace(CELL.key, batch_size=16)
    threads = msgspec.structs.replace(CELL.key, threads=1)
    torch, twin = ArmKey("torch"), ArmKey("torch", twin=True)
    folder = planner._compiled_by(torch, CELL.key)
    assert folder is not None
    # Another batch size is of the same processes; the twin's first launch shall compile as its own does.
    assert planner._compiled_by(torch, other) == folder
    assert len({folder, planner._compiled_by(twin, CELL.key), planner._compiled_by(torch, threads)}) == 3
    Path(folder).mkdir(parents=True)
    planner.forget_compiled()
    assert not list(tmp_path.iterdir())
    # A profile after the study leaves no folder behind.
    assert planner._compiled_by(torch, CELL.key) is None
