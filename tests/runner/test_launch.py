"""How the arms of a launch are loaded: as many at a time as there are CPUs, and none waits for a slow neighbour."""

from __future__ import annotations

import math

import pytest

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engine
from ortbench.engines.spec import parse_engine
from ortbench.models.spec import ModelSource
from ortbench.results.schema import ArmKey
from ortbench.runner import job_messages
from ortbench.runner import launch as room
from ortbench.runner.arm import Arm, ArmPlan
from ortbench.runner.launch import Launch
from ortbench.runner.process import Worker
from ortbench.runner.team import first_to_answer

SOURCE = ModelSource(name="m", inputs=())
PROBE = job_messages.Probe(targets=(("null", "cpu"),))


def plan(name: str, load_s: float = math.inf, engine: str = "null") -> ArmPlan:
    resolved = resolve_engine(parse_engine(engine))
    request = LoadRequest(source=SOURCE, artifact=None, target="cpu", threads=1, options=resolved.options)
    return ArmPlan(ArmKey(name), resolved, request, load_s)


def test_the_longest_to_load_begins_first_and_never_more_at_a_time_than_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, str]] = []
    begin, finish = Launch._begin_loading, Launch._finish_loading

    def begun(self: Launch, arm: Arm) -> None:
        events.append(("begins", arm.plan.key.engine))
        begin(self, arm)

    def finished(self: Launch, loading: list[Arm], failures: list[object]) -> None:
        before = list(loading)
        finish(self, loading, failures)  # type: ignore[arg-type]  # no failure is looked into here
        events.extend(("ends", arm.plan.key.engine) for arm in before if arm not in loading)

    monkeypatch.setattr(Launch, "_begin_loading", begun)
    monkeypatch.setattr(Launch, "_finish_loading", finished)
    monkeypatch.setattr(room, "thread_limit", lambda: 2)
    names = {"short": 1.0, "long": 3.0, "middle": 2.0}
    with Launch(1) as launch:
        assert launch.start([plan(name, seconds) for name, seconds in names.items()]) == []
        assert launch.load_seconds().keys() == {ArmKey(name) for name in names}
    assert events[:2] == [("begins", "long"), ("begins", "middle")]
    assert events[2][0] == "ends"
    assert events[3] == ("begins", "short")


def test_an_arm_that_cannot_load_costs_the_others_nothing() -> None:
    with Launch(1) as launch:
        failures = launch.start([plan("bad", engine="ort"), plan("good"), plan("better")])
        everybody = [ArmKey("bad"), ArmKey("good"), ArmKey("better")]
        assert launch.running(everybody) == everybody[1:]
    assert [(failure.engine, failure.status) for failure in failures] == [("bad", "failed")]


def test_the_first_to_answer_is_found_whatever_its_place() -> None:
    with Worker("silent") as silent, Worker("quick") as quick:
        quick.send(PROBE)
        assert first_to_answer([silent, quick], 60) is quick
        quick.receive(job_messages.Probed, 60)
        assert first_to_answer([silent, quick], 0.1) is silent
