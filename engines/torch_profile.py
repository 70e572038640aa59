"""PyTorch's profile: the torch profiler around a few calls, and its events read."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ortbench.engines.base import OperatorTime
from ortbench.engines.profiling import Span, median_call

_CALL = "ortbench call"
_WARM_UP_CALLS = 2
_FORWARD = "forward"
_UNSEEN = "prim::mkldnn_"


def profile_calls(call: Callable[[], None], calls: int, *, cuda: bool) -> tuple[OperatorTime, ...]:
    """Run `call` so many times under the torch profiler.

    Args:
        call: runs the bound batch and waits for it.
        calls: how many of them count.
        cuda: time on the GPU, by the operator that started it, instead of time on the CPU.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with warnings.catch_warnings():
        # The profiler warns of what it will change in later versions.
        warnings.simplefilter("ignore")
        with profile(activities=activities) as profiler:
            for _ in range(_WARM_UP_CALLS + calls):
                with record_function(_CALL):
                    call()
        events = [event for event in profiler.events() if event.device_type.name == "CPU"]
    return read_events(events, calls, cuda=cuda)


def read_events(events: Iterable[Any], calls: int, *, cuda: bool) -> tuple[OperatorTime, ...]:
    """Return what each operator takes in one of the last `calls` calls.

    Args:
        events: as `torch.autograd.profiler_util.FunctionEvent`: `name`, `thread`, `time_range` in µs, and times
            without what was called inside, `self_cpu_time_total` and `self_device_time_total` in µs.
        calls: how many of the calls count, from the end.
        cuda: take the time on the device; operators that start nothing there are left out.
    """
    events = list(events)
    whole = sorted((_span(event, 0.0) for event in events if event.name == _CALL), key=lambda span: span.start_us)
    threads = {event.thread for event in events if event.name == _CALL}
    own = (
        _span(event, event.self_device_time_total if cuda else event.self_cpu_time_total)
        for event in events
        if event.name != _CALL and event.thread in threads
    )
    return median_call(whole[-calls:], (span for span in own if span.own_us > 0 or not cuda))


def _span(event: Any, own_us: float) -> Span:
    start, end = event.time_range.start, event.time_range.end
    return Span(str(event.name), start, end - start, max(0.0, own_us))


def name_unseen(operators: Iterable[OperatorTime], kinds: Iterable[str]) -> tuple[OperatorTime, ...]:
    """Say what TorchScript's event `forward` hides: MKL-DNN operators of the frozen graph have no event of their own.

    Args:
        operators: as profiled.
        kinds: of the graph's nodes, e.g. `prim::mkldnn_convolution`.
    """
    unseen = Counter(kind for kind in kinds if kind.startswith(_UNSEEN))
    name = f"{_FORWARD} ({', '.join(unseen)})"
    return tuple(
        msgspec.structs.replace(operator, operator=name, count=unseen.total())
        if unseen and operator.operator == _FORWARD
        else operator
        for operator in operators
    )
