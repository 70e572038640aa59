from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ortbench.results.folder import write_json
from ortbench.results.journal import Journal
from tests.conftest import CommandLine
from tests.results.factory import make_launches, make_rounds, make_run

CSV = """engine,model,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms
torch,inception_v3,1,1,109.4,108.8,117.0
torch,inception_v3,4,1,400,390,410
ort,inception_v3,1,1,54.7,54.0,56.0
ort,inception_v3,4,1,300,290,420
"""
UNPAIRED = (
    "figures from a CSV are not paired: the interval of a ratio is the widest that the two latency intervals allow"
)
PASSES = "ort/torch >= 1.2 where batch_size=1"
FAILS = "ort/torch >= 3 where batch_size=1"
IS_OPEN = "ort/torch >= 1.2 where batch_size=4"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "numbers.csv"
    file.write_text(CSV, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("requirements", "status"),
    [
        ([PASSES], 0),
        ([PASSES, "latency(ort) <= 500ms"], 0),
        ([PASSES, IS_OPEN], 3),
        ([PASSES, IS_OPEN, FAILS], 1),
        (["ort/torch >= 1.2"], 3),
    ],
)
def test_the_exit_status_is_that_of_the_worst_answer(
    ortbench: CommandLine, csv: Path, requirements: list[str], status: int
) -> None:
    words = [word for requirement in requirements for word in ("--require", requirement)]
    outcome = ortbench("check", csv, *words)
    assert (outcome.status, outcome.stderr) == (status, "")


def test_it_prints_a_line_for_each_cell(ortbench: CommandLine, csv: Path) -> None:
    outcome = ortbench("check", csv, "--require", "ort/torch >= 1.2")
    assert outcome.stdout.splitlines() == [
        "PASS          ort/torch >= 1.2; inception_v3, batch size 1, threads 1: 2.00 [1.94, 2.17]",
        "INCONCLUSIVE  ort/torch >= 1.2; inception_v3, batch size 4, threads 1: 1.33 [0.929, 1.41]",
        f"note: {UNPAIRED}",
        "1 passed, 0 failed, 1 inconclusive: inconclusive",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [],
            "There is nothing to check. Give --require 'ort/torch >= 1.2 where batch_size=1', or --requirements FILE.",
        ),
        (
            ["--require", "ort/torch > 1"],
            "Expected >= or <=, but got '>': write >=.\n  ort/torch > 1\n            ^\n"
            "Example: ort/torch >= 1.2 where batch_size=1, threads=2",
        ),
        (
            ["--require", "tvm/torch >= 1"],
            "No cell of 'tvm/torch >= 1' has the engine 'tvm'. Its cells have: torch, ort.",
        ),
        (
            ["--require", "ort/torch >= 1 where threads=8"],
            "No cell matches 'ort/torch >= 1 where threads=8'. There is: model inception_v3; precision fp32; "
            "batch_size 1, 4; threads 1; instances 1; mode single; allocator default.",
        ),
        (
            ["--require", PASSES, "--format", "xml"],
            "Expected --format to be one of [text, json, junit, github, markdown], but got 'xml'.",
        ),
        (
            ["--require", PASSES, "--format", "junit", "--json"],
            "Expected --json or --format junit, but got both.",
        ),
        (
            ["--requirements", "gates.toml"],
            "The requirements 'gates.toml' cannot be read: No such file or directory.",
        ),
        (
            ["--require", PASSES, "--output", "missing/answer.txt"],
            "The output 'missing/answer.txt' cannot be written: No such file or directory.",
        ),
    ],
)
def test_wrong_usage_is_refused_with_one_message(
    ortbench: CommandLine, csv: Path, words: list[str], message: str
) -> None:
    outcome = ortbench("check", csv, *words)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (2, "", f"Error: {message}\n")


def test_results_that_are_not_there_are_refused(ortbench: CommandLine) -> None:
    outcome = ortbench("check", "nowhere", "--require", PASSES)
    assert outcome.status == 2
    assert outcome.stderr.startswith("Error: 'nowhere' does not exist")


def test_requirements_come_from_a_file_too(ortbench: CommandLine, csv: Path) -> None:
    Path("gates.toml").write_text(
        f'require = ["{PASSES}"]\n[[requirement]]\nname = "far"\nrequire = "{FAILS}"\n', encoding="utf-8"
    )
    outcome = ortbench("check", csv, "--requirements", "gates.toml", "--require", IS_OPEN, "--json")
    assert outcome.status == 1
    answers = json.loads(outcome.stdout)["answers"]
    assert [(answer["name"], answer["outcome"]) for answer in answers] == [
        (None, "inconclusive"),
        (None, "pass"),
        ("far", "fail"),
    ]


def test_json_is_one_document_however_it_is_asked_for(ortbench: CommandLine, csv: Path) -> None:
    by_flag = ortbench("check", csv, "--require", PASSES, "--json")
    by_format = ortbench("check", csv, "--require", PASSES, "--format", "json", "--output", "answer.json")
    assert by_flag.stdout == by_format.stdout == Path("answer.json").read_text(encoding="utf-8")
    document = json.loads(by_flag.stdout)
    assert (document["schema_version"], document["outcome"], document["exit_status"]) == (1, "pass", 0)
    assert document["notes"] == [UNPAIRED]


def test_junit_goes_to_the_file_and_the_text_to_standard_output(ortbench: CommandLine, csv: Path) -> None:
    outcome = ortbench("check", csv, "--require", FAILS, "--format", "junit", "--output", "junit.xml")
    assert outcome.status == 1
    assert outcome.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 inconclusive: fail"
    assert ET.fromstring(Path("junit.xml").read_text(encoding="utf-8")).get("failures") == "1"


def test_on_github_annotations_are_printed_and_the_step_summary_is_added_to(
    ortbench: CommandLine, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("summary.md").write_text("# before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    outcome = ortbench("check", csv, "--require", FAILS, "--format", "github")
    assert outcome.status == 1
    assert outcome.stdout.startswith("::error title=ortbench check%3A fail::ort/torch >= 3 where batch_size=1; ")
    written = Path("summary.md").read_text(encoding="utf-8")
    assert written.startswith("# before\n### ortbench check: fail\n")
    assert ortbench("check", csv, "--require", FAILS).status == 1
    assert Path("summary.md").read_text(encoding="utf-8") == written


def test_a_folder_is_decided_on_its_paired_intervals(ortbench: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    spells = [1.0, 1.5, 0.9, 1.2, 2.0, 1.1, 0.8]
    figures = {
        name: [[scale * spell * noise for noise in (1.0, 1.01)] for spell in spells]
        for name, scale in (("torch", 80.0), ("ort", 40.0), ("null", 20.0))
    }
    write_json(folder / "run.json", make_run(tuple(figures)))
    with Journal(folder) as journal:
        journal.append_round(make_rounds(figures))
        for launch in make_launches(list(figures), len(spells)):
            journal.append_launch(launch)
    requirements = ("null/ort >= 1.9", "null/ort >= 2.1", "latency(ort) <= 40ms")
    words = [word for requirement in requirements for word in ("--require", requirement)]
    outcome = ortbench("check", folder, *words, "--json")
    assert outcome.status == 1, outcome.stdout
    document = json.loads(outcome.stdout)
    # The spells of the machine cancel in the ratio, and not in the latency.
    assert [answer["outcome"] for answer in document["answers"]] == ["pass", "fail", "inconclusive"]
    assert document["answers"][0]["interval"] == pytest.approx([2, 2])
    assert document["paired"] is True


@pytest.mark.usefixtures("one_launch")
def test_a_study_of_one_launch_passes_no_gate(ortbench: CommandLine, model_file: Path) -> None:
    words = ("--engines", "null,scripted[latency=2ms]", "--batch-sizes", "1", "--quiet", "--output", "out")
    assert ortbench("compare", "--model", model_file, *words).status == 0
    outcome = ortbench("check", "out", "--require", "null/scripted[latency=2ms] >= 1.2")
    assert outcome.status == 3
    assert "no interval: there is one launch" in outcome.stdout


def test_checking_imports_no_engine(csv: Path) -> None:
    code = f"""import sys
from ortbench.cli import run
assert run(["check", {str(csv)!r}, "--require", {PASSES!r}]) == 0
assert not {{"torch", "onnxruntime", "altair", "rich"}} & set(sys.modules)"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True)
