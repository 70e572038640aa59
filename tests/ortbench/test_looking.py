"""`show --output` and `report` from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import CommandLine


@pytest.fixture
def figures(ortbench: CommandLine) -> Path:
    """A CSV in the folder where commands run; `ortbench` has made that folder."""
    del ortbench
    file = Path("figures.csv")
    file.write_text('engine,batch_size,threads,latency_ms\n"a|b",1,1,5\nc,1,1,4\n', encoding="utf-8")
    return file


def test_the_table_is_written_as_the_ending_says(ortbench: CommandLine, figures: Path) -> None:
    for ending in ("csv", "parquet", "md", "json"):
        outcome = ortbench("show", figures, "--output", f"out.{ending}", "--json")
        assert (outcome.status, json.loads(outcome.stdout)) == (0, {"file": f"out.{ending}"}), outcome.stderr
    with Path("out.csv").open(encoding="utf-8") as file:
        assert [row["engine"] for row in csv.DictReader(file)] == ["a|b", "c"]
    assert pq.read_table("out.parquet").column("latency_ms").to_pylist() == [5.0, 4.0]
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))["baseline"] == "a|b"
    lines = Path("out.md").read_text(encoding="utf-8").splitlines()
    assert "a\\|b" in lines[0]
    assert any(line.startswith("| c | 1 | 1 | 4.00 | 250 | 1.250x") for line in lines)
    assert all(line.replace("\\|", "").count("|") == 8 for line in lines if line.startswith("|"))


def test_another_ending_is_refused(ortbench: CommandLine, figures: Path) -> None:
    outcome = ortbench("show", figures, "--output", "out.xlsx")
    assert outcome.status == 2
    assert "[.csv, .parquet, .md, .json]" in outcome.stderr


@pytest.mark.parametrize(
    ("command", "output", "why"),
    [
        ("show", "missing/out.md", "No such file or directory"),
        ("charts", "figures.csv", "File exists"),
        ("report", "folder", "Is a directory"),
        ("report", "figures.csv/report.html", "File exists"),
    ],
)
def test_an_output_that_cannot_be_written_is_a_mistake_that_is_named(
    ortbench: CommandLine, figures: Path, command: str, output: str, why: str
) -> None:
    Path("folder").mkdir()
    outcome = ortbench(command, figures, "--output", output)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == f"Error: The output '{output}' cannot be written: {why}.\n"


def test_the_report_says_where_it_is(ortbench: CommandLine, figures: Path) -> None:
    outcome = ortbench("report", figures, "--json")
    document = json.loads(outcome.stdout)
    assert document["file"] == "figures-report.html"
    assert Path("figures-report.html").stat().st_size == document["size_bytes"]
    assert ortbench("report", figures, "--output", "deep/down/page.html").stdout.strip() == "deep/down/page.html"
    assert ortbench("report", "nowhere").status == 2


def test_every_command_has_an_example_in_its_help(ortbench: CommandLine) -> None:
    listed = ortbench("--help").stdout.partition("Commands:")[2].split("\n")
    names = [line.split()[0] for line in listed if line.startswith("  ") and not line.startswith("   ")]
    assert {"export", "compare", "show", "charts", "report", "check", "diff", "history", "doctor"} <= set(names)
    for name in names:
        assert f"Example: ortbench {name}" in " ".join(ortbench(name, "--help").stdout.split())
