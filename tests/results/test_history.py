from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import ResultsError, UsageError
from ortbench.results.derive import summarize
from ortbench.results.folder import write_json
from ortbench.results.history import (
    History,
    StoredRun,
    choose_cell,
    find_runs,
    make_history,
    read_stored,
    speedup_rows,
)
from ortbench.results.journal import Journal
from ortbench.results.schema import ArtifactRecord
from tests.results.factory import make_launches, make_rounds, make_run


def stored(day: int = 1, ort: float = 40.0, sizes: tuple[int, ...] = (1, 4), **changes: Any) -> StoredRun:
    """Return a run of that day: torch takes 80 ms and ort `ort` ms, whatever the batch size."""
    run = make_run(batch_sizes=sizes, **{"created": f"2026-01-{day:02}T12:00:00+00:00", **changes})
    rounds = [
        line
        for size in sizes
        for line in make_rounds({"torch": [[80.0] * 2] * 3, "ort": [[ort, ort * 1.01]] * 3}, f"b{size}-t2")
    ]
    launches = [line for size in sizes for line in make_launches(["torch", "ort"], 3, f"b{size}-t2")]
    return StoredRun(Path(f"run{day}"), run, summarize(run, rounds, launches))


def test_runs_come_by_time_whatever_their_order_and_clock() -> None:
    # 13:30 two hours east of Greenwich is before noon there.
    runs = [stored(2), stored(1), stored(3, created="2026-01-01T13:30:00+02:00")]
    assert [run.folder for run in make_history(runs).runs] == ["run3", "run1", "run2"]


@given(st.permutations(range(1, 6)))
def test_the_order_in_which_folders_are_given_does_not_matter(days: list[int]) -> None:
    assert make_history([stored(day) for day in days]) == make_history([stored(day) for day in range(1, 6)])


def test_a_time_without_a_zone_is_universal() -> None:
    assert make_history([stored(created="2026-01-01T12:00:00")]).runs[0].created == "2026-01-01T12:00:00+00:00"


def test_a_run_of_no_time_is_refused_by_name() -> None:
    with pytest.raises(ResultsError, match="'run1/run.json' was created at no time: 'yesterday'"):
        make_history([stored(created="yesterday")])


def test_a_row_says_what_was_run_and_how_fast() -> None:
    versions = {"torch": "2.14.1", "onnxruntime": "1.32.0", "numpy": "2.4"}
    [run] = make_history([stored(versions=versions, git_commit="c6ba33b0c592f1a9a15c-dirty")]).runs
    assert (run.git_commit, run.versions) == ("c6ba33b0c-dirty", {"torch": "2.14.1", "onnxruntime": "1.32.0"})
    torch, ort, *_ = run.figures
    assert (torch.engine, torch.latency_ms, torch.speedup) == ("torch", 80.0, None)
    assert (ort.engine, ort.batch_size, ort.status) == ("ort", 1, "ok")
    assert ort.speedup == pytest.approx(1.99, abs=0.01)
    assert ort.speedup_ci95 is not None


@pytest.mark.parametrize(("commit", "short"), [(None, None), ("", None), ("0123456789abcdef", "012345678")])
def test_a_commit_is_shortened(commit: str | None, short: str | None) -> None:
    assert make_history([stored(git_commit=commit)]).runs[0].git_commit == short


def test_a_run_on_another_machine_than_the_newest_is_marked() -> None:
    runs = [stored(1, machine={"cpu": "old"}), stored(2), stored(3)]
    assert [run.other_machine for run in make_history(runs).runs] == [True, False, False]


def test_the_smallest_cell_that_all_runs_have_is_shown() -> None:
    summaries = [stored(1, sizes=(1, 4, 16)).summary, stored(2, sizes=(4, 16)).summary]
    assert choose_cell(summaries, None, None).id == "b4-t2"
    assert choose_cell(summaries, 16, None).id == "b16-t2"
    # Not all have it, but it was asked for.
    assert choose_cell(summaries, 1, 2).id == "b1-t2"


def test_a_cell_that_no_run_has_is_refused_with_those_there_are() -> None:
    summaries = [stored(1, sizes=(16,)).summary, stored(2, sizes=(4,)).summary]
    with pytest.raises(UsageError) as caught:
        choose_cell(summaries, 3, None)
    assert str(caught.value) == (
        "No run has that cell. Choose with --batch-size and --threads from these batch sizes with threads: "
        "4 with 2, 16 with 2."
    )
    with pytest.raises(UsageError, match="The runs have no cell in common. Choose with --batch-size"):
        choose_cell(summaries, None, None)


def test_runs_of_several_models_are_refused() -> None:
    with pytest.raises(UsageError, match="These runs are of several models: m, n."):
        make_history([stored(1), stored(2, model="n")])


def test_another_baseline_gives_no_speedup_here_and_a_note_says_so() -> None:
    history = make_history([stored(1, baseline="ort"), stored(2)])
    assert [one.speedup for one in history.runs[0].figures] == [None] * 4
    assert history.notes == ("run1: its speedups are over ort, not torch, and left out",)
    assert [row["created"][:10] for row in speedup_rows(history, "ort")] == ["2026-01-02"] * 2


def test_another_artifact_is_noted() -> None:
    artifacts = [ArtifactRecord(path="x", sha256=digest) for digest in ("aa", "bb")]
    history = make_history([stored(day, artifact=one) for day, one in enumerate(artifacts, start=1)])
    assert history.notes == ("run1: its artifact is not the newest run's",)


def test_an_arm_that_failed_has_no_figures() -> None:
    one = stored()
    launches = [*make_launches(["torch"], 3), *make_launches(["ort"], 1, status="failed", reason="gone")]
    summary = summarize(one.run, make_rounds({"torch": [[80.0]] * 3, "ort": [[40.0]] * 3}), launches)
    history = make_history([with_summary(one, summary), stored(2)])
    ort = history.runs[0].figures[1]
    assert (ort.status, ort.latency_ms, ort.speedup) == ("failed", None, None)


def with_summary(one: StoredRun, summary: Any) -> StoredRun:
    return StoredRun(one.path, one.run, summary)


def test_points_are_of_one_engine_at_every_batch_size() -> None:
    rows = speedup_rows(make_history([stored(1, machine={"cpu": "old"}), stored(2, ort=20.0)]), "ort")
    assert [(row["batch_size"], row["valid"]) for row in rows] == [(1, False), (4, False), (1, True), (4, True)]
    assert all(row["speedup_low"] <= row["speedup"] <= row["speedup_high"] for row in rows)
    assert rows[2]["speedup"] == pytest.approx(3.98, abs=0.01)


def test_without_an_interval_a_point_has_none() -> None:
    run = make_run()
    rounds = make_rounds({"torch": [[80.0]], "ort": [[40.0]]})
    summary = summarize(run, rounds, make_launches(["torch", "ort"], 1))
    [row] = speedup_rows(make_history([StoredRun(Path("x"), run, summary)]), "ort")
    assert row["speedup_low"] == row["speedup"] == row["speedup_high"] == 2


def write_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / "run.json", make_run())
    with Journal(folder) as journal:
        journal.append_round(make_rounds({"torch": [[80.0]], "ort": [[40.0]]}))
        for launch in make_launches(["torch", "ort"], 1):
            journal.append_launch(launch)
    return folder


def test_results_folders_are_found_one_level_down_and_each_once(tmp_path: Path) -> None:
    inside = [write_run(tmp_path / "all" / name) for name in ("b", "a")]
    write_run(tmp_path / "all" / "deeper" / "c")
    (tmp_path / "all" / "notes").mkdir()
    other = write_run(tmp_path / "other")
    assert find_runs([tmp_path / "all", other, inside[0]]) == [*sorted(inside), other]
    assert read_stored(other).summary.cells[0].arm("ort") is not None


@pytest.mark.parametrize("name", ["empty", "missing", "file.csv"])
def test_what_holds_no_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.csv").write_text("engine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name}' is no results folder and holds none"):
        find_runs([tmp_path / name])


def test_the_document_is_read_back_as_it_was() -> None:
    runs = [stored(day) for day in (3, 1, 2)]
    random.Random(0).shuffle(runs)
    history = make_history(runs)
    assert msgspec.json.decode(msgspec.json.encode(history), type=History) == history


def test_where_nothing_is_drawn_the_reason_is_said() -> None:
    alone = make_run(["ort"])
    rounds, launches = make_rounds({"ort": [[40.0]] * 3}), make_launches(["ort"], 3)
    one = StoredRun(Path("run"), alone, summarize(alone, rounds, launches))
    assert make_history([one]).notes[0] == (
        "no chart: charts are of speedups, and ort alone was measured. Its latencies are in the table"
    )
    unmeasured = stored(3, engines=("torch", "ort", "openvino"))
    assert make_history([unmeasured]).notes[0] == (
        "no chart of openvino: no run has a speedup over torch of it in this cell"
    )
    assert not any(note.startswith("no chart") for note in make_history([stored(1)]).notes)
