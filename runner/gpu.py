"""NVIDIA GPUs as the driver's management library (NVML) shows them; nothing where there is none. Never raises."""

from __future__ import annotations

import ctypes
import functools
import os
import time
from typing import Any

import msgspec

# nvml.h, nvmlClocksEventReasons.
_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
_HELD_DOWN = {
    "sw_power_cap",
    "hw_slowdown",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
}
# The second is the name before the drivers of 2023.
_REASON_QUERIES = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
_PROCESS_QUERIES = tuple(f"nvmlDeviceGetComputeRunningProcesses{version}" for version in ("_v3", "_v2", ""))
_SUCCESS, _INSUFFICIENT_SIZE = 0, 7
_SM_CLOCK = 1
_DIE_TEMPERATURE = 0
_NAME_LENGTH = 96
_MIB = 1024**2
# nvml.h, NVML_VALUE_NOT_AVAILABLE.
_UNKNOWN_BYTES = 2**64 - 1
# Processes that start between two questions need room too.
_SPARE_PLACES = 16
_LOOK_S = 0.001


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU: what it is, and how fast its multiprocessors (SM) may and do run; None where the driver does not tell.

    Attributes:
        index: NVML's, which CUDA_VISIBLE_DEVICES does not change.
        clock_limits: why the clock is not at its highest at this moment, harmless reasons included.
        compute_processes: how many processes hold a compute context on it, this one included.
    """

    index: int = 0
    name: str
    driver: str
    memory_mib: int | None = None
    sm_clock_mhz: int | None
    max_sm_clock_mhz: int | None
    temperature_c: int | None = None
    clock_limits: tuple[str, ...] | None = ()
    compute_processes: int | None = None


class _Memory(ctypes.Structure):
    """NVML's nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Process(ctypes.Structure):
    """NVML's nvmlProcessInfo_v2_t, which the third version of the query fills too; bytes of memory."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


def decode_clock_limits(mask: int) -> tuple[str, ...]:
    """Return the names of the reasons in NVML's bit mask, lowest bit first; unknown bits are passed over."""
    return tuple(name for bit, name in _REASONS.items() if mask & bit)


def limiting(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that hold the clock down against the workload's will: power, heat, a hardware brake."""
    return tuple(reason for reason in reasons if reason in _HELD_DOWN)


def gpus() -> list[Gpu]:
    """Return every GPU."""
    library = _library()
    return [] if library is None else [_gpu(library, index, handle) for index, handle in _handles(library).items()]


def clock_limits() -> tuple[str, ...]:
    """Return why the clocks of the GPUs are not at their highest now; cheap where there is none."""
    library = _library()
    if library is None:
        return ()
    return tuple(
        dict.fromkeys(reason for handle in _handles(library).values() for reason in _limits(library, handle) or ())
    )


def own_memory_mib(pid: int | None = None) -> float | None:
    """Return the GPU memory of a process, on all GPUs together.

    Args:
        pid: its number; None for this process's.

    Returns:
        None where the driver does not show the process: it has no context on a GPU, or it runs in a container whose
        process numbers are not the driver's.
    """
    library, wanted = _library(), os.getpid() if pid is None else pid
    processes = (
        [] if library is None else [p for handle in _handles(library).values() for p in _listed(library, handle)]
    )
    used = [process.used for process in processes if process.pid == wanted and process.used != _UNKNOWN_BYTES]
    return sum(used) / _MIB if used else None


def energy_uj() -> int | None:
    """Return what the GPU has used since the driver was loaded, in uJ; None without one, or with several.

    With several nothing says which of them an engine computes on.
    """
    library = _library()
    handles = [] if library is None else list(_handles(library).values())
    energy_mj = ctypes.c_ulonglong(0)
    if len(handles) != 1:
        return None
    told = _ask(library, "nvmlDeviceGetTotalEnergyConsumption", handles[0], ctypes.byref(energy_mj)) == _SUCCESS
    return energy_mj.value * 1000 if told else None


def energy_period_s(longest_s: float = 1.0) -> float | None:
    """Return the time between two movements of the energy counter, by watching it.

    Args:
        longest_s: how long to watch.

    Returns:
        None where it cannot be read, or does not move twice.
    """
    moved: list[float] = []
    before, began = energy_uj(), time.monotonic()
    while before is not None and len(moved) < 2 and time.monotonic() - began < longest_s:
        time.sleep(_LOOK_S)
        if (now := energy_uj()) != before:
            moved.append(time.monotonic())
            before = now
    return moved[1] - moved[0] if len(moved) == 2 else None


@functools.cache
def _library() -> Any | None:
    """Open NVML for as long as this process lives; None where it is missing or does not start."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return library if _ask(library, "nvmlInit_v2") == _SUCCESS else None


def _ask(library: Any, function: str, *arguments: Any) -> int | None:
    """Return what a function of the library returns; None where this driver has no such function."""
    call = getattr(library, function, None)
    return None if call is None else int(call(*arguments))


def _handles(library: Any) -> dict[int, ctypes.c_void_p]:
    handles = {}
    for index in range(_number(library, "nvmlDeviceGetCount_v2") or 0):
        handle = ctypes.c_void_p()
        if _ask(library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle)) == _SUCCESS:
            handles[index] = handle
    return handles


def _number(library: Any, function: str, *arguments: Any) -> int | None:
    number = ctypes.c_uint(0)
    return number.value if _ask(library, function, *arguments, ctypes.byref(number)) == _SUCCESS else None


def _text(library: Any, function: str, *arguments: Any) -> str:
    text = ctypes.create_string_buffer(_NAME_LENGTH)
    told = _ask(library, function, *arguments, text, ctypes.c_uint(_NAME_LENGTH)) == _SUCCESS
    return text.value.decode(errors="replace") if told else "unknown"


def _limits(library: Any, handle: ctypes.c_void_p) -> tuple[str, ...] | None:
    mask = ctypes.c_ulonglong(0)
    told = any(_ask(library, query, handle, ctypes.byref(mask)) == _SUCCESS for query in _REASON_QUERIES)
    return decode_clock_limits(mask.value) if told else None


def _memory_mib(library: Any, handle: ctypes.c_void_p) -> int | None:
    memory = _Memory()
    told = _ask(library, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory)) == _SUCCESS
    return round(memory.total / _MIB) if told else None


def _compute_processes(library: Any, handle: ctypes.c_void_p) -> int | None:
    """Ask with room for none: NVML then says how many there are, and that they do not fit."""
    count = ctypes.c_uint(0)
    answers = (_ask(library, query, handle, ctypes.byref(count), None) for query in _PROCESS_QUERIES)
    return count.value if any(answer in (_SUCCESS, _INSUFFICIENT_SIZE) for answer in answers) else None


def _listed(library: Any, handle: ctypes.c_void_p) -> list[_Process]:
    """Return the processes that compute on a GPU; none from drivers before the second version of the query."""
    room = (_compute_processes(library, handle) or 0) + _SPARE_PLACES
    for query in _PROCESS_QUERIES[:2]:
        count, processes = ctypes.c_uint(room), (_Process * room)()
        if _ask(library, query, handle, ctypes.byref(count), processes) == _SUCCESS:
            return list(processes[: count.value])
    return []


def _gpu(library: Any, index: int, handle: ctypes.c_void_p) -> Gpu:
    sm_clock = ctypes.c_uint(_SM_CLOCK)
    return Gpu(
        index=index,
        name=_text(library, "nvmlDeviceGetName", handle),
        driver=_text(library, "nvmlSystemGetDriverVersion"),
        memory_mib=_memory_mib(library, handle),
        sm_clock_mhz=_number(library, "nvmlDeviceGetClockInfo", handle, sm_clock),
        max_sm_clock_mhz=_number(library, "nvmlDeviceGetMaxClockInfo", handle, sm_clock),
        temperature_c=_number(library, "nvmlDeviceGetTemperature", handle, ctypes.c_uint(_DIE_TEMPERATURE)),
        clock_limits=_limits(library, handle),
        compute_processes=_compute_processes(library, handle),
    )
