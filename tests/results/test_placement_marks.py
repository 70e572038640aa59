from __future__ import annotations

from typing import Any

import pytest

from ortbench.results.placement_marks import binding_marks, placement_marks


@pytest.mark.parametrize(
    ("placement", "marks"),
    [
        (None, ()),
        ({"requested": "a", "assigned": {"a": 3}, "unit": "nodes"}, ()),
        ({"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes"}, ("25% of the nodes ran on b",)),
        (
            {"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes", "flops": {"a": 99, "b": 0}},
            (),
        ),
        (
            {"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes", "flops": {"a": 40, "b": 60}},
            ("60% of the operations ran on b",),
        ),
        (
            {"requested": "a", "assigned": {"b": 1}, "unit": "nodes", "flops": None},
            ("100% of the nodes ran on b",),
        ),
        ({"requested": "a", "assigned": {}, "unit": "nodes"}, ()),
    ],
)
def test_what_ran_elsewhere_is_marked(placement: dict[str, Any] | None, marks: tuple[str, ...]) -> None:
    assert placement_marks(placement) == marks


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (None, ()),
        ({"rebound": []}, ()),
        ({"rebound": ["y"]}, ("output 'y' has a shape that the file does not tell, and is bound anew in each call",)),
        (
            {"rebound": ["y", "z"]},
            ("outputs 'y', 'z' have a shape that the file does not tell, and are bound anew in each call",),
        ),
    ],
)
def test_outputs_that_are_bound_anew_are_told(evidence: dict[str, object] | None, expected: tuple[str, ...]) -> None:
    assert binding_marks(evidence) == expected
