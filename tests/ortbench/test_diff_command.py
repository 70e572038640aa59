from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ortbench.results.folder import write_json
from ortbench.results.journal import Journal
from ortbench.results.schema import ArtifactRecord
from tests.conftest import CommandLine
from tests.results.factory import make_launches, make_rounds, make_run

HEADER = "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms"
NOISE = (1.0, 1.001, 0.999, 1.002, 0.998, 1.0)


def write_run(folder: Path, ort: float = 40.0, *, failed: bool = False, **changes: Any) -> Path:
    """Write a results folder: torch takes 80 ms and ort `ort` ms, in six launches that differ a little."""
    folder.mkdir(parents=True)
    write_json(folder / "run.json", make_run(**changes))
    figures = {"torch": [[80.0] * 2] * 6, "ort": [[ort * noise] * 2 for noise in NOISE]}
    with Journal(folder) as journal:
        journal.append_round(make_rounds(figures))
        launches = make_launches(["torch", "ort"], 6)
        launches += make_launches(["ort"], 1, status="failed", reason="ort hung") if failed else []
        for launch in launches:
            journal.append_launch(launch)
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_run(tmp_path / "old")


def test_a_faster_run_is_said_to_be(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    outcome = ortbench("diff", old, write_run(tmp_path / "new", 20.0))
    assert (outcome.status, outcome.stderr) == (0, "")
    assert "2.00 -> 4.00" in outcome.stdout
    assert outcome.stdout.splitlines()[-1] == "ort: 1 cell faster, none slower"


def test_a_run_against_itself_shows_no_change(ortbench: CommandLine, old: Path) -> None:
    outcome = ortbench("diff", old, old, "--fail-on", "slower")
    assert (outcome.status, outcome.stdout.splitlines()[-1]) == (0, "No change shown. ort: 1 cell same")


@pytest.mark.parametrize(
    ("ort", "failed", "words", "status"),
    [
        (80.0, False, [], 0),
        (80.0, False, ["--fail-on", "slower"], 1),
        (20.0, False, ["--fail-on", "slower"], 0),
        (40.0, True, ["--fail-on", "slower"], 3),
        (40.0, True, [], 0),
    ],
)
def test_only_fail_on_makes_it_a_gate(
    ortbench: CommandLine, tmp_path: Path, old: Path, ort: float, failed: bool, words: list[str], status: int
) -> None:
    outcome = ortbench("diff", old, write_run(tmp_path / "new", ort, failed=failed), *words)
    assert (outcome.status, outcome.stderr) == (status, "")
    assert ("failed in new (ort hung)" in outcome.stdout) == failed


def test_with_nothing_decided_the_gate_is_inconclusive(ortbench: CommandLine, tmp_path: Path) -> None:
    csv = tmp_path / "only.csv"
    csv.write_text(f"{HEADER}\ntorch,1,1,80,79,81\n", encoding="utf-8")
    assert ortbench("diff", csv, csv, "--fail-on", "slower").status == 3


def test_json_is_one_document(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    new = write_run(tmp_path / "new", 20.0, versions={"torch": "2.15.0"})
    document = json.loads(ortbench("diff", old, new, "--json").stdout)
    assert (document["schema_version"], document["old"], document["new"]) == (1, str(old), str(new))
    assert document["differences"] == ["the version of torch was unset, is 2.15.0"]
    torch, ort = document["cells"][0]["arms"]
    assert (torch["speedup"], torch["verdict"]) == (None, None)
    assert ort["verdict"] == "faster"
    assert ort["speedup"]["ratio"] == pytest.approx(2)
    low, high = ort["speedup"]["ci95"]
    assert 1.98 < low < 2 < high < 2.02


def test_another_version_is_marked_and_compared(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    outcome = ortbench("diff", old, write_run(tmp_path / "new", versions={"torch": "2.15.0"}, settings={"seed": 1}))
    assert outcome.status == 0
    assert "differs: the version of torch was unset, is 2.15.0" in outcome.stdout
    assert "differs: seed was unset, is 1" in outcome.stdout


def test_another_machine_is_refused_and_anyway_marked(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    new = write_run(tmp_path / "new", machine={"cpu": "other"})
    outcome = ortbench("diff", old, new)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"Error: '{old}' and '{new}' are not comparable: the machine's cpu was test, is other. "
        "Measure both alike, or see them marked by `ortbench diff --anyway`.\n"
    )
    outcome = ortbench("diff", old, new, "--anyway")
    assert outcome.status == 0
    assert "(not comparable, shown anyway)" in " ".join(outcome.stdout.split())  # a long path wraps the title
    assert "not comparable: the machine's cpu was test, is other" in outcome.stdout
    assert "differs:" not in outcome.stdout


def test_another_artifact_is_refused(ortbench: CommandLine, tmp_path: Path) -> None:
    old, new = (
        write_run(tmp_path / digest, artifact=ArtifactRecord(path="model.onnx", sha256=digest))
        for digest in ("aa", "bb")
    )
    outcome = ortbench("diff", old, new)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "the artifact's sha256 was aa, is bb" in outcome.stderr


def test_a_csv_is_compared_and_what_it_does_not_say_is_marked(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    csv = tmp_path / "m.csv"
    csv.write_text(f"{HEADER}\ntorch,1,2,80,79,81\nort,1,2,20,19.9,20.1\n", encoding="utf-8")
    outcome = ortbench("diff", old, csv)
    assert outcome.status == 0
    assert "differs: a CSV does not say what was measured, and on what" in outcome.stdout
    assert "intervals are the widest that both runs' bounds allow" in outcome.stdout
    assert outcome.stdout.splitlines()[-1] == "ort: 1 cell faster, none slower"


def test_wrong_usage_is_one_message(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    outcome = ortbench("diff", old, old, "--fail-on", "faster")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == "Error: Expected --fail-on to be one of [slower], but got 'faster'.\n"
    outcome = ortbench("diff", old, tmp_path / "missing")
    assert outcome.status == 2
    assert "missing' does not exist; expected a results folder or a CSV file." in outcome.stderr


def test_runs_without_a_common_cell_are_refused(ortbench: CommandLine, tmp_path: Path, old: Path) -> None:
    csv = tmp_path / "m.csv"
    csv.write_text(f"{HEADER}\ntorch,64,2,80,79,81\n", encoding="utf-8")
    outcome = ortbench("diff", old, csv)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert f"'{old}' has torch, ort in the cells b1-t2 and '{csv}' has torch in the cells b64-t2" in outcome.stderr


def history_folder(tmp_path: Path) -> Path:
    for day, ort in ((2, 36.0), (1, 40.0)):
        write_run(
            tmp_path / "runs" / f"day{day}",
            ort,
            created=f"2026-01-{day:02}T12:00:00+00:00",
            versions={"torch": f"2.{day}", "onnxruntime": "1.32.0"},
            machine={"cpu": "test" if day == 2 else "old"},
        )
    return tmp_path / "runs"


def test_a_history_is_a_table_by_time_and_a_chart_an_engine(ortbench: CommandLine, tmp_path: Path) -> None:
    outcome = ortbench("history", history_folder(tmp_path))
    assert (outcome.status, outcome.stderr) == (0, "")
    lines = [line.strip() for line in outcome.stdout.splitlines()]
    assert lines[0] == "m, batch size 1, threads 2, baseline torch"
    first, second = [line for line in lines if line.startswith("2026-")]
    assert first.startswith("2026-01-01T12:00:00+00:00 *")
    assert "2.00x" in first
    assert "2.22x" in second
    assert lines[-1] == "2 files in ortbench-history"
    assert sorted(path.name for path in Path("ortbench-history").iterdir()) == ["history-ort.png", "history-ort.svg"]


def test_a_history_as_json_names_its_files(ortbench: CommandLine, tmp_path: Path) -> None:
    outcome = ortbench("history", history_folder(tmp_path), "--json", "--output", "pictures")
    document = json.loads(outcome.stdout)
    assert document["files"] == ["pictures/history-ort.png", "pictures/history-ort.svg"]
    assert [run["other_machine"] for run in document["runs"]] == [True, False]
    assert [run["versions"]["torch"] for run in document["runs"]] == ["2.1", "2.2"]


def test_a_cell_that_no_run_has_is_refused_before_anything_is_written(ortbench: CommandLine, tmp_path: Path) -> None:
    outcome = ortbench("history", history_folder(tmp_path), "--batch-size", "3")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: No run has that cell.")
    assert not Path("ortbench-history").exists()


def test_charts_that_cannot_be_written_are_one_message(ortbench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    outcome = ortbench("history", history_folder(tmp_path), "--output", tmp_path / "file")
    assert outcome.status == 2
    assert outcome.stderr == f"Error: The output folder '{tmp_path / 'file'}' cannot be written: File exists.\n"
