from __future__ import annotations

import json
from pathlib import Path

import pytest

from ortbench.study_file import read_study
from tests.conftest import CommandLine
from tests.ortbench.test_diff_command import write_run


def verdict(ortbench: CommandLine, *words: object) -> str:
    cells = json.loads(ortbench("show", *words, "--json").stdout)["cells"]
    return next(str(arm["speedup"]["verdict"]) for cell in cells for arm in cell["arms"] if arm["speedup"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study in which ort is faster by 3 %, give or take 0.2 %."""
    return write_run(tmp_path / "study", ort=80 / 1.03, settings={"target": 0.02, "margin": 0.01})


def test_a_record_is_judged_by_another_margin(ortbench: CommandLine, folder: Path) -> None:
    assert verdict(ortbench, folder) == "faster"
    assert verdict(ortbench, folder, "--margin", "5%") == "same"
    refused = ortbench("show", folder, "--margin", "5")
    assert (refused.status, refused.stderr) == (
        2,
        "Error: Expected --margin to be a percentage such as 2%, but got '5'.\n",
    )


def test_a_csv_is_judged_by_another_margin(ortbench: CommandLine, tmp_path: Path) -> None:
    csv = tmp_path / "x.csv"
    csv.write_text(
        "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms\na,1,1,103,103,103\nb,1,1,100,100,100\n"
    )
    assert verdict(ortbench, csv) == "faster"
    assert verdict(ortbench, csv, "--margin", "5%") == "same"


def test_a_change_is_judged_by_the_margin_that_is_asked_for(
    ortbench: CommandLine, tmp_path: Path, folder: Path
) -> None:
    old = write_run(tmp_path / "old", ort=80.0)
    assert "faster" in ortbench("diff", old, folder).stdout.splitlines()[-1]
    assert "same" in ortbench("diff", old, folder, "--margin", "5%").stdout.splitlines()[-1]


def test_a_study_file_gives_the_margin(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('margin = "3%"\n')
    assert read_study(file) == {"margin": "3%"}
