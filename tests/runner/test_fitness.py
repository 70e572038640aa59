from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.energy import NOT_READABLE, READABLE_COMMAND
from ortbench.runner.fitness import Finding, MachineReading, assess
from ortbench.runner.gpu import Gpu

GOOD = MachineReading(
    allowed_cpus=(0, 1, 2, 3),
    logical_cpus=4,
    physical_cores=4,
    smt=False,
    quota_cpus=None,
    governor="performance",
    turbo=False,
    transparent_huge_pages="madvise",
    numa_nodes=1,
    virtualisation="none",
    available_mib=8192,
    total_mib=16384,
    swap_used_mib=0,
    load=0.1,
)
GPU = Gpu(name="G", driver="1", sm_clock_mhz=900, max_sm_clock_mhz=1980, clock_limits=("gpu_idle",))
HOT = msgspec.structs.replace(GPU, index=3, clock_limits=("gpu_idle", "hw_thermal_slowdown"))
BUSY = msgspec.structs.replace(GPU, compute_processes=1)
NAMES = [
    *("cores", "SMT", "quota", "governor", "turbo", "huge pages", "allocator"),
    *("NUMA", "GPU", "spinning", "memory", "swap", "load", "virtualisation", "energy"),
]


def finding(name: str, environment: dict[str, str] | None = None, **changes: Any) -> Finding:
    findings = assess(msgspec.structs.replace(GOOD, **changes), environment or {})
    [found] = [finding for finding in findings if finding.name == name]
    return found


def test_a_good_machine_has_nothing_to_mend() -> None:
    assert [(finding.name, finding.value, finding.state) for finding in assess(GOOD, {})] == [
        ("cores", "4 of 4 CPUs, 4 physical cores", "good"),
        ("SMT", "off", "good"),
        ("quota", "none", "good"),
        ("governor", "performance", "good"),
        ("turbo", "off", "good"),
        ("huge pages", "madvise", "good"),
        ("allocator", "the system's", "good"),
        ("NUMA", "1 node", "good"),
        ("GPU", "none", "good"),
        ("spinning", "as the libraries choose; parked engines are stopped", "good"),
        ("memory", "8.0 of 16.0 GiB available", "good"),
        ("swap", "0 MiB used", "good"),
        ("load", "0.10 over the last minute", "good"),
        ("virtualisation", "none", "good"),
        ("energy", "processor (RAPL)", "good"),
    ]


@pytest.mark.parametrize(
    ("name", "changes", "value", "command"),
    [
        ("cores", {"allowed_cpus": (3,)}, "1 of 4 CPUs, 4 physical cores", "taskset -c 0-3 ortbench compare"),
        ("SMT", {"smt": True}, "on", "echo off | sudo tee /sys/devices/system/cpu/smt/control"),
        (
            "quota",
            {"quota_cpus": 2.5, "allowed_cpus": (2, 5, 7)},
            "2.5 CPUs",
            "taskset -c 2,5 ortbench compare",
        ),
        ("governor", {"governor": "powersave"}, "powersave", "sudo cpupower frequency-set --governor performance"),
        (
            "governor",
            {"governor": "performance powersave"},
            "performance powersave",
            "sudo cpupower frequency-set --governor performance",
        ),
        (
            "turbo",
            {"turbo": True},
            "on",
            "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo "
            "|| echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
        ),
        (
            "huge pages",
            {"transparent_huge_pages": "never"},
            "never",
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        ("NUMA", {"numa_nodes": 2}, "2 nodes", "numactl --cpunodebind=0 --membind=0 ortbench compare"),
        (
            "GPU",
            {"gpus": (GPU, HOT)},
            "G, 900 of 1980 MHz, driver 1; G, 900 of 1980 MHz, driver 1",
            "sudo nvidia-smi --id=3 --lock-gpu-clocks=900",
        ),
        (
            "GPU",
            {"gpus": (msgspec.structs.replace(HOT, sm_clock_mhz=None),)},
            "G, clocks unknown, driver 1",
            "nvidia-smi --query-gpu=temperature.gpu,power.draw,clocks_event_reasons.active --format=csv",
        ),
        (
            "GPU",
            {"gpus": (BUSY,)},
            "G, 900 of 1980 MHz, driver 1",
            "nvidia-smi --query-compute-apps=gpu_uuid,pid,name --format=csv",
        ),
        ("memory", {"available_mib": 1024}, "1.0 of 16.0 GiB available", "ps aux --sort=-rss | head"),
        ("swap", {"swap_used_mib": 300}, "300 MiB used", "sudo swapoff -a"),
        ("load", {"load": 2.5}, "2.50 over the last minute", "top -o %CPU"),
        (
            "virtualisation",
            {"virtualisation": "virtual machine (KVM)"},
            "virtual machine (KVM)",
            "ortbench compare --max-time 20m",
        ),
    ],
)
def test_what_is_poor_comes_with_advice_and_the_command_that_mends_it(
    name: str, changes: dict[str, Any], value: str, command: str
) -> None:
    found = finding(name, **changes)
    assert (found.state, found.value, found.command) == ("poor", value, command)
    assert found.advice is not None
    assert found.advice.endswith(".")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("SMT", "smt"),
        ("governor", "governor"),
        ("turbo", "turbo"),
        ("huge pages", "transparent_huge_pages"),
        ("NUMA", "numa_nodes"),
        ("load", "load"),
        ("virtualisation", "virtualisation"),
    ],
)
def test_what_the_system_does_not_tell_is_unknown_and_not_good(name: str, field: str) -> None:
    found = finding(name, **{field: None})
    assert found == Finding(name=name, value="the system does not tell", state="unknown")


@pytest.mark.parametrize(
    ("name", "changes", "good"),
    [
        ("cores", {"allowed_cpus": (0, 1)}, True),
        ("cores", {"physical_cores": None}, True),
        ("quota", {"quota_cpus": 4.0}, True),
        ("quota", {"quota_cpus": 3.9}, False),
        ("huge pages", {"transparent_huge_pages": "always"}, True),
        ("memory", {"available_mib": 0.2 * 16384}, True),
        ("memory", {"available_mib": 0.199 * 16384}, False),
        ("swap", {"swap_used_mib": 0.9}, True),
        ("swap", {"swap_used_mib": 1.0}, False),
        ("load", {"load": 0.4}, True),
        ("load", {"load": 0.41}, False),
        ("load", {"load": 0.41, "logical_cpus": 64}, True),
        ("GPU", {"gpus": (GPU,)}, True),
        ("GPU", {"gpus": (msgspec.structs.replace(GPU, compute_processes=0),)}, True),
    ],
)
def test_the_border_between_good_and_poor(name: str, changes: dict[str, Any], good: bool) -> None:
    assert finding(name, **changes).state == ("good" if good else "poor")


def test_too_small_a_machine_and_too_small_a_quota_have_no_command_that_mends_them() -> None:
    assert finding("cores", allowed_cpus=(0,), logical_cpus=1, physical_cores=None) == Finding(
        name="cores",
        value="1 of 1 CPUs",
        state="poor",
        advice="With one CPU everything else that runs takes time from what is measured.",
    )
    assert finding("quota", quota_cpus=0.5) == Finding(
        name="quota",
        value="0.5 CPUs",
        state="poor",
        advice="The cgroup's quota stops engines in the middle of a call once it is used up; "
        "less than one CPU is too little to measure on.",
    )


def test_a_gpu_whose_driver_does_not_tell_what_holds_it_down_is_unknown() -> None:
    assert finding("GPU", gpus=(msgspec.structs.replace(GPU, clock_limits=None),)) == Finding(
        name="GPU",
        value="G, 900 of 1980 MHz, driver 1; the driver does not tell what holds the clock down",
        state="unknown",
    )


def test_what_holds_a_gpus_clock_down_is_named_and_harmless_reasons_are_not() -> None:
    assert finding("GPU", gpus=(HOT, HOT)).advice == "Its clock is held down: hw_thermal_slowdown."


@pytest.mark.parametrize(
    ("environment", "value", "command"),
    [
        ({"OMP_WAIT_POLICY": "passive"}, "OMP_WAIT_POLICY=passive", "unset OMP_WAIT_POLICY"),
        (
            {"KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "infinite"},
            "GOMP_SPINCOUNT=infinite, KMP_BLOCKTIME=0",
            "unset GOMP_SPINCOUNT KMP_BLOCKTIME",
        ),
    ],
)
def test_spinning_that_was_changed_is_told_with_what_to_unset(
    environment: dict[str, str], value: str, command: str
) -> None:
    found = finding("spinning", environment)
    assert (found.state, found.value, found.command) == ("poor", value, command)


@pytest.mark.parametrize("name", ["tcmalloc", "jemalloc", "mimalloc"])
def test_an_allocator_that_is_preloaded_is_named(name: str) -> None:
    found = finding("allocator", {"LD_PRELOAD": f"/usr/lib/lib{name}.so.4"})
    assert found == Finding(name="allocator", value=name)


def test_the_systems_allocator_is_no_fault_but_comes_with_what_it_does_to_comparisons() -> None:
    assert finding("allocator") == Finding(
        name="allocator",
        value="the system's",
        advice="Eager PyTorch can be much faster with tcmalloc, and ONNX Runtime hardly: say which one was used.",
        command="sudo apt install libtcmalloc-minimal4 && export LD_PRELOAD=libtcmalloc_minimal.so.4",
    )


def test_whether_another_library_that_is_preloaded_allocates_is_unknown() -> None:
    assert finding("allocator", {"LD_PRELOAD": "libfoo.so"}) == Finding(
        name="allocator", value="not known: LD_PRELOAD=libfoo.so", state="unknown"
    )


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@given(
    st.builds(
        MachineReading,
        allowed_cpus=st.lists(st.integers(0, 7), min_size=1, unique=True).map(tuple),
        logical_cpus=st.just(8),
        physical_cores=optional(st.integers(1, 8)),
        smt=optional(st.booleans()),
        quota_cpus=optional(st.floats(0.01, 16)),
        governor=optional(st.sampled_from(["performance", "powersave"])),
        turbo=optional(st.booleans()),
        transparent_huge_pages=optional(st.sampled_from(["always", "madvise", "never"])),
        numa_nodes=optional(st.integers(1, 4)),
        virtualisation=optional(st.sampled_from(["none", "virtual machine (KVM)"])),
        available_mib=st.floats(0, 1000),
        total_mib=st.just(1000),
        swap_used_mib=st.floats(0, 1000),
        load=optional(st.floats(0, 64)),
        gpus=st.lists(st.sampled_from([GPU, HOT, BUSY])).map(tuple),
        energy_obstacle=optional(st.sampled_from([NOT_READABLE, "none here"])),
        gpu_energy=st.booleans(),
    ),
    st.dictionaries(st.sampled_from(["LD_PRELOAD", "OMP_WAIT_POLICY", "HOME"]), st.text()),
)
def test_any_machine_gets_every_finding_once_and_advice_on_what_is_poor(
    reading: MachineReading, environment: dict[str, str]
) -> None:
    findings = assess(reading, environment)
    assert [finding.name for finding in findings] == NAMES
    assert all(finding.advice for finding in findings if finding.state == "poor")
    assert not any(finding.command for finding in findings if finding.state == "unknown")


def test_energy_that_cannot_be_read_is_said_with_the_reason_and_what_mends_it() -> None:
    locked = finding("energy", energy_obstacle=NOT_READABLE, gpu_energy=True)
    assert locked.state == "unknown"
    assert (locked.advice or "").endswith(f"To let everybody read it: {READABLE_COMMAND}")
    assert locked.value == f"GPU (NVML), not the processor's: {NOT_READABLE}"
    missing = finding("energy", energy_obstacle="none here")
    assert (missing.value, missing.advice) == (
        "not the processor's: none here",
        "Energy per item stays empty for engines on the processor.",
    )
    assert finding("energy", gpu_energy=True).value == "processor (RAPL) and GPU (NVML)"
