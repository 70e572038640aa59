"""In what ONNX Runtime computes: by the graph that runs and by what the provider reports. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ortbench.engines.ort_placement import GraphFacts

_INTEGER_OPERATOR = re.compile(r"Q(Linear|Gemm|Attention)\w*|\w+Integer\w*")
# By what a provider calls it.
_TF32 = {"1": "on", "0": "off"}


def described_precision(precision: str, reported: Mapping[str, str], facts: GraphFacts | None) -> dict[str, str]:
    """Return the evidence of a session's precision.

    Args:
        precision: the lane.
        reported: the lane's options as the provider reports them.
        facts: of the graph; None where it could not be read. In fp32 nothing depends on it.
    """
    told = dict(reported)
    if "use_tf32" in told:
        told["tf32"] = _TF32.get(told["use_tf32"], told["use_tf32"])
    if facts is None or facts.weights is None or facts.optimised is None or precision in ("fp32", "tf32"):
        return told
    return told | {
        "weights": _listed(facts.weights),
        "integer_operators": _listed(integer_operators(facts.optimised)) or "none",
    }


def integer_operators(optimised: Mapping[str, int]) -> dict[str, int]:
    """Return those of a graph's operators that compute in 8-bit integers."""
    return {name: count for name, count in optimised.items() if _INTEGER_OPERATOR.match(name)}


def library_emulation(precision: str, provider: str, facts: GraphFacts | None) -> str | None:
    """Say that a provider has no kernels for fp16, where the graph that runs has no such weights any more."""
    if precision != "fp16" or facts is None or facts.weights is None or facts.weights.get("float16"):
        return None
    return f"ONNX Runtime's {provider} has no fp16 kernels for this model: it computes in float32, on rounded weights"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
