"""Lanes, what emulates them, and what quantisation is calibrated with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.models.calibration import CALIBRATION_ITEMS, calibration_batches, calibration_identity
from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs
from ortbench.models.parity import compare_outputs, tolerance_for
from ortbench.models.precision import LANES, emulation_reason, has_int8_products, parse_lanes
from ortbench.models.processor import parse_cpu_flags
from ortbench.models.spec import BATCH, ModelSource, TensorSpec

ZEN3 = {"avx2", "fma", "f16c"}
NO_VNNI = "this processor has no VNNI and no AMX, so int8 is emulated with wider integer arithmetic"


def test_every_lane_says_where_its_tolerances_come_from() -> None:
    assert list(LANES) == ["fp32", "tf32", "bf16", "fp16", "int8"]
    assert all(lane.name == name and lane.source for name, lane in LANES.items())
    widths = [LANES[name].relative_tolerance for name in ("fp32", "fp16", "bf16", "int8")]
    assert widths == sorted(widths)


def test_lanes_are_read_in_their_order() -> None:
    assert parse_lanes("int8, fp32") == ("int8", "fp32")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fp8", "Expected --precision to be one of [fp32, tf32, bf16, fp16, int8], but got 'fp8'."),
        ("fp32,", "Expected --precision to be one of [fp32, tf32, bf16, fp16, int8], but got ''."),
        ("int8,int8", "Expected --precision to name each lane once, but 'int8,int8' names int8 twice."),
    ],
)
def test_a_lane_that_is_none_or_twice_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_lanes(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("lane", "flags", "reason"),
    [
        ("fp32", ZEN3, None),
        ("int8", ZEN3, NO_VNNI),
        ("int8", {*ZEN3, "avx512_vnni"}, None),
        ("int8", {*ZEN3, "avx_vnni"}, None),
        ("int8", {*ZEN3, "amx_int8"}, None),
        (
            "int8",
            {"asimd"},
            "this processor has none of asimddp, i8mm, so int8 is emulated with wider integer arithmetic",
        ),
        ("int8", {"asimd", "asimddp"}, None),
        ("bf16", ZEN3, "this processor has no AVX512-BF16 and no AMX, so bf16 is emulated with float32 arithmetic"),
        ("bf16", {*ZEN3, "amx_bf16"}, None),
        ("bf16", {"asimd", "bf16"}, None),
        (
            "fp16",
            ZEN3,
            "this processor has no AVX512-FP16 and no AMX-FP16, so fp16 is emulated with float32 arithmetic",
        ),
        ("fp16", {*ZEN3, "avx512_fp16"}, None),
        ("fp16", {"asimd", "asimdhp"}, None),
        ("int8", set(), None),
    ],
)
def test_a_processor_without_the_instructions_emulates(lane: str, flags: set[str], reason: str | None) -> None:
    assert emulation_reason(lane, flags) == reason


@pytest.mark.parametrize(
    ("lane", "capability", "emulated"),
    [
        ("tf32", (7, 5), True),
        ("tf32", (8, 0), False),
        ("bf16", (7, 5), True),
        ("fp16", (7, 0), False),
        ("fp32", (3, 5), False),
    ],
)
def test_a_gpu_is_judged_by_its_compute_capability(lane: str, capability: tuple[int, int], *, emulated: bool) -> None:
    reason = emulation_reason(lane, ZEN3, capability)
    assert (reason is not None) == emulated
    if reason:
        assert reason == f"this GPU has compute capability 7.5, and {lane} begins with 8.0, so {lane} is emulated"


def test_what_is_not_known_of_the_processor_gives_no_wide_products() -> None:
    assert not has_int8_products(set())
    assert not has_int8_products(ZEN3)
    assert has_int8_products({"avx_vnni"})


def test_flags_are_read_of_x86_and_of_arm() -> None:
    assert parse_cpu_flags("processor : 0\nflags\t\t: fpu avx2\nflags : other\n") == {"fpu", "avx2"}
    assert parse_cpu_flags("processor\t: 0\nFeatures\t: fp asimd asimddp\n") == {"fp", "asimd", "asimddp"}
    assert parse_cpu_flags("") == frozenset()


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(LANES)), st.floats(0.01, 100))
def test_a_lane_allows_what_it_says_and_no_more(seed: int, name: str, scale: float) -> None:
    lane = LANES[name]
    wanted = np.random.default_rng(seed).standard_normal((4, 10)) * scale
    bound = lane.absolute_tolerance + lane.relative_tolerance * float(np.abs(wanted).max())
    for factor, allowed in ((0.3, True), (1.01, False)):
        moved = wanted.copy()
        moved[0, 0] += factor * bound
        assert compare_outputs({"y": moved}, {"y": wanted}, "r", tolerance_for(name)).ok == allowed


def test_an_output_of_another_direction_fails_though_each_value_is_near() -> None:
    wanted = np.full((1, 100), 0.1)
    wanted[0, 0] = 1.0
    moved = np.where(wanted < 1, wanted - 0.14, wanted)
    parity = compare_outputs({"y": moved}, {"y": wanted}, "torch", tolerance_for("int8"))
    assert parity.reason == "output 'y' has the cosine 0.397815, less than the 0.99 that int8 asks for"


def source(inputs_file: Path | None = None) -> ModelSource:
    inputs = (TensorSpec("x", (BATCH, 3)), TensorSpec("scale", ()))
    return ModelSource(name="m", inputs=inputs, inputs_file=str(inputs_file) if inputs_file else None)


def test_calibration_is_repeatable_and_never_with_the_inputs_that_are_measured() -> None:
    first, again = calibration_batches(source()), calibration_batches(source())
    assert len(first) == 256
    assert all(batch["x"].shape == (1, 3) for batch in first)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one["x"], other["x"])
    seen = {batch["x"].tobytes() for batch in first}
    assert len(seen) == 256
    assert make_inputs(source(), 1)["x"].tobytes() not in seen


def test_eight_images_calibrate_and_more_of_smaller_items() -> None:
    assert len(calibration_batches(find_model("tiny").source())) == 65536 // 3072
    assert calibration_identity(find_model("resnet50").source(seed=3)) == "8 items of seed 3"


@pytest.mark.parametrize(("rows", "items"), [(3, CALIBRATION_ITEMS), (20, 20)])
def test_given_inputs_calibrate_all_of_them_and_at_least_eight(tmp_path: Path, rows: int, items: int) -> None:
    x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    np.savez(tmp_path / "in.npz", x=x, scale=np.float32(2))
    batches = calibration_batches(source(tmp_path / "in.npz"))
    assert len(batches) == items
    np.testing.assert_array_equal(batches[1]["x"], x[1:2])
    assert batches[0]["scale"] == 2
    assert calibration_identity(source(tmp_path / "in.npz")).startswith("sha256:")
