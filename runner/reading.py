"""Read the machine as it is at this moment, for `runner/fitness.py`."""

from __future__ import annotations

import os

import psutil

from ortbench.runner import sysfs
from ortbench.runner.cpus import allowed_cpus, cpu_quota
from ortbench.runner.energy import obstacle
from ortbench.runner.fitness import MachineReading
from ortbench.runner.gpu import energy_uj, gpus
from ortbench.runner.memory import available_mib

_MIB = 1024**2


def read_machine() -> MachineReading:
    """Return everything that `assess` looks at."""
    return MachineReading(
        allowed_cpus=tuple(allowed_cpus()),
        logical_cpus=os.cpu_count() or 1,
        physical_cores=psutil.cpu_count(logical=False),
        smt=sysfs.smt_active(),
        quota_cpus=cpu_quota(),
        governor=sysfs.governor(),
        turbo=sysfs.turbo(),
        transparent_huge_pages=sysfs.transparent_huge_pages(),
        numa_nodes=sysfs.numa_nodes(),
        virtualisation=sysfs.virtualisation(),
        available_mib=available_mib(),
        total_mib=psutil.virtual_memory().total / _MIB,
        swap_used_mib=psutil.swap_memory().used / _MIB,
        load=sysfs.load_average(),
        gpus=tuple(gpus()),
        energy_obstacle=obstacle(),
        gpu_energy=energy_uj() is not None,
    )
