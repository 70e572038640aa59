"""The work of catalog models, counted without computing anything."""

from __future__ import annotations

import pytest

from ortbench.models.catalog import find_model
from ortbench.models.work import Tally, UncountableError, count_module
from ortbench.results.roofline import Work
from ortbench.runner.counting import work_in


def test_resnet50_is_what_it_is_known_to_be() -> None:
    found = count_module(find_model("resnet50").source())
    # 8.18 GFLOP an image, as PyTorch's own counter says, and every parameter but those of the normalisations.
    assert found.flops_per_item == 8_178_368_512
    assert found.weights == 25_557_032 - 53_120 - 1000
    assert found.dtypes == {"float32"}
    # Its first layer alone reads an image and writes 64 channels of 112x112.
    assert found.activations_per_item > 3 * 224 * 224 + 64 * 112 * 112


def test_the_tiny_model_is_counted_by_hand() -> None:
    # A convolution of 3 channels by 8 filters of 3x3 to 16x16 places, then a matrix of 8 by 10.
    flops, weights = 2 * (8 * 27 * 256 + 80), 8 * 27 + 80
    activations = 3 * 32 * 32 + 8 * 256 + 8 + 10
    assert count_module(find_model("tiny").source()) == Tally(flops, weights, activations, frozenset({"float32"}))


@pytest.mark.parametrize(
    ("lane", "dtype", "size", "arithmetic"),
    [
        ("fp32", "float32", 4, "fp32"),
        ("fp16", "float32", 2, "fp16"),
        ("bf16", "float32", 2, "bf16"),
        ("int8", "float32", 1, "int8"),
        ("fp32", "float16", 2, "fp16"),
        ("fp32", "uint8", 1, "int8"),
    ],
)
def test_bytes_are_of_the_lane_or_of_the_files_own_types(lane: str, dtype: str, size: int, arithmetic: str) -> None:
    expected = Work(flops_per_item=8, weight_bytes=4 * size, activation_bytes_per_item=2 * size, arithmetic=arithmetic)
    assert work_in(lane, Tally(8, 4, 2, frozenset({dtype}))) == expected


def test_products_of_several_types_have_no_size() -> None:
    with pytest.raises(UncountableError, match="^its products are of float16 and float32$"):
        work_in("fp32", Tally(8, 4, 2, frozenset({"float32", "float16"})))
