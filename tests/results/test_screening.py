from __future__ import annotations

import math
from itertools import product

import pytest

from ortbench.results.race import Setting
from ortbench.results.screening import families_of, next_families, predict


def setting(engine: str, allocator: str = "default", instances: int = 1, batch_size: int = 1) -> Setting:
    return Setting(
        engine=engine,
        allocator=allocator,
        threads=2 // instances,
        instances=instances,
        mode="single" if instances == 1 else "stream",
        batch_size=batch_size,
    )


GRID = [setting(*place) for place in product(("torch", "script", "ort"), ("default", "tcmalloc"), (1, 2), (1, 4))]


def test_settings_of_one_family_differ_in_the_batch_size_only() -> None:
    families = families_of([setting("a", batch_size=4), setting("b"), setting("a"), setting("a", "tcmalloc")])
    assert {family: [one.batch_size for one in own] for family, own in families.items()} == {
        "a, 1 x 2 threads": [1, 4],
        "b, 1 x 2 threads": [1],
        "a, tcmalloc, 1 x 2 threads": [1],
    }


def test_what_was_measured_is_not_predicted() -> None:
    figures = {one.name: float(number) for number, one in enumerate(GRID)}
    assert predict(GRID, figures) == figures


def test_effects_add_up() -> None:
    effects = {"torch": 1.0, "script": 0.3, "ort": 0.0, "default": 0.2, "tcmalloc": 0.0}

    def true(one: Setting) -> float:
        return effects[one.engine] + effects[one.allocator] + 0.1 * one.instances - 0.05 * (one.batch_size == 4)

    seen = [one for number, one in enumerate(GRID) if number % 3]
    predicted = predict(GRID, {one.name: true(one) for one in seen})
    for one in GRID:
        assert predicted[one.name] == pytest.approx(true(one), abs=0.1)


def test_every_value_of_every_axis_is_seen_before_a_prediction_counts() -> None:
    first = next_families(families_of(GRID), [], {}, 6)
    assert first == ["torch, 1 x 2 threads", "script, tcmalloc, 2 x 1 thread", "ort, 1 x 2 threads"]


def test_then_the_families_that_are_predicted_to_be_fastest_come_first() -> None:
    families = families_of(GRID)
    waiting = {name: own for name, own in families.items() if "1 x 2" not in name}
    predicted = {one.name: math.log(len(one.engine)) - 0.1 * (one.allocator == "tcmalloc") for one in GRID}
    seen = [one for one in GRID if "1 x 2" in one.family or one.family == "torch, 2 x 1 thread"]
    assert next_families(waiting, seen, predicted, 3) == [
        "ort, tcmalloc, 2 x 1 thread",
        "ort, 2 x 1 thread",
        "torch, tcmalloc, 2 x 1 thread",
    ]
