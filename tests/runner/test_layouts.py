from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner.layouts import Counts, choose_counts, layouts, modes_for, powers_up_to


def test_threads_default_to_all_and_full_means_every_count() -> None:
    assert choose_counts(None, None, 4, full=False, scaling=False) == Counts((4,))
    assert choose_counts(None, None, 4, full=True, scaling=False) == Counts((1, 2, 3, 4))
    assert choose_counts([1, 4], None, 4, full=False, scaling=False) == Counts((1, 4))


def test_instances_without_threads_fill_the_machine() -> None:
    counts = choose_counts(None, [1, 4], 16, full=False, scaling=False)
    assert counts == Counts((16, 4), (1, 4))
    assert layouts(counts, 16) == [(16, 1), (4, 1), (4, 4)]


def test_scaling_is_the_product_in_powers_of_two() -> None:
    assert layouts(choose_counts(None, None, 2, full=False, scaling=True), 2) == [(1, 1), (1, 2), (2, 1)]
    assert powers_up_to(6) == (1, 2, 4, 6)


def test_scaling_fills_machines_whose_cpus_are_no_power_of_two() -> None:
    found = layouts(choose_counts(None, None, 6, full=False, scaling=True), 6)
    assert [one for one in found if one[0] * one[1] == 6] == [(1, 6), (2, 3), (3, 2), (6, 1)]


@given(st.integers(1, 300))
def test_every_layout_fits_and_the_whole_machine_is_among_them(limit: int) -> None:
    found = layouts(choose_counts(None, None, limit, full=False, scaling=True), limit)
    assert all(threads * instances <= limit for threads, instances in found)
    assert {(1, 1), (limit, 1), (1, limit)} <= set(found)
    assert {(limit // power, power) for power in powers_up_to(limit)} <= set(found)


@pytest.mark.parametrize(
    ("threads", "instances", "full", "scaling", "words"),
    [
        ([5], None, False, False, "--threads of at most 4, as many CPUs as this process may use here, but got 5"),
        (None, [5], False, False, "--instances of at most 4"),
        ([1], None, True, False, "either --full or --threads"),
        ([1], None, False, True, "either --scaling or --threads"),
        (None, [1], False, True, "either --scaling or --instances"),
        (None, None, True, True, "either --scaling or --full"),
        ([4], [1, 2], False, False, "2 instances of 4 threads need 8 CPUs, but this process may use 4"),
    ],
)
def test_what_cannot_be_is_refused(
    threads: list[int] | None, instances: list[int] | None, full: bool, scaling: bool, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        choose_counts(threads, instances, 4, full=full, scaling=scaling)


def test_a_batch_is_divided_where_everybody_gets_an_item_and_the_model_takes_any_size() -> None:
    open_batch = find_model("tiny").source()
    assert modes_for(open_batch, 1, 1) == ("single",)
    assert modes_for(open_batch, 1, 2) == ("stream",)
    assert modes_for(open_batch, 2, 2) == ("split", "stream")
    fixed = ModelSource(name="m", inputs=(TensorSpec("x", (4, 8)),))
    assert modes_for(fixed, 4, 2) == ("stream",)
