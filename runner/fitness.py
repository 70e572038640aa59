"""Is this machine fit to measure on? One finding for each thing that disturbs or falsifies figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from ortbench.runner.energy import NOT_READABLE, READABLE_COMMAND
from ortbench.runner.gpu import Gpu, limiting

State = Literal["good", "poor", "unknown"]
_ALLOCATORS = ("tcmalloc", "jemalloc", "mimalloc")
_SPIN_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_LITTLE_MEMORY_SHARE = 0.2
_FOREIGN_LOAD_SHARE = 0.1


class MachineReading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of the machine; None where the system does not tell.

    Attributes:
        quota_cpus: the cgroup's, None where there is none.
        virtualisation: `none` where the system shows itself to be the bare machine.
        load: threads that wanted a CPU over the last minute.
        gpus: empty where there is none.
        energy_obstacle: why the processor's energy cannot be read; None where it can.
        gpu_energy: whether the GPU's can be read.
    """

    allowed_cpus: tuple[int, ...]
    logical_cpus: int
    physical_cores: int | None
    smt: bool | None
    quota_cpus: float | None
    governor: str | None
    turbo: bool | None
    transparent_huge_pages: str | None
    numa_nodes: int | None
    virtualisation: str | None
    available_mib: float
    total_mib: float
    swap_used_mib: float
    load: float | None
    gpus: tuple[Gpu, ...] = ()
    energy_obstacle: str | None = None
    gpu_energy: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name, value: what, and how it is here.
        advice: what it does to measurements; None where there is nothing to know.
        command: what mends it or, where nothing can, helps most; None where no command does.
    """

    name: str
    value: str
    state: State = "good"
    advice: str | None = None
    command: str | None = None


def assess(reading: MachineReading, environment: Mapping[str, str]) -> list[Finding]:
    """Return the findings, in a fixed order."""
    return [
        _cores(reading),
        _smt(reading),
        _quota(reading),
        _governor(reading),
        _turbo(reading),
        _huge_pages(reading),
        _allocator(environment),
        _numa(reading),
        _gpu(reading),
        _spinning(environment),
        _memory(reading),
        _swap(reading),
        _load(reading),
        _virtualisation(reading),
        _energy(reading),
    ]


def _poor(name: str, value: str, advice: str, command: str | None) -> Finding:
    return Finding(name=name, value=value, state="poor", advice=advice, command=command)


def _untold(name: str, value: str = "the system does not tell") -> Finding:
    return Finding(name=name, value=value, state="unknown")


def _cores(reading: MachineReading) -> Finding:
    allowed = len(reading.allowed_cpus)
    cores = "" if reading.physical_cores is None else f", {reading.physical_cores} physical cores"
    value = f"{allowed} of {reading.logical_cpus} CPUs{cores}"
    if allowed > 1:
        return Finding(name="cores", value=value)
    advice = "With one CPU everything else that runs takes time from what is measured."
    command = f"taskset -c 0-{reading.logical_cpus - 1} ortbench compare" if reading.logical_cpus > 1 else None
    return _poor("cores", value, advice, command)


def _smt(reading: MachineReading) -> Finding:
    if reading.smt is None:
        return _untold("SMT")
    if not reading.smt:
        return Finding(name="SMT", value="off")
    advice = "Two hardware threads share a core, so a neighbour on the other one halves its speed."
    return _poor("SMT", "on", advice, "echo off | sudo tee /sys/devices/system/cpu/smt/control")


def _quota(reading: MachineReading) -> Finding:
    if reading.quota_cpus is None:
        return Finding(name="quota", value="none")
    value = f"{reading.quota_cpus:g} CPUs"
    if reading.quota_cpus >= len(reading.allowed_cpus):
        return Finding(name="quota", value=value)
    advice = "The cgroup's quota stops engines in the middle of a call once it is used up"
    whole = reading.allowed_cpus[: int(reading.quota_cpus)]
    if not whole:
        return _poor("quota", value, f"{advice}; less than one CPU is too little to measure on.", None)
    command = f"taskset -c {','.join(map(str, whole))} ortbench compare"
    return _poor("quota", value, f"{advice}; on no more CPUs than it covers they cannot use it up.", command)


def _governor(reading: MachineReading) -> Finding:
    if reading.governor is None:
        return _untold("governor")
    if reading.governor == "performance":
        return Finding(name="governor", value=reading.governor)
    advice = "The clock follows the load, so an engine that was idle starts slow."
    return _poor("governor", reading.governor, advice, "sudo cpupower frequency-set --governor performance")


def _turbo(reading: MachineReading) -> Finding:
    if reading.turbo is None:
        return _untold("turbo")
    if not reading.turbo:
        return Finding(name="turbo", value="off")
    advice = "The clock depends on heat and on how many cores are busy; pairing helps, a fixed clock helps more."
    command = (
        "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo "
        "|| echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
    )
    return _poor("turbo", "on", advice, command)


def _huge_pages(reading: MachineReading) -> Finding:
    mode = reading.transparent_huge_pages
    if mode is None:
        return _untold("huge pages")
    if mode != "never":
        return Finding(name="huge pages", value=mode)
    advice = "Large tensors live in small pages, which costs every engine, though not all alike."
    return _poor("huge pages", mode, advice, "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled")


def _allocator(environment: Mapping[str, str]) -> Finding:
    preloaded = environment.get("LD_PRELOAD", "")
    for name in _ALLOCATORS:
        if name in preloaded:
            return Finding(name="allocator", value=name)
    if preloaded:
        return _untold("allocator", f"not known: LD_PRELOAD={preloaded}")
    return Finding(
        name="allocator",
        value="the system's",
        advice="Eager PyTorch can be much faster with tcmalloc, and ONNX Runtime hardly: say which one was used.",
        command="sudo apt install libtcmalloc-minimal4 && export LD_PRELOAD=libtcmalloc_minimal.so.4",
    )


def _numa(reading: MachineReading) -> Finding:
    if reading.numa_nodes is None:
        return _untold("NUMA")
    if reading.numa_nodes == 1:
        return Finding(name="NUMA", value="1 node")
    advice = "Memory of another node is slower, and which one a process gets is chance."
    command = "numactl --cpunodebind=0 --membind=0 ortbench compare"
    return _poor("NUMA", f"{reading.numa_nodes} nodes", advice, command)


def _gpu(reading: MachineReading) -> Finding:
    if not reading.gpus:
        return Finding(name="GPU", value="none")
    value = "; ".join(map(_gpu_line, reading.gpus))
    if held := [gpu for gpu in reading.gpus if limiting(gpu.clock_limits or ())]:
        reasons = dict.fromkeys(reason for gpu in held for reason in limiting(gpu.clock_limits or ()))
        return _poor("GPU", value, f"Its clock is held down: {', '.join(reasons)}.", _fixed_clock(held[0]))
    if any(gpu.compute_processes for gpu in reading.gpus):
        advice = "Other programs compute on it and take time from what is measured."
        return _poor("GPU", value, advice, "nvidia-smi --query-compute-apps=gpu_uuid,pid,name --format=csv")
    if any(gpu.clock_limits is None for gpu in reading.gpus):
        return _untold("GPU", f"{value}; the driver does not tell what holds the clock down")
    return Finding(name="GPU", value=value)


def _gpu_line(gpu: Gpu) -> str:
    clocks = [clock for clock in (gpu.sm_clock_mhz, gpu.max_sm_clock_mhz) if clock is not None]
    shown = f"{clocks[0]} of {clocks[1]} MHz" if len(clocks) == 2 else "clocks unknown"
    return f"{gpu.name}, {shown}, driver {gpu.driver}"


def _fixed_clock(gpu: Gpu) -> str:
    """Name the command that fixes the clock where it is now: lower than it could be, but the same for every round."""
    if gpu.sm_clock_mhz is None:
        return "nvidia-smi --query-gpu=temperature.gpu,power.draw,clocks_event_reasons.active --format=csv"
    return f"sudo nvidia-smi --id={gpu.index} --lock-gpu-clocks={gpu.sm_clock_mhz}"


def _spinning(environment: Mapping[str, str]) -> Finding:
    present = [name for name in _SPIN_VARIABLES if name in environment]
    if not present:
        return Finding(name="spinning", value="as the libraries choose; parked engines are stopped")
    value = ", ".join(f"{name}={environment[name]}" for name in present)
    advice = "This changes how threads wait for work, for the engines that read it and not for the others."
    return _poor("spinning", value, advice, f"unset {' '.join(present)}")


def _memory(reading: MachineReading) -> Finding:
    value = f"{reading.available_mib / 1024:.1f} of {reading.total_mib / 1024:.1f} GiB available"
    if reading.available_mib >= _LITTLE_MEMORY_SHARE * reading.total_mib:
        return Finding(name="memory", value=value)
    advice = "All engines of a cell stay in memory at once; large batches may not fit."
    return _poor("memory", value, advice, "ps aux --sort=-rss | head")


def _swap(reading: MachineReading) -> Finding:
    value = f"{reading.swap_used_mib:.0f} MiB used"
    if reading.swap_used_mib < 1:
        return Finding(name="swap", value=value)
    advice = "What was swapped out is read back from the disk in the middle of a call."
    return _poor("swap", value, advice, "sudo swapoff -a")


def _load(reading: MachineReading) -> Finding:
    if reading.load is None:
        return _untold("load")
    value = f"{reading.load:.2f} over the last minute"
    if reading.load <= _FOREIGN_LOAD_SHARE * reading.logical_cpus:
        return Finding(name="load", value=value)
    advice = "Other programs are computing; rounds that they disturb are repeated, which takes time."
    return _poor("load", value, advice, "top -o %CPU")


def _virtualisation(reading: MachineReading) -> Finding:
    if reading.virtualisation is None:
        return _untold("virtualisation")
    if reading.virtualisation == "none":
        return Finding(name="virtualisation", value="none")
    advice = "Neighbours share caches, memory and clock, and no counter shows it; only more launches help."
    return _poor("virtualisation", reading.virtualisation, advice, "ortbench compare --max-time 20m")


def _energy(reading: MachineReading) -> Finding:
    """No energy counter spoils no figure: the column stays empty."""
    gpu = "GPU (NVML)" if reading.gpu_energy else None
    if reading.energy_obstacle is None:
        return Finding(name="energy", value=" and ".join(filter(None, ("processor (RAPL)", gpu))))
    advice = "Energy per item stays empty for engines on the processor."
    value = ", ".join(filter(None, (gpu, f"not the processor's: {reading.energy_obstacle}")))
    if reading.energy_obstacle == NOT_READABLE:
        advice += f" To let everybody read it: {READABLE_COMMAND}"
    return Finding(name="energy", value=value, state="unknown", advice=advice)
