"""The machine's roofs: peak arithmetic and memory bandwidth, measured in a worker with the study's threads and CPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ortbench.results.roofline import Peaks

_SIZE = 2048
# Far beyond any cache, for all threads together.
_ARRAY_BYTES = 128 << 20
_REPETITIONS = 8


def measure_peaks(threads: int) -> Peaks:
    """Return both roofs; about two seconds. The BLAS library's threads are the environment's, set before it loaded."""
    return Peaks(threads=threads, gflop_per_s=_gflop_per_s(), gbyte_per_s=_gbyte_per_s(threads))


def _gflop_per_s() -> float:
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))
    product = np.empty_like(left)
    seconds = _best(lambda: np.matmul(left, right, out=product))
    return 2 * _SIZE**3 / seconds / 1e9


def _gbyte_per_s(threads: int) -> float:
    """Sum two arrays into a third, each thread its own part: numpy itself uses one thread and lets others run."""
    length = _ARRAY_BYTES // 4 // threads
    parts = [tuple(np.ones(length, dtype=np.float32) for _ in range(3)) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:

        def add_all() -> None:
            for _ in pool.map(lambda part: np.add(part[0], part[1], out=part[2]), parts):
                pass

        seconds = _best(add_all)
    return 3 * 4 * length * threads / seconds / 1e9


def _best(action: Callable[[], object]) -> float:
    """Return the shortest of several times in s: a roof is what was reached once."""
    times = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)
