"""Is there an NVIDIA GPU? Asked of the driver itself, so that no heavy library is imported for a plain no."""

from __future__ import annotations

import ctypes

GPU_REMEDY = "a machine with an NVIDIA GPU and its driver"


def missing_gpu_reason() -> str | None:
    """Say why no CUDA device can be used, or return None where the driver shows at least one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver here (libcuda.so.1 is missing)"
    status = int(driver.cuInit(0))
    if status != 0:
        return f"the NVIDIA driver does not start (cuInit returned {status})"
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    return None if count.value else "the NVIDIA driver shows no GPU"


_MAJOR, _MINOR = 75, 76  # CUdevice_attribute in cuda.h


def compute_capability() -> tuple[int, int] | None:
    """Return the first GPU's compute capability, e.g. (8, 0); None where the driver shows no GPU."""
    if missing_gpu_reason():
        return None
    driver, value = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        if driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0) != 0:
            return None
        numbers.append(value.value)
    return numbers[0], numbers[1]
