"""Precision lanes: in what numbers a model is computed, how far that may move its outputs, and what hardware it needs.

Cells of different lanes share no launch and no speedup. Pure data and functions; nothing here imports a library.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ortbench.errors import UsageError, expected_one_of

# 16 unit roundoffs: rounding errors of independent layers add up like the square root of their number, which is 7 for
# 50 layers, and a network's last layers may be twice as sensitive as that. ResNet50 was seen at 1 to 2 unit roundoffs.
_ROUNDOFFS = 16
_IEEE = "of the largest output: 16 unit roundoffs ({}); {}"


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One precision.

    An output agrees with the fp32 reference when its largest difference is at most `absolute_tolerance` +
    `relative_tolerance` x the reference's largest magnitude, and its cosine at least `min_cosine`.

    Attributes:
        dtype: of weights and activations.
        min_cosine: None where the difference alone decides.
        source: where the tolerances come from.
    """

    name: str
    dtype: str
    absolute_tolerance: float
    relative_tolerance: float
    min_cosine: float | None
    source: str


FP32 = Lane(
    name="fp32",
    dtype="float32",
    absolute_tolerance=1e-4,
    relative_tolerance=1e-4,
    min_cosine=None,
    source="measured: ResNet50's logits of magnitude 100 differ by 8e-5 between engines, "
    "a wrong kernel, TF32 or bf16 by 1e-2 and more",
)
LANES: dict[str, Lane] = {
    lane.name: lane
    for lane in (
        FP32,
        Lane(
            name="tf32",
            dtype="float32, products of 11-bit significands",
            absolute_tolerance=1e-3,
            relative_tolerance=_ROUNDOFFS * 2**-11,
            min_cosine=0.999,
            source=_IEEE.format("2**-11", "NVIDIA's A100 whitepaper gives the format"),
        ),
        Lane(
            name="bf16",
            dtype="bfloat16",
            absolute_tolerance=1e-3,
            relative_tolerance=_ROUNDOFFS * 2**-8,
            min_cosine=0.999,
            source=_IEEE.format("2**-8", "8-bit significand"),
        ),
        Lane(
            name="fp16",
            dtype="float16",
            absolute_tolerance=1e-3,
            relative_tolerance=_ROUNDOFFS * 2**-11,
            min_cosine=0.999,
            source=_IEEE.format("2**-11", "IEEE 754 binary16"),
        ),
        Lane(
            name="int8",
            dtype="int8",
            absolute_tolerance=1e-3,
            relative_tolerance=0.15,
            min_cosine=0.99,
            source="measured: static quantisation moves ResNet's logits by 3 % of the largest, cosine 0.9995, "
            "uncalibrated or saturated kernels by a multiple of it",
        ),
    )
}


# Of `models/steps.py`.
AS_MADE = (
    "measured: optimised against unoptimised graphs of quantised files differ by 0.27 of the output's spread in one "
    "input and 0.20 over many (root mean square; cosine 0.980) where every odd sum lies between two steps; "
    "a channel with the wrong sign by twice its own size in one place"
)


def parse_lanes(text: str) -> tuple[str, ...]:
    """Read `fp32,int8`.

    Raises:
        UsageError: a lane does not exist, or is there twice.
    """
    lanes = tuple(part.strip() for part in text.split(","))
    for lane in lanes:
        if lane not in LANES:
            raise UsageError(expected_one_of("--precision", LANES, lane))
        if lanes.count(lane) > 1:
            raise UsageError(f"Expected --precision to name each lane once, but '{text}' names {lane} twice.")
    return lanes


# What computes in the lane itself, by Linux's names of the features: of x86 and of 64-bit ARM.
_X86 = {
    "bf16": ("avx512_bf16", "amx_bf16"),
    "fp16": ("avx512_fp16", "amx_fp16"),
    "int8": ("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"),
}
_ARM = {"bf16": ("bf16", "svebf16"), "fp16": ("asimdhp",), "int8": ("asimddp", "i8mm")}
_LACKING = {"bf16": "no AVX512-BF16 and no AMX", "fp16": "no AVX512-FP16 and no AMX-FP16", "int8": "no VNNI and no AMX"}
_WIDER = {"bf16": "float32 arithmetic", "fp16": "float32 arithmetic", "int8": "wider integer arithmetic"}
# NVIDIA, CUDA C++ Programming Guide, arithmetic instructions and features by compute capability.
_CAPABILITY = {"tf32": (8, 0), "bf16": (8, 0), "fp16": (5, 3), "int8": (6, 1)}


def has_int8_products(cpu_flags: Collection[str]) -> bool:
    """Say whether the processor multiplies and adds 8-bit integers without losing the sums' upper bits."""
    return emulation_reason("int8", cpu_flags) is None and bool(cpu_flags)


def emulation_reason(
    lane: str, cpu_flags: Collection[str], compute_capability: tuple[int, int] | None = None
) -> str | None:
    """Say why the hardware only emulates a lane; None where it computes in it, or where nothing is known of it.

    Args:
        lane: its name.
        cpu_flags: the processor's features by Linux's names; empty where unknown.
        compute_capability: of the GPU that computes; None where the processor does.
    """
    if compute_capability is not None:
        needed = _CAPABILITY.get(lane, (0, 0))
        if compute_capability >= needed:
            return None
        have, want = (".".join(map(str, pair)) for pair in (compute_capability, needed))
        return f"this GPU has compute capability {have}, and {lane} begins with {want}, so {lane} is emulated"
    arm = "asimd" in cpu_flags
    native = (_ARM if arm else _X86).get(lane, ())
    if not cpu_flags or not native or any(flag in cpu_flags for flag in native):
        return None
    lacking = f"none of {', '.join(native)}" if arm else _LACKING[lane]
    return f"this processor has {lacking}, so {lane} is emulated with {_WIDER[lane]}"
