"""What the study ran on: machine, versions and settings of the environment that change what is measured."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

import ortbench
from ortbench.runner import sysfs
from ortbench.runner.cpus import allowed_cpus, cpu_quota, thread_limit
from ortbench.runner.gpu import gpus

_LOADER_TIMEOUT_S = 10.0
# Anything set here changes how a library computes or allocates.
_PREFIXES = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "DNNL_", "ONEDNN_"),
    *("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHON", "ORTBENCH_"),
    *("TCMALLOC_", "JE_", "_RJEM_", "MIMALLOC_", "OPENVINO_"),
    *("BLIS_", "GOTO_", "VECLIB_", "MKLDNN_", "TBB_", "LD_BIND_NOW"),
    *("ORT_", "ONNX", "OV_", "CUDA_", "CUBLAS_", "CUBLASLT_", "CUDNN_", "NVIDIA_"),
    # Every TORCH_, TORCHINDUCTOR_, TORCHDYNAMO_; the compilers and the instruction set that its code is made with.
    *("TORCH", "PYTORCH_", "AOT_INDUCTOR_", "AOTINDUCTOR_", "ATEN_", "TRITON_", "CXX"),
)

DISTRIBUTIONS = (
    *("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxscript"),
    *("torch", "torchvision", "triton", "openvino", "mlcommons-loadgen", "msgspec", "scipy"),
)
# Without the locks that are optional: looking for changed files must not stop a commit made meanwhile.
_GIT_DESCRIBE = ("git", "--no-optional-locks", "describe", "--always", "--abbrev=40", "--match=", "--dirty")
_GIT_TIMEOUT_S = 5.0


def describe_machine() -> dict[str, Any]:
    """Return what is known of this machine, with None where the system does not tell.

    Only what stays as it is: a study that is continued is compared with it key by key.
    """
    cpuinfo = sysfs.cpu_entries()
    flags = cpuinfo.get("flags", "").split()
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "kernel_version": platform.version(),
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "cpu": cpuinfo.get("model name") or platform.processor() or None,
        "cpu_flags": flags,
        "caches": sysfs.caches(),
        "hypervisor": "hypervisor" in flags,
        "virtualisation": sysfs.virtualisation(),
        "container": sysfs.container(),
        "logical_cpus": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "smt": sysfs.smt_active(),
        "governor": sysfs.governor(),
        "turbo": sysfs.turbo(),
        "transparent_huge_pages": sysfs.transparent_huge_pages(),
        "numa_nodes": sysfs.numa_nodes(),
        "allowed_cpus": allowed_cpus(),
        "cpu_quota": cpu_quota(),
        "thread_limit": thread_limit(),
        "memory_mib": round(psutil.virtual_memory().total / 1024**2),
        "swap_mib": round(psutil.swap_memory().total / 1024**2),
        "gpus": [f"{gpu.name}, driver {gpu.driver}" for gpu in gpus()],
    }


def machine_line(machine: dict[str, Any]) -> str:
    """Name a machine in one line: processor, CPUs in use, memory."""
    cpu = machine.get("cpu") or "unknown processor"
    virtual = ", virtual machine" if machine.get("hypervisor") else ""
    memory = f"{machine['memory_mib'] / 1024:.0f} GiB" if machine.get("memory_mib") else "unknown memory"
    return f"{cpu}, {machine.get('thread_limit')} CPUs in use, {memory}{virtual}, {machine.get('system')}"


def own_versions() -> dict[str, str]:
    """Return the installed versions of everything that may take part, without importing it."""
    versions = {"ortbench": ortbench.__version__, "python": platform.python_version()}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def git_commit(folder: Path) -> str | None:
    """Return the commit of the repository around `folder`, `-dirty` where tracked files are changed; None outside."""
    try:
        answer = subprocess.run(
            _GIT_DESCRIBE,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def loaded_allocator(maps: str) -> str:
    """Name the malloc that is really loaded, from the text of /proc/self/maps; `unknown` where that is empty."""
    names = {line.rpartition("/")[2] for line in maps.splitlines() if "/" in line}
    for allocator in ("tcmalloc", "jemalloc", "mimalloc"):
        if any(name.startswith(f"lib{allocator}") for name in names):
            return allocator
    if any(name.startswith(("libc.so", "libc-2")) for name in names):
        return "glibc"
    return "musl" if any(name.startswith("ld-musl") for name in names) else "unknown"


def loaded_tunables() -> dict[str, int]:
    """Return glibc's settings for malloc as its loader understands this process's environment, by their names.

    The loader ignores what it does not know and limits what is too large, without a word; so it is asked. Empty where
    none are in the environment, or the loader does not tell (glibc before 2.33).
    """
    loader = re.search(r"\S*/ld-linux\S*", memory_maps())
    if loader is None or "GLIBC_TUNABLES" not in os.environ:
        return {}
    try:
        listed = subprocess.run(
            [loader[0], "--list-tunables"], capture_output=True, text=True, timeout=_LOADER_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_tunables(listed)


def parse_tunables(listed: str) -> dict[str, int]:
    """Return name -> value of what the loader lists of malloc, e.g. `glibc.malloc.mmap_max: 0 (min: 0, max: 9)`."""
    found = re.findall(r"^glibc\.malloc\.(\w+): (0x[0-9a-f]+|\d+) ", listed, re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def memory_maps() -> str:
    """Return what is mapped into this process; empty where the system does not tell."""
    try:
        return Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def affinity_of_threads() -> tuple[int, ...]:
    """Return every CPU that a thread of this process may use, also one that a library's thread took for itself."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = set(os.sched_getaffinity(0))
    tasks = Path("/proc/self/task")
    for task in tasks.iterdir() if tasks.exists() else ():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            allowed |= os.sched_getaffinity(int(task.name))
    return tuple(sorted(allowed))


def count_threads() -> int | None:
    """Return how many threads this process has, as the system counts them."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else None


def relevant_environment() -> dict[str, str]:
    """Return the environment variables that may change a measurement."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)}


def missing_features(system: str = sys.platform) -> list[str]:
    """Name what this system cannot do for a measurement; nothing on Linux."""
    if system == "linux":
        return []
    missing = ["CPU affinity", "cgroup quota", "workers that die with a killed ortbench"]
    if system == "win32":
        missing += ["stopping parked engines", "noticing an engine that hangs", "memory of each engine"]
    return missing
