"""What the study ran on: machine, versions and settings of the environment that change what is measured."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import psutil

import ortbench
from ortbench.runner.cpus import allowed_cpus, cpu_quota, thread_limit

# Anything set here changes how a library computes or allocates.
_PREFIXES = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "DNNL_", "ONEDNN_"),
    *("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "PYTHON", "ORTBENCH_"),
    *("ORT_", "ONNX", "TORCH_", "PYTORCH_", "CUDA_", "NVIDIA_"),
)


def describe_machine() -> dict[str, Any]:
    """Return what is known of this machine, with None where the system does not tell."""
    cpuinfo = _cpuinfo()
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "cpu": cpuinfo.get("model name") or platform.processor() or None,
        "cpu_flags": cpuinfo.get("flags", "").split(),
        "hypervisor": "hypervisor" in cpuinfo.get("flags", "").split(),
        "logical_cpus": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "allowed_cpus": allowed_cpus(),
        "cpu_quota": cpu_quota(),
        "thread_limit": thread_limit(),
        "memory_mib": round(psutil.virtual_memory().total / 1024**2),
    }


def machine_line(machine: dict[str, Any]) -> str:
    """Name a machine in one line: processor, CPUs in use, memory."""
    cpu = machine.get("cpu") or "unknown processor"
    virtual = ", virtual machine" if machine.get("hypervisor") else ""
    memory = f"{machine['memory_mib'] / 1024:.0f} GiB" if machine.get("memory_mib") else "unknown memory"
    return f"{cpu}, {machine.get('thread_limit')} CPUs in use, {memory}{virtual}, {machine.get('system')}"


def own_versions() -> dict[str, str]:
    """Return the versions that the parent knows; the arms' own stand in launches.jsonl."""
    return {"ortbench": ortbench.__version__, "python": platform.python_version()}


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


def _cpuinfo() -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first, _, _ = text.partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
