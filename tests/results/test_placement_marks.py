from __future__ import annotations

from typing import Any

import pytest

from ortbench.results.placement_marks import placement_marks


@pytest.mark.parametrize(
    ("placement", "boundary", "marks"),
    [
        (None, None, ()),
        ({"requested": "a", "assigned": {"a": 3}, "unit": "nodes"}, "host", ()),
        ({"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes"}, "host", ("25% of the nodes ran on b",)),
        (
            {"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes", "flops": {"a": 99, "b": 0}},
            "device",
            (),
        ),
        (
            {"requested": "a", "assigned": {"a": 3, "b": 1}, "unit": "nodes", "flops": {"a": 40, "b": 60}},
            "host",
            ("60% of the operations ran on b",),
        ),
        (
            {"requested": "a", "assigned": {"b": 1}, "unit": "nodes", "flops": None},
            "host",
            ("100% of the nodes ran on b",),
        ),
        ({"requested": "a", "assigned": {}, "unit": "nodes"}, "host", ()),
        (
            {"requested": "a", "assigned": {"a": 1}, "unit": "nodes"},
            "host, copies timed",
            ("copies of inputs and outputs are timed",),
        ),
    ],
)
def test_what_ran_elsewhere_is_marked(
    placement: dict[str, Any] | None, boundary: str | None, marks: tuple[str, ...]
) -> None:
    assert placement_marks(placement, boundary) == marks
