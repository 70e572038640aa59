"""Workers for real: how they start, end, park and die with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ortbench.errors import ArmError, ModelError
from ortbench.export.exporter import ExportRequest
from ortbench.models.spec import ModelSource
from ortbench.runner import job_messages
from ortbench.runner.process import Worker, worker_environment

PROBE = job_messages.Probe(targets=(("null", "cpu"),))


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def gone(pid: int, seconds: float = 5) -> bool:
    """Wait until a process is dead (a zombie counts); say whether it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_threads_are_settled_in_the_environment_and_affinity_before_any_import() -> None:
    with Worker("w", [0], 3) as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        environment = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
        assert b"OMP_NUM_THREADS=3" in environment
        # Every thread of the process, the libraries' own included.
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            assert os.sched_getaffinity(int(task.name)) == {0}


def test_bytecode_goes_into_our_own_cache_where_python_may_write_none() -> None:
    environment = worker_environment(None, {"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["PYTHONPYCACHEPREFIX"].endswith("bytecode")
    assert worker_environment(None, {"A": "b"}) == {"A": "b"}


def test_a_parked_worker_is_stopped_and_goes_on_when_woken() -> None:
    with Worker("w") as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        worker.park()
        time.sleep(0.1)
        assert state_of(worker.pid) == "T"
        worker.wake()
        assert worker.ask(PROBE, job_messages.Probed, 60).availability[0].available


def test_leaving_ends_a_worker_even_when_it_is_stopped() -> None:
    with Worker("w") as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        worker.park()
    assert gone(worker.pid)


def test_a_killed_worker_is_reported_with_its_signal() -> None:
    with Worker("w") as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ArmError, match=r"^w was killed by SIGKILL \(perhaps out of memory\)"):
            worker.ask(PROBE, job_messages.Probed, 60)


def test_what_a_library_prints_does_not_reach_the_protocol() -> None:
    code = (
        "import os\n"
        "from ortbench.runner.worker import _take_stdout\n"
        "replies = _take_stdout()\n"
        "print('from python', flush=True)\n"
        "os.system('echo from a child')\n"
        "replies.write(b'reply')\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert finished.stdout == b"reply"
    assert finished.stderr == b"from python\nfrom a child\n"


def test_an_error_that_the_worker_foresaw_keeps_its_kind() -> None:
    with Worker("w") as worker:
        request = job_messages.Export(request=ExportRequest(source=ModelSource(name="no-such-model", inputs=())))
        with pytest.raises(ModelError, match="Expected --model to be one of"):
            worker.ask(request, job_messages.Exported, 120)


def test_rubbish_from_a_worker_costs_that_worker_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with Worker("w") as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        monkeypatch.setattr("os.read", lambda _descriptor, _count: b"rubbish\n")
        with pytest.raises(ArmError, match=r"^w wrote something that is no reply: b'rubbish'"):
            worker.ask(PROBE, job_messages.Probed, 60)
        monkeypatch.undo()


@pytest.mark.parametrize("parked", [False, True])
def test_workers_die_with_a_killed_parent(parked: bool) -> None:
    code = (
        "import sys, time\n"
        "from ortbench.runner.process import Worker\n"
        "from ortbench.runner import job_messages\n"
        "worker = Worker('w')\n"
        "worker.ask(job_messages.Probe(targets=(('null', 'cpu'),)), job_messages.Probed, 60)\n"
        f"{'worker.park()' if parked else ''}\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid, 0.2)
        parent.kill()
        parent.wait()
    assert gone(pid)


@pytest.mark.parametrize("longest", [1 << 16, 1 << 40], ids=["too long", "too late"])
def test_a_worker_that_writes_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    monkeypatch.setattr("ortbench.runner.process._LONGEST_LINE", longest)
    with Worker("w") as worker:
        worker.ask(PROBE, job_messages.Probed, 60)
        monkeypatch.setattr("os.read", lambda _descriptor, _count: b"x" * 4096)
        monkeypatch.setattr(worker, "_wait_for_bytes", lambda _seconds: True)
        words = "wrote 0 MiB without an end of line" if longest == 1 << 16 else "hung: no answer within 1 s"
        with pytest.raises(ArmError, match=f"^w {words}"):
            worker.receive(job_messages.Probed, 1.0)
        assert gone(worker.pid)
