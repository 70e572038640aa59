from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

import ortbench
from ortbench.runner import machine as machine_module
from ortbench.runner.gpu import Gpu
from ortbench.runner.machine import (
    count_threads,
    describe_machine,
    git_commit,
    loaded_allocator,
    machine_line,
    missing_features,
    own_versions,
    relevant_environment,
)


def test_the_machine_is_described_in_plain_data() -> None:
    machine = describe_machine()
    assert msgspec.json.decode(msgspec.json.encode(machine)) == machine
    assert list(machine) == [
        *("system", "kernel", "kernel_version", "architecture", "libc", "cpu", "cpu_flags", "caches"),
        *("hypervisor", "virtualisation", "container", "logical_cpus", "physical_cores", "smt", "governor", "turbo"),
        *("transparent_huge_pages", "numa_nodes", "allowed_cpus", "cpu_quota", "thread_limit"),
        *("memory_mib", "swap_mib", "gpus"),
    ]
    assert machine["memory_mib"] > 0
    assert 1 <= machine["thread_limit"] <= len(machine["allowed_cpus"])
    assert f"{machine['thread_limit']} CPUs in use" in machine_line(machine)


def test_a_gpu_is_described_by_what_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Gpu(name="G", driver="1", sm_clock_mhz=900, max_sm_clock_mhz=1980, temperature_c=91, clock_limits=())
    monkeypatch.setattr(machine_module, "gpus", lambda: [found])
    assert describe_machine()["gpus"] == ["G, driver 1"]


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        (
            {"cpu": "Z80", "thread_limit": 2, "memory_mib": 16384, "hypervisor": True, "system": "Linux"},
            "Z80, 2 CPUs in use, 16 GiB, virtual machine, Linux",
        ),
        ({"thread_limit": 1, "system": "Linux"}, "unknown processor, 1 CPUs in use, unknown memory, Linux"),
    ],
)
def test_a_machine_is_named_in_one_line(machine: dict[str, Any], line: str) -> None:
    assert machine_line(machine) == line


def test_linux_lacks_nothing_and_others_name_what_they_lack() -> None:
    assert missing_features("linux") == []
    assert "CPU affinity" in missing_features("darwin")
    assert "noticing an engine that hangs" in missing_features("win32")


def test_variables_that_change_a_measurement_are_recorded_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    relevant = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "BLIS_NUM_THREADS": "2",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "CUDNN_LOGLEVEL_DBG": "1",
        "CXX": "clang++",
        "GLIBC_TUNABLES": "1",
        "JE_MALLOC_CONF": "2",
        "LD_LIBRARY_PATH": "3",
        "LD_PRELOAD": "4",
        "MIMALLOC_VERBOSE": "5",
        "NVIDIA_TF32_OVERRIDE": "6",
        "OMP_NUM_THREADS": "7",
        "OPENVINO_LOG_LEVEL": "8",
        "OV_CPU_DEBUG_LOG": "-",
        "TCMALLOC_RELEASE_RATE": "9",
        "TORCHDYNAMO_DISABLE": "1",
        "TORCHINDUCTOR_FREEZING": "1",
        "TRITON_F32_DEFAULT": "ieee",
        "_RJEM_MALLOC_CONF": "10",
    }
    others = {"MY_PASSWORD": "secret", "HOME": "/home/me", "MY_OMP_NUM_THREADS": "1"}
    monkeypatch.setattr(os, "environ", {**others, **relevant})
    assert relevant_environment() == relevant


def test_versions_are_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {
        "torch": "2.14",
        "onnxruntime-gpu": "1.32",
        "triton": "3.6",
        "mlcommons-loadgen": "6",
        "unrelated": "1",
    }

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert own_versions() == {
        "ortbench": ortbench.__version__,
        "python": platform.python_version(),
        "onnxruntime-gpu": "1.32",
        "torch": "2.14",
        "triton": "3.6",
        "mlcommons-loadgen": "6",
    }


def test_looking_up_versions_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ortbench.runner.machine import own_versions; own_versions(); "
        "print({'torch', 'onnx', 'onnxruntime', 'scipy', 'openvino'} & sys.modules.keys())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


@pytest.mark.parametrize(
    ("maps", "allocator"),
    [
        ("7f r-xp 0 08:01 1 /usr/lib/libc.so.6\n7f r-xp 0 08:01 2 /usr/lib/libtcmalloc_minimal.so.4\n", "tcmalloc"),
        ("7f r-xp 0 08:01 2 /usr/lib/libjemalloc.so.2\n", "jemalloc"),
        ("7f r-xp 0 08:01 2 /usr/lib/libmimalloc.so.2.0\n", "mimalloc"),
        ("7f r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n", "glibc"),
        ("7f r-xp 0 08:01 1 /lib/x86_64-linux-gnu/libc-2.31.so\n", "glibc"),
        ("7f r-xp 0 08:01 1 /lib/ld-musl-x86_64.so.1\n", "musl"),
        ("7f r-xp 0 08:01 1 /usr/lib/libtcmalloc.so.4 (deleted)\n", "tcmalloc"),
        ("7f r-xp 0 08:01 1 /opt/tcmalloc/libc.so.6\n7f rw-p 0 00:00 0 [heap]\n", "glibc"),
        ("", "unknown"),
    ],
)
def test_the_allocator_is_the_one_that_is_loaded(maps: str, allocator: str) -> None:
    assert loaded_allocator(maps) == allocator


def test_the_commit_is_that_of_the_folder_and_says_when_files_were_changed(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    (tmp_path / "file").write_text("one", encoding="ascii")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    commit = git_commit(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    (tmp_path / "untracked").write_text("one", encoding="ascii")
    (tmp_path / "folder").mkdir()
    assert git_commit(tmp_path / "folder") == commit
    (tmp_path / "file").write_text("two", encoding="ascii")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_without_a_repository_a_folder_or_git_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "empty")], check=True)
    assert git_commit(tmp_path / "empty") is None
    assert git_commit(tmp_path / "missing") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_a_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(machine_module, "_GIT_TIMEOUT_S", 0.1)
    assert git_commit(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists a process's threads")
def test_threads_are_counted_as_the_system_does() -> None:
    before = count_threads()
    with ThreadPoolExecutor(1) as pool:
        during = pool.submit(count_threads).result()
    assert before is not None
    assert during == before + 1
