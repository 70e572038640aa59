from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engine
from ortbench.engines.spec import EngineSpec
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.results.journal import Journal
from ortbench.results.ratio import EXACTLY_ONE, Ratio
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord
from ortbench.results.summary import BestAgainstBest, BestWay, Way
from ortbench.runner.arm import ArmPlan
from ortbench.runner.finals import Finals, Stage, known_well, seconds_per_stage

SECONDS = st.floats(0.01, 100)


def best(launches: int = 8, half_width: float = 0.01, *, met: bool = True) -> BestAgainstBest:
    ratio = Ratio(value=2.0, ci95=(2 * (1 - half_width), 2 * (1 + half_width)))
    ways = Way(threads=2)
    way = BestWay(engine="ort", way=ways, over_best=ratio, over_plain=ratio, launches=launches if met else 0)
    return BestAgainstBest(
        precision="fp32",
        batch_size=1,
        objective="latency",
        paired=met,
        launches=launches,
        rounds=launches,
        plain=Way(threads=2),
        plain_figure=None,
        allocator=EXACTLY_ONE,
        split=ratio,
        engines=(BestWay(engine="torch", way=ways, over_best=EXACTLY_ONE, launches=launches), way),
    )


@given(st.floats(1, 3000), st.floats(0, 60), st.lists(SECONDS, min_size=1, max_size=6), st.integers(0, 20))
def test_a_launch_of_the_finals_fits_into_what_is_left(
    left_s: float, overhead_s: float, least_s: list[float], done: int
) -> None:
    seconds = seconds_per_stage(left_s, overhead_s, least_s, done)
    if seconds is None:
        assert left_s < max(overhead_s, 1) + sum(least_s)
    else:
        assert overhead_s + sum(max(seconds, least) for least in least_s) <= left_s * (1 + 1e-9)


def test_launches_are_as_many_as_make_the_narrowest_interval() -> None:
    # 20 s of overhead and at least 12 s of rounds: more launches of fewer rounds, but not of the fewest.
    for left_s, fewest, most in ((300, 5, 9), (900, 9, 26)):
        seconds = seconds_per_stage(left_s, 20, [2, 10], 0)
        assert seconds is not None
        assert fewest <= round(left_s / (20 + seconds + max(seconds, 10))) <= most


def test_where_little_is_left_launches_come_before_long_ones() -> None:
    # Two more launches of hardly more than the fewest rounds, rather than one that is longer.
    assert seconds_per_stage(66, 20, [2, 10], 1) == pytest.approx(3)
    assert seconds_per_stage(31, 20, [2, 10], 4) is None


def test_the_finals_end_when_every_factor_is_known_after_enough_launches() -> None:
    assert known_well([best()], 0.02)
    assert not known_well([best(half_width=0.03)], 0.02)
    assert not known_well([best(launches=7)], 0.02)
    assert not known_well([best(launches=0)], 0.02)
    # Who never ran would be waited for in vain.
    assert known_well([best(met=False)], 0.02)
    assert not known_well([best(), best(half_width=0.05)], 0.02)


def test_both_modes_of_a_layout_have_processes_of_their_own() -> None:
    # A process is made ready for one batch at a time: one that served both would run the wrong batch in one of them.
    source = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 8)),), outputs=())
    request = LoadRequest(source=source, artifact=None, target="cpu", threads=1)
    planned = ArmPlan(ArmKey("ort"), resolve_engine(EngineSpec("ort", "cpu")), request)
    study: Any = SimpleNamespace(plans_for=lambda _keys, _cell: [planned])
    cells = [
        CellKey(model="m", batch_size=size, threads=1, instances=2, mode=mode)
        for mode in ("split", "stream")
        for size in (4, 16)
    ]
    stage = Stage(tuple(("ort", cell) for cell in cells), 1.0)
    [own] = Finals(study)._stages([stage])
    split, larger_split, stream, _ = (one.key for one in own)
    assert split != stream
    # Batch sizes come one after the other, and share a process.
    assert split == larger_split


def test_who_fails_in_the_finals_gets_one_more_chance(tmp_path: Path) -> None:
    source = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 8)),), outputs=())
    request = LoadRequest(source=source, artifact=None, target="cpu", threads=1)
    planned = ArmPlan(ArmKey("ort"), resolve_engine(EngineSpec("ort", "cpu")), request)
    said: list[str] = []
    observer = SimpleNamespace(say=said.append)
    study: Any = SimpleNamespace(plans_for=lambda _keys, _cell: [planned], observer=observer)
    cells = [CellKey(model="m", batch_size=4, threads=threads) for threads in (1, 2)]
    stage, finals = Stage(tuple(("ort", cell) for cell in cells), 1.0), Finals(study)
    taking_part = []
    with Journal(tmp_path) as finals._journal:
        for launch in (1, 2):
            finals.append_launch(
                LaunchRecord(cell=cells[0].id, launch=launch, engine="ort", status="failed", reason="it was killed")
            )
            taking_part.append([[one.cell.threads for one in own] for own in finals._stages([stage])])
    assert taking_part == [[[1, 2]], [[2]]]
    assert said == [f"finals: ort failed in {cells[0].id}: it was killed"] * 2
