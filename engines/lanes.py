"""Which engines can compute in which lanes, and what is added to their evidence of it. Pure but for `with_lane`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ortbench.engines.base import Evidence, LoadRequest
from ortbench.engines.cuda import compute_capability
from ortbench.engines.entry import EngineEntry
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import EngineUnavailable
from ortbench.models.precision import emulation_reason
from ortbench.models.processor import cpu_flags

_NVIDIA = ("cuda", "tensorrt")
_TORCH_INT8 = ("torch", "torchscript")
_REASONS = {
    ("ort", "bf16"): "ONNX Runtime's CPU provider has no bf16 kernels, so no bf16 export could be checked",
    ("compile", "int8"): "PyTorch's own quantised operators are none that Inductor compiles",
    ("aoti", "int8"): "PyTorch's own quantised operators are none that torch.export takes",
}


def lane_obstacle(entry: EngineEntry, target: str, lane: str) -> tuple[str, str] | None:
    """Say why an engine's target cannot compute in a lane, and what would; None where it can."""
    if lane not in entry.precisions:
        reason = _REASONS.get((entry.name, lane), f"it has no {lane} lane")
        return reason, f"one of its lanes, [{', '.join(entry.precisions)}], or another engine"
    if lane == "tf32" and target not in _NVIDIA and entry.computes:
        reason = "TF32 is a mode of NVIDIA's tensor cores, and there are none on the target " + target
        return reason, f"{entry.name}:cuda, on an NVIDIA GPU of compute capability 8.0 or later"
    if lane == "int8" and target == "cuda" and entry.name in _TORCH_INT8:
        return "PyTorch's own quantised kernels are for the CPU", entry.name
    return None


def keep_in_lanes(engines: Sequence[ResolvedEngine], lanes: Iterable[str], optional: set[str]) -> list[ResolvedEngine]:
    """Return the engines that can compute in every lane.

    Args:
        engines: everything asked for.
        lanes: of `--precision`.
        optional: names written with `:*`, whose targets may be left out.

    Raises:
        EngineUnavailable: one that was asked for by name cannot.
    """
    kept = []
    for engine in engines:
        asked = dict.fromkeys(engine.lane(lane) for lane in lanes)
        found = {lane: lane_obstacle(engine.entry, engine.target, lane) for lane in asked}
        bad = next(((lane, obstacle) for lane, obstacle in found.items() if obstacle), None)
        if bad is None:
            kept.append(engine)
        elif engine.entry.name not in optional:
            lane, (reason, remedy) = bad
            raise EngineUnavailable(
                f"The engine '{engine.label}' cannot compute in {lane}: {reason}. What would: {remedy}."
            )
    return kept


def with_lane(evidence: Evidence, request: LoadRequest) -> Evidence:
    """Return the evidence with the lane, and with why the hardware only emulates it where it does."""
    capability = compute_capability() if request.target in _NVIDIA else None
    emulated = evidence.emulated or emulation_reason(request.precision, cpu_flags(), capability)
    precision = {"lane": request.precision, **(evidence.precision or {})}
    return msgspec.structs.replace(evidence, precision=precision, emulated=emulated)
