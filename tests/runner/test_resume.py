from __future__ import annotations

from ortbench.runner.resume import continued_run
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
