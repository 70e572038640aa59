from __future__ import annotations

from ortbench.running import time_line
from tests.results.factory import make_run


def test_the_time_says_by_how_much_it_was_overrun() -> None:
    run = make_run(time_s={"total": 31.0, "inside_calls": 15.5}, settings={"max_time_s": 20.0})
    assert time_line(run).startswith("time: 31 s, 11 s over --max-time (20 s), 50% of it inside counted calls (")


def test_a_study_that_kept_its_time_and_one_of_an_older_version_say_nothing_of_it() -> None:
    for settings in ({"max_time_s": 40.0}, {}):
        run = make_run(time_s={"total": 31.0, "inside_calls": 15.5}, settings=settings)
        assert time_line(run).startswith("time: 31 s, 50% of it inside counted calls (")
