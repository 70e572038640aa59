from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.errors import UsageError
from ortbench.runner.resume import EarlierPart, check_same_study, continued_run
from tests.results.factory import make_run

BEGUN = make_run(git_commit="a" * 40, created="2026-01-01T00:00:00+00:00", time_s={"total": 2.0})
NOTE = "it went on at another commit than it was begun at: "


def test_a_study_that_goes_on_keeps_when_and_at_which_commit_it_was_begun() -> None:
    run = continued_run(make_run(git_commit="a" * 40, notes=("ort is a fake",)), BEGUN)
    assert (run.git_commit, run.created, run.time_s) == ("a" * 40, BEGUN.created, {"total": 2.0})
    assert run.notes == ("ort is a fake",)


def test_every_other_commit_that_it_went_on_at_is_noted_once() -> None:
    run = BEGUN
    for commit in ("b" * 40, None, "b" * 40):
        run = continued_run(make_run(git_commit=commit), run)
    assert run.git_commit == "a" * 40
    assert run.notes == (f"{NOTE}{'b' * 40}", f"{NOTE}outside of a repository")


def test_waiting_for_an_arm_that_hung_is_none_of_the_time_that_was_given() -> None:
    now = make_run(settings={"target": 0.02, "max_time_s": 60.0})
    before = EarlierPart(make_run(settings=now.settings, time_s={"total": 350.0, "lost": 300.0}), (), ())
    assert (before.spent_s, before.used_s) == (350, 50)
    check_same_study(before, now, Path("out"))
    spent = EarlierPart(make_run(settings=now.settings, time_s={"total": 361.0, "lost": 300.0}), (), ())
    with pytest.raises(UsageError, match=r"has used 61 s, all of its --max-time; give a longer --max-time to go on\."):
        check_same_study(spent, now, Path("out"))


def test_versions_that_an_engine_told_while_it_ran_do_not_keep_a_study_from_going_on() -> None:
    settings = {"target": 0.02, "max_time_s": 60.0}
    before = make_run(settings=settings, versions={"torch": "2.14.1", "mylib": "1.0"})
    check_same_study(
        EarlierPart(before, (), ()), make_run(settings=settings, versions={"torch": "2.14.1"}), Path("out")
    )
    with pytest.raises(UsageError, match="the version of torch was 2.14.1, is unset"):
        check_same_study(
            EarlierPart(before, (), ()), make_run(settings=settings, versions={"mylib": "1.0"}), Path("out")
        )
