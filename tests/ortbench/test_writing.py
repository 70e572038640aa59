"""Files are written whole, into their own folder, with the permissions that the umask leaves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ortbench.errors import RecordError, UsageError
from ortbench.products import charts_folder
from ortbench.results.folder import write_atomically, writing_product, writing_to
from ortbench.results.journal import Journal
from ortbench.writing import make_folder, open_to_append, write_whole
from tests.conftest import CommandLine, run_in

CSV = "engine,batch_size,threads,latency_ms\nort,1,1,5\ntorch,1,1,6\n"


@pytest.fixture(params=[0o077, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    write_atomically(tmp_path / "x", b"x")
    with Journal(tmp_path):
        pass
    for name in ("x", "rounds.jsonl", "launches.jsonl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious", encoding="ascii")
    (tmp_path / "x").symlink_to("precious")
    write_whole(tmp_path / "x", b"new")
    assert (tmp_path / "precious").read_text(encoding="ascii") == "precious"
    assert (tmp_path / "x").read_bytes() == b"new"
    assert not (tmp_path / "x").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "x"]


def test_a_journal_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious", encoding="ascii")
    (tmp_path / "rounds.jsonl").symlink_to("precious")
    with pytest.raises(RecordError):
        Journal(tmp_path)
    assert (tmp_path / "precious").read_text(encoding="ascii") == "precious"


def test_a_folder_of_ours_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "charts").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        make_folder(tmp_path / "charts")
    with pytest.raises(UsageError, match="is a symbolic link, which is not followed unless --output names it"):
        charts_folder(tmp_path)


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, b"through")
        assert os.read(reader, 100) == b"through"
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        (tmp_path / "link").symlink_to(pipe)
        write_whole(tmp_path / "link", b"too")
        assert os.read(reader, 100) == b"too"
    finally:
        os.close(reader)


def test_scratch_names_cannot_be_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    replaced = os.replace

    def keep(old: Path, new: Path) -> None:
        names.append(str(old))
        replaced(old, new)

    monkeypatch.setattr(os, "replace", keep)
    for _ in range(2):
        write_whole(tmp_path / ("x" * 250), b"x")
    assert len(set(names)) == 2


def test_appending_makes_a_file_and_goes_on_at_its_end(tmp_path: Path) -> None:
    for content in (b"a", b"b"):
        with open_to_append(tmp_path / "x") as file:
            file.write(content)
    assert (tmp_path / "x").read_bytes() == b"ab"


def test_only_a_study_can_be_resumed_and_only_a_full_disk_wants_room() -> None:
    full, long = OSError(28, "No space left on device"), OSError(36, "File name too long")
    said = {}
    for context in (writing_to, writing_product):
        for error in (full, long):
            with pytest.raises(RecordError) as caught, context(Path("o")):
                raise error
            said[context.__name__, error.errno] = str(caught.value)
    assert "make room, then go on with the same command and --output o --resume" in said["writing_to", 28]
    assert "room" not in said["writing_to", 36]
    assert said["writing_product", 28] == (
        "'o' cannot be written: No space left on device. Make room, then run the command again."
    )
    assert said["writing_product", 36] == "'o' cannot be written: File name too long."


@pytest.mark.parametrize(
    "words", [["show", "x.csv", "--output"], ["check", "x.csv", "--require", "latency(ort) <= 9ms", "--output"]]
)
def test_an_output_that_is_too_long_is_refused(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "x.csv").write_text(CSV, encoding="ascii")
    outcome = run_in(tmp_path, *words, f"{'x' * 300}.csv")
    assert outcome.status == 2
    assert outcome.stderr.rstrip().endswith("cannot be written: File name too long.")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("output", ["y" * 300, "y/" * 3000])
def test_a_results_folder_that_no_system_can_hold_is_refused(tmp_path: Path, model_file: Path, output: str) -> None:
    outcome = run_in(tmp_path, "compare", "--model", model_file, "--engines", "null", "--output", output, "--dry-run")
    assert outcome.status == 2
    assert "File name too long" in outcome.stderr
    assert len(outcome.stderr) < 5000


def test_a_current_folder_that_is_gone_is_said(
    ortbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_file: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    outcome = ortbench("compare", "--model", model_file, "--engines", "null", "--dry-run")
    assert outcome.status == 2
    assert outcome.stderr == (
        "Error: The current folder no longer exists. Change to one that does, and run the command again.\n"
    )


def test_a_cell_that_a_spreadsheet_would_compute_is_text(tmp_path: Path) -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "'=x", "''", "'plain", "plain"]
    rows = "".join(f'"{name}",1,1,5\n' for name in names)
    (tmp_path / "x.csv").write_text(f"engine,batch_size,threads,latency_ms\n{rows}", encoding="utf-8")
    before = run_in(tmp_path, "show", "x.csv", "--json").stdout
    assert run_in(tmp_path, "show", "x.csv", "--output", "y.csv").status == 0
    import csv
    import json

    with (tmp_path / "y.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    engines = json.loads(before)["engines"]
    assert json.loads(run_in(tmp_path, "show", "y.csv", "--json").stdout)["engines"] == engines
    assert engines[1:4] == ["+1", "-1", "@SUM(1)"]
