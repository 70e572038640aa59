"""ONNX Runtime's profile: a session made for it, and its trace read.

The format of the trace is Chrome's; which events there are: onnxruntime/core/framework/sequential_executor.cc.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ortbench.engines.base import Arrays, LoadRequest, OperatorTime
from ortbench.engines.profiling import Span, mean_of, median_call, nested

if TYPE_CHECKING:
    from ortbench.engines.ort import OrtEngine
    from ortbench.engines.ort_sessions import OrtSessionsEngine

_CALL = "model_run"
_KERNEL_SUFFIX = "_kernel_time"
_WARM_UP_CALLS = 3


def profile_calls(
    engine: OrtEngine | OrtSessionsEngine, request: LoadRequest, inputs: Arrays, calls: int, *, asynchronous: bool
) -> tuple[OperatorTime, ...] | None:
    """Load `engine`, a new one, with profiling on from the start, since it cannot be turned on later; run and read it.

    Returns:
        None where the trace times only how long work took to be handed to a device.
    """
    with tempfile.TemporaryDirectory(prefix="ortbench-profile-") as folder:
        engine.trace_prefix = str(Path(folder) / "trace")
        engine.load(request)
        engine.bind(inputs)
        for _ in range(_WARM_UP_CALLS + calls):
            engine.run()
            engine.synchronize()
        traces = [json.loads(Path(trace).read_text(encoding="utf-8")) for trace in engine.end_traces()]
    read = [read_trace(events, calls, asynchronous=asynchronous) for events in traces]
    return mean_of([operators for operators in read if operators is not None]) if None not in read else None


def read_trace(
    events: Iterable[Mapping[str, Any]], calls: int, *, asynchronous: bool
) -> tuple[OperatorTime, ...] | None:
    """Return what each operator takes in one of the last `calls` calls of a trace.

    Args:
        events: of the trace's file.
        calls: how many of the calls count, from the end.
        asynchronous: the provider computes on a device, so that a node's event ends before its work does.
    """
    events = list(events)
    if asynchronous and not any(event.get("cat") == "Kernel" for event in events):
        return None
    spans = [
        (str(event["args"]["op_name"]), float(event["ts"]), float(event["dur"]))
        for event in events
        if (event.get("cat") == "Kernel" if asynchronous else _is_node(event)) and "op_name" in event.get("args", {})
    ]
    runs = [
        Span(_CALL, float(event["ts"]), float(event["dur"]), 0.0)
        for event in events
        if event.get("cat") == "Session" and event["name"] == _CALL
    ]
    return median_call(sorted(runs, key=lambda run: run.start_us)[-calls:], nested(spans))


def _is_node(event: Mapping[str, Any]) -> bool:
    return event.get("cat") == "Node" and str(event["name"]).endswith(_KERNEL_SUFFIX)
