"""Inside a worker: the machine's roofs, peak arithmetic and memory bandwidth, on this process's CPUs.

A roof is what was reached at best, by the best of several ways, as one library may be held back on one processor. All
instances begin each repetition together and do the same work in it, so that each is measured while the others are at
the same.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ortbench.runner import job_messages
from ortbench.runner.meeting import Meeting
from ortbench.runner.usage import usage

_Matrix = NDArray[np.float32]

# Many, as one of them shall find a quiet moment. A short product is done several times in one, so that beginning
# together is no part of it; how often may not depend on the time that it takes, or instances would differ in work.
_REPETITIONS = 8
_REPETITION_FLOP_PER_THREAD = 5e8
_ITEM_BYTES = 4
# More threads need larger matrices to be busy all the time.
_SIDES = ((4, 512), (64, 1024))
_LARGEST_SIDE = 2048


def measure_peaks(request: job_messages.MeasurePeaks) -> job_messages.PeaksMeasured:
    """Measure both; two to three seconds. The BLAS library's threads are the environment's, set before it loaded."""
    meeting = Meeting(request.meeting) if request.meeting else None
    before = usage()
    # Memory first: the libraries' threads spin for a while after a product.
    streams = dict(_streams(request.threads, request.array_bytes, meeting))
    products = {}
    for side in sides(request.threads):
        left, right = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
        for name, multiply in _products(left, right, request.threads):
            times = math.ceil(_REPETITION_FLOP_PER_THREAD * request.threads / (2 * side**3))
            seconds = _repetitions_s(_several(multiply, times), meeting)
            products[f"{name}, {side} x {side}"] = tuple(times * 2 * side**3 / each / 1e9 for each in seconds)
    after = usage()
    return job_messages.PeaksMeasured(
        gflop_per_s=products,
        gbyte_per_s=streams,
        cpu_s=(after.cpu_ns - before.cpu_ns) / 1e9,
        major_faults=after.major_faults - before.major_faults,
    )


def sides(threads: int) -> tuple[int, int]:
    """Return the sides of the square matrices to try: one that caches hold, and one of four times as many numbers."""
    side = next((side for limit, side in _SIDES if threads < limit), _LARGEST_SIDE)
    return side, 2 * side


def _products(left: _Matrix, right: _Matrix, threads: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each library that is here with its product of two matrices."""
    product = np.empty_like(left)
    yield "numpy", lambda: np.matmul(left, right, out=product)
    with contextlib.suppress(ImportError):
        yield "onnxruntime", _onnxruntime_product(left, right, threads)


def _onnxruntime_product(left: _Matrix, right: _Matrix, threads: int) -> Callable[[], object]:
    """Return a product with fixed weights, which ONNX Runtime lays out for its kernels beforehand, as in a model."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    shape = list(left.shape)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(right, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(left))
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(np.empty_like(left)))
    return lambda: session.run_with_iobinding(binding)


def _streams(threads: int, array_bytes: int, meeting: Meeting | None) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield GB/s of copying and of adding, as in STREAM: bytes read and written, each array once.

    Each thread has its own part: numpy itself uses one thread, and lets others run meanwhile. Source: McCalpin, Memory
    bandwidth and machine balance in current high performance computers, IEEE TCCA newsletter, 1995.
    """
    length = max(1, array_bytes // _ITEM_BYTES // threads)
    # Handing work to many threads takes a moment, in which the first have begun.
    times = 1 + threads // 16
    kernels: dict[str, tuple[int, Callable[[list[_Matrix]], object]]] = {
        "copy": (2, lambda part: np.copyto(part[2], part[0])),
        "add": (3, lambda part: np.add(part[0], part[1], out=part[2])),
    }
    with contextlib.ExitStack() as stack:
        hands = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(threads)]
        # Memory belongs to the node of the thread that first writes to it, which is the one that works on it.
        parts = [made.result() for made in [hand.submit(_three_arrays, length) for hand in hands]]
        for name, (arrays, kernel) in kernels.items():
            works = [_several(functools.partial(kernel, part), times) for part in parts]
            seconds = _repetitions_s(functools.partial(_all_at_once, hands, works), meeting)
            moved = arrays * _ITEM_BYTES * length * threads * times
            yield name, tuple(moved / each / 1e9 for each in seconds)


def _three_arrays(length: int) -> list[_Matrix]:
    return [np.ones(length, dtype=np.float32) for _ in range(3)]


def _several(action: Callable[[], object], times: int) -> Callable[[], object]:
    def repeated() -> None:
        for _ in range(times):
            action()

    return repeated


def _all_at_once(hands: Sequence[ThreadPoolExecutor], works: Sequence[Callable[[], object]]) -> None:
    for begun in [hand.submit(work) for hand, work in zip(hands, works, strict=True)]:
        begun.result()


def _repetitions_s(action: Callable[[], object], meeting: Meeting | None) -> list[float]:
    """Return how long each repetition took; all instances begin each of them together."""
    action()
    times = []
    for _ in range(_REPETITIONS):
        if meeting is not None:
            meeting.wait()
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return times
