"""Whether an engine ran what it claimed. Pure functions of its evidence."""

from __future__ import annotations

from collections.abc import Mapping

from ortbench.engines.base import Evidence, Placement

# Half the work: below it, most of what a figure measures is another provider's. Above it the share is a mark.
LEAST_REQUESTED_SHARE = 0.5

_FLOATS = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
# By OpenVINO's names.
_NODE_TYPES = {"fp32": ("f32",), "bf16": ("bf16",), "fp16": ("f16",), "int8": ("i8", "u8")}
_REDUCED_NODES = ("bf16", "f16")
# What turns fp32 into less, and the value that says it does not.
_PINNED = {"tf32": "off", "matmul": "highest", "onednn": "ieee", "onednn_environment": "strict"}


def fallback_reason(evidence: Evidence, *, allowed: bool = False) -> str | None:
    """Say why this evidence shows a fallback, or None where it does not.

    Running part of the graph elsewhere is none: ONNX Runtime itself keeps shape computations on the CPU. It is one when
    the provider asked for runs less than `LEAST_REQUESTED_SHARE` of the floating-point operations; where those are not
    counted, of the units.

    Args:
        evidence: the engine's.
        allowed: whether the user allows any share.
    """
    placement = evidence.placement
    if placement is None or allowed or placement.requested_share >= LEAST_REQUESTED_SHARE:
        return None
    ran = ", ".join(f"{provider} ({count})" for provider, count in placement.assigned.items()) or "nothing"
    return f"asked for {placement.requested}, but {_little(placement)}the {placement.unit} ran on: {ran}"


def _little(placement: Placement) -> str:
    share = placement.requested_share
    measure = "operations" if placement.flops and any(placement.flops.values()) else placement.unit
    return f"it got {share:.1%} of the {measure} (--allow-fallback counts it all the same); " if share else ""


def lane_contradiction(lane: str, evidence: Evidence) -> str | None:
    """Say what of this evidence contradicts the lane that the engine was to compute in, or None where nothing does.

    What an engine cannot say is no contradiction. Of an .onnx file in fp32 nothing is asked but that nothing makes it
    less: the file may hold what it likes.
    """
    said = evidence.precision or {}
    found = _wrong_switch(lane, said) or _wrong_weights(lane, said) or _wrong_nodes(lane, said)
    return f"it was to compute in {lane}, but {found}" if found else None


def _wrong_switch(lane: str, said: Mapping[str, str]) -> str | None:
    if lane == "tf32":
        state = said.get("tf32", "on")
        return None if state == "on" else f"TF32 is {state}"
    pinned = _PINNED if lane == "fp32" else {"tf32": "off"}
    for name, value in pinned.items():
        if said.get(name, value) != value:
            return f"its setting '{name}' is '{said[name]}', not '{value}'"
    return None


def _wrong_weights(lane: str, said: Mapping[str, str]) -> str | None:
    types = said.get("parameters", "").split(", ")
    wanted = _FLOATS.get(lane)
    if wanted is None:
        quantized = any("int8" in name for name in types)
        return None if types == [""] or quantized else f"its weights are {said['parameters']}"
    other = [name for name in types if ("float" in name or "qint" in name) and name != wanted]
    if other:
        return f"its weights are {said['parameters']}"
    # Where the weights cannot be seen, the output tells.
    output = said.get("output", wanted) if types == [""] else wanted
    return None if "float" not in output or output == wanted else f"its output is {output}"


def _wrong_nodes(lane: str, said: Mapping[str, str]) -> str | None:
    if lane == "int8" and said.get("integer_operators") == "none":
        return "no operator of the optimised graph computes in integers"
    if "hint" not in said:
        return None
    counted = {name: text for name, text in said.items() if text.endswith(" nodes")}
    listed = ", ".join(f"{name}: {text}" for name, text in counted.items())
    if lane == "fp32":
        return f"some compute in less ({listed})" if any(name in counted for name in _REDUCED_NODES) else None
    return None if any(name in counted for name in _NODE_TYPES[lane]) else f"none of its nodes does ({listed})"
