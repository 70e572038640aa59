from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner import gpu

# From the lowest bit of NVML's mask to the highest that is known.
REASONS = (
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clock_setting",
)
NOT_SUPPORTED = 3
INSUFFICIENT_SIZE = 7


class FakeNvml:
    """A fake of the driver's library: GPUs of which the first is too hot, with the functions of a given driver."""

    def __init__(self, masks: tuple[int, ...] = (0x41,), *, lacks: tuple[str, ...] = (), starts: bool = True) -> None:
        self.masks = masks
        self.lacks = lacks
        self.starts = starts
        self.calls: list[str] = []

    # Number of the process, bytes.
    processes = ((7, 3 * 1024**2), (8, 2**64 - 1))

    def __getattr__(self, name: str) -> Any:
        if name in self.lacks or not hasattr(type(self), f"_{name}"):
            raise AttributeError(name)
        self.calls.append(name)
        return getattr(self, f"_{name}")

    def _nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's name
        return 0 if self.starts else NOT_SUPPORTED

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802 - NVML's name
        count._obj.value = len(self.masks)
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:  # noqa: N802 - NVML's name
        handle._obj.value = index.value + 100
        return 0

    def _nvmlDeviceGetCurrentClocksEventReasons(self, handle: Any, mask: Any) -> int:  # noqa: N802 - NVML's name
        mask._obj.value = self.masks[handle.value - 100]
        return 0

    _nvmlDeviceGetCurrentClocksThrottleReasons = _nvmlDeviceGetCurrentClocksEventReasons  # noqa: N815 - NVML's name

    def _nvmlDeviceGetName(self, handle: Any, name: Any, length: Any) -> int:  # noqa: N802 - NVML's name
        assert length.value == ctypes.sizeof(name)
        name.value = f"Fake GPU {handle.value - 100}".encode()
        return 0

    def _nvmlSystemGetDriverVersion(self, version: Any, length: Any) -> int:  # noqa: N802 - NVML's name
        assert length.value == ctypes.sizeof(version)
        version.value = b"999.1"
        return 0

    def _nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802 - NVML's name
        assert handle.value >= 100
        memory._obj.total, memory._obj.free, memory._obj.used = 80 * 1024**3, 1, 2
        return 0

    def _nvmlDeviceGetClockInfo(self, handle: Any, kind: Any, clock: Any) -> int:  # noqa: N802 - NVML's name
        assert handle.value >= 100
        clock._obj.value = {1: 1200}[kind.value]
        return 0

    def _nvmlDeviceGetMaxClockInfo(self, handle: Any, kind: Any, clock: Any) -> int:  # noqa: N802 - NVML's name
        assert handle.value >= 100
        clock._obj.value = {1: 1980}[kind.value]
        return 0

    def _nvmlDeviceGetTemperature(self, handle: Any, sensor: Any, temperature: Any) -> int:  # noqa: N802 - NVML's name
        assert handle.value >= 100
        temperature._obj.value = {0: 91}[sensor.value]
        return 0

    def _nvmlDeviceGetComputeRunningProcesses_v3(  # noqa: N802 - NVML's name
        self, handle: Any, count: Any, room: Any
    ) -> int:
        assert handle.value >= 100
        if count._obj.value < 2:
            assert room is None
            count._obj.value = 2
            return INSUFFICIENT_SIZE
        count._obj.value = 2
        for place, (pid, used) in enumerate(self.processes):
            room[place].pid, room[place].used = pid, used
        return 0

    _nvmlDeviceGetComputeRunningProcesses_v2 = _nvmlDeviceGetComputeRunningProcesses_v3  # noqa: N815 - NVML's name
    _nvmlDeviceGetComputeRunningProcesses = _nvmlDeviceGetComputeRunningProcesses_v3  # noqa: N815 - NVML's name

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> int:  # noqa: N802 - NVML's name
        assert handle.value >= 100
        energy._obj.value = 5_000_000_123
        return 0


HOT = gpu.Gpu(
    index=0,
    name="Fake GPU 0",
    driver="999.1",
    memory_mib=81920,
    sm_clock_mhz=1200,
    max_sm_clock_mhz=1980,
    temperature_c=91,
    clock_limits=("gpu_idle", "hw_thermal_slowdown"),
    compute_processes=2,
)


@pytest.fixture(autouse=True)
def _forget_the_library() -> Iterator[None]:
    gpu._library.cache_clear()
    yield
    gpu._library.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, library: Any) -> list[str]:
    """Have a library found where the driver's would be; return the names under which it was looked for."""
    opened: list[str] = []

    def find(name: str) -> Any:
        opened.append(name)
        if library is None:
            raise OSError(name)
        return library

    monkeypatch.setattr(ctypes, "CDLL", find)
    return opened


def test_without_a_library_there_is_no_gpu_and_it_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = install(monkeypatch, None)
    assert (gpu.gpus(), gpu.clock_limits(), gpu.clock_limits()) == ([], (), ())
    assert opened == ["libnvidia-ml.so.1"]


@pytest.mark.parametrize("library", [FakeNvml(starts=False), FakeNvml(lacks=("nvmlInit_v2",)), FakeNvml(masks=())])
def test_a_driver_that_does_not_start_or_has_no_gpu_shows_none(
    monkeypatch: pytest.MonkeyPatch, library: FakeNvml
) -> None:
    install(monkeypatch, library)
    assert (gpu.gpus(), gpu.clock_limits()) == ([], ())


def test_a_gpu_is_read_with_its_clocks_and_what_holds_them_down(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml())
    assert gpu.gpus() == [HOT]


def test_the_limits_of_all_gpus_are_named_once_and_the_library_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeNvml(masks=(0x41, 0, 0x44))
    install(monkeypatch, library)
    assert [gpu.clock_limits() for _ in range(2)] == [("gpu_idle", "hw_thermal_slowdown", "sw_power_cap")] * 2
    assert library.calls.count("nvmlInit_v2") == 1
    assert [found.index for found in gpu.gpus()] == [0, 1, 2]


def test_older_drivers_are_asked_by_their_older_names(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetComputeRunningProcesses_v3")
    install(monkeypatch, FakeNvml(lacks=newer))
    assert gpu.gpus() == [HOT]


def test_what_a_driver_does_not_tell_is_unknown_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    has = ("nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2")
    everything = tuple(name.removeprefix("_") for name in vars(FakeNvml) if name.startswith("_nvml"))
    install(monkeypatch, FakeNvml(lacks=tuple(set(everything) - set(has))))
    assert gpu.gpus() == [
        gpu.Gpu(
            name="unknown",
            driver="unknown",
            memory_mib=None,
            sm_clock_mhz=None,
            max_sm_clock_mhz=None,
            temperature_c=None,
            clock_limits=None,
            compute_processes=None,
        )
    ]
    assert gpu.clock_limits() == ()


@pytest.mark.parametrize("lacks", [(), ("nvmlDeviceGetComputeRunningProcesses_v3",)])
def test_a_process_is_found_with_its_memory_on_all_gpus(
    monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...]
) -> None:
    install(monkeypatch, FakeNvml(masks=(0, 0), lacks=lacks))
    assert gpu.own_memory_mib(7) == 2 * 3


def test_a_process_that_the_driver_does_not_show_or_not_measure_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml())
    assert (gpu.own_memory_mib(8), gpu.own_memory_mib(9), gpu.own_memory_mib()) == (None, None, None)
    gpu._library.cache_clear()
    install(monkeypatch, FakeNvml(lacks=tuple(f"nvmlDeviceGetComputeRunningProcesses{end}" for end in ("_v3", "_v2"))))
    assert gpu.own_memory_mib(7) is None
    gpu._library.cache_clear()
    install(monkeypatch, None)
    assert gpu.own_memory_mib(7) is None


def test_energy_is_read_in_microjoules_where_there_is_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml())
    assert gpu.energy_uj() == 5_000_000_123_000
    for library in (FakeNvml(masks=(0, 0)), FakeNvml(lacks=("nvmlDeviceGetTotalEnergyConsumption",)), None):
        gpu._library.cache_clear()
        install(monkeypatch, library)
        assert gpu.energy_uj() is None


def test_a_gpu_that_refuses_its_handle_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml(lacks=("nvmlDeviceGetHandleByIndex_v2",)))
    assert gpu.gpus() == []


def test_an_error_of_the_driver_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeNvml()
    monkeypatch.setattr(library, "nvmlDeviceGetClockInfo", lambda *_: NOT_SUPPORTED, raising=False)
    install(monkeypatch, library)
    [found] = gpu.gpus()
    assert (found.sm_clock_mhz, found.max_sm_clock_mhz) == (None, 1980)


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_the_mask_has_its_name_or_none(bit: int) -> None:
    assert gpu.decode_clock_limits(1 << bit) == REASONS[bit : bit + 1]


@given(st.integers(0, 2**64 - 1))
def test_a_mask_is_the_sum_of_its_bits(mask: int) -> None:
    assert gpu.decode_clock_limits(mask) == tuple(name for bit, name in enumerate(REASONS) if mask >> bit & 1)


@given(st.lists(st.sampled_from(REASONS), unique=True))
def test_power_heat_and_brakes_hold_a_clock_down_and_nothing_else_does(reasons: list[str]) -> None:
    harmless = {"gpu_idle", "applications_clocks_setting", "sync_boost", "display_clock_setting"}
    assert gpu.limiting(tuple(reasons)) == tuple(reason for reason in reasons if reason not in harmless)
