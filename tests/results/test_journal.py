from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.errors import ResultsError, UsageError
from ortbench.results.folder import check_new_folder, read_run, write_atomically, write_json
from ortbench.results.journal import Journal, read_launches, read_rounds
from ortbench.results.source import load_summary, write_derived
from tests.results.factory import make_launches, make_rounds, make_run

ROUNDS = make_rounds({"torch": [[80, 82], [79, 80]], "ort": [[40, 40], [41, 40]]})
LAUNCHES = make_launches(["torch", "ort"], 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / "run.json", make_run())
    with Journal(tmp_path) as journal:
        journal.append_round(ROUNDS[:4])
        journal.append_round(ROUNDS[4:])
        for launch in LAUNCHES:
            journal.append_launch(launch)
    return tmp_path


def test_what_is_appended_is_read_back(folder: Path) -> None:
    assert read_rounds(folder) == ROUNDS
    assert read_launches(folder) == LAUNCHES
    assert read_run(folder) == make_run()


def test_a_round_is_on_disk_before_the_next_begins(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append_round(ROUNDS[:2])
        assert read_rounds(tmp_path) == ROUNDS[:2]


def test_a_torn_last_line_is_left_out(folder: Path) -> None:
    path = folder / "rounds.jsonl"
    whole = path.read_bytes()
    last_line = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in range(last_line, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_rounds(folder) == ROUNDS[:-1]


def test_a_damaged_line_in_the_middle_is_named(folder: Path) -> None:
    path = folder / "rounds.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1][:10]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ResultsError, match=r"rounds\.jsonl' line 2 is not what ortbench writes"):
        read_rounds(folder)


def test_the_summary_is_rebuilt_from_the_record_alone(folder: Path) -> None:
    write_derived(folder, load_summary(folder))
    before = (folder / "summary.json").read_bytes()
    (folder / "summary.json").write_text("{}", encoding="ascii")
    write_derived(folder, load_summary(folder))
    assert (folder / "summary.json").read_bytes() == before


def test_parquet_holds_the_same_rows_as_the_csv(folder: Path) -> None:
    import csv

    import pyarrow.parquet as pq

    write_derived(folder, load_summary(folder))
    rows = pq.read_table(folder / "results.parquet").to_pylist()
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["engine"] for row in read] == [row["engine"] for row in rows] == ["torch", "ort"]
    # The CSV has nine digits.
    assert [float(row["latency_ms"]) for row in read] == pytest.approx([row["latency_ms"] for row in rows], rel=1e-8)


def test_another_schema_version_is_refused_by_name(folder: Path) -> None:
    path = folder / "run.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(ResultsError) as caught:
        read_run(folder)
    assert str(caught.value) == (
        f"'{path}' has schema version 99; this ortbench reads version 1. Use the version of ortbench that wrote it."
    )


def test_a_folder_without_a_run_is_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultsError) as caught:
        load_summary(tmp_path)
    assert str(caught.value) == f"'{tmp_path}' is no results folder: it has no run.json."


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError) as caught:
        load_summary(tmp_path / "no")
    assert str(caught.value) == f"'{tmp_path / 'no'}' does not exist; expected a results folder or a CSV file."


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def fail(_: object, __: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_an_output_folder_must_be_new_or_empty(folder: Path, tmp_path: Path) -> None:
    check_new_folder(tmp_path / "new" / "folder")
    (tmp_path / "empty").mkdir()
    check_new_folder(tmp_path / "empty")
    with pytest.raises(UsageError) as caught:
        check_new_folder(folder)
    assert str(caught.value) == (
        f"The output folder '{folder}' already holds other results. Give an --output folder that is new or empty, "
        "or --resume to go on with the study in it."
    )
    with pytest.raises(UsageError, match="is a file; expected a folder"):
        check_new_folder(folder / "run.json")
    with pytest.raises(UsageError, match="cannot be made"):
        check_new_folder(folder / "run.json" / "below")


def test_a_torn_last_line_is_mended_before_more_is_appended(folder: Path) -> None:
    path = folder / "rounds.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    with Journal(folder) as journal:
        journal.append_round(ROUNDS[:1])
    assert read_rounds(folder) == [*ROUNDS[:-1], ROUNDS[0]]
    assert read_launches(folder) == LAUNCHES


def test_a_file_that_is_one_torn_line_is_mended_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "rounds.jsonl").write_bytes(b'{"cell":"b1')
    with Journal(tmp_path):
        pass
    assert read_rounds(tmp_path) == []
