"""The processes of one arm: one hangs, one dies, their parent is killed while some of them are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ortbench.engines.base import LoadRequest, OptionValue
from ortbench.errors import ArmError
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner import protocol
from ortbench.runner.cpus import allowed_cpus, thread_limit
from ortbench.runner.team import Team
from ortbench.runner.topology import Place

pytestmark = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")
PLACES = [Place((cpu,)) for cpu in allowed_cpus()[:2]]
# Starts two instances, stops one, tells their numbers, and waits to be killed.
PARENT = """
import os, signal, sys, time
from ortbench.runner.team import Team
from ortbench.runner.topology import Place
team = Team("null", [Place((int(cpu),)) for cpu in sys.argv[1:]])
from ortbench.runner import protocol
team.ask([protocol.Sentinel()] * 2, protocol.SentinelTimed, 60)
team.workers[0].park()
print(*(worker.pid for worker in team.workers), flush=True)
time.sleep(600)
"""


def prepared(team: Team, model_file: Path, **options: OptionValue) -> None:
    source = ModelSource(
        name="product",
        path=str(model_file),
        inputs=(TensorSpec("x", ("batch", 8)),),
        outputs=(TensorSpec("y", ("batch", 4)),),
    )
    request = LoadRequest(source=source, artifact=str(model_file), target="cpu", threads=1, options=options)
    team.send_load("scripted", request)
    team.receive(protocol.Loaded, 60)
    prepare = protocol.Prepare(batch_size=1, reference_path=None, reference="")
    team.ask([prepare] * 2, protocol.Prepared, 60)


def gone(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has waited for yet is as good as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state in "ZX"


@pytest.mark.parametrize("mode", ["split", "stream"])
def test_an_instance_that_hangs_ends_with_the_timeout_and_the_other_with_it(mode: str, model_file: Path) -> None:
    with Team("scripted", PLACES) as team:
        prepared(team, model_file, latency=0.0)
        pids = [worker.pid for worker in team.workers]
        # A process that is stopped answers as little as one that hangs, and the other waits for it.
        os.kill(pids[1], signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(ArmError, match=r"^scripted \(instance [12]\) hung: no answer within "):
            team.ask([protocol.Slice(calls=2, mode=mode)] * 2, protocol.Samples, 2)
        assert time.monotonic() - began < 60
    assert all(map(gone, pids))


def test_an_instance_that_dies_ends_the_wait_at_once_though_the_other_waits_for_it(model_file: Path) -> None:
    with Team("scripted", PLACES) as team:
        prepared(team, model_file, latency=0.0)
        pids = [worker.pid for worker in team.workers]
        os.kill(pids[1], signal.SIGKILL)
        with pytest.raises(ArmError, match=r"^scripted \(instance 2\) was killed by SIGKILL"):
            team.ask([protocol.Slice(calls=1, mode="split")] * 2, protocol.Samples, 300)
    assert all(map(gone, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at the parent's death is Linux's")
def test_instances_end_with_a_parent_that_is_killed_stopped_ones_too() -> None:
    cpus = [str(place.cpus[0]) for place in PLACES]
    with subprocess.Popen([sys.executable, "-c", PARENT, *cpus], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(map(gone, pids))
        parent.kill()
        parent.wait(60)
    deadline = time.monotonic() + 60
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(gone, pids))
