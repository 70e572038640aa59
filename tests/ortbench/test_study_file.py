from __future__ import annotations

import json
from pathlib import Path

import pytest

from ortbench.comparison import CompareRequest
from ortbench.errors import UsageError
from ortbench.study_file import read_study
from tests.conftest import CommandLine

STUDY = """
engines = ["ort", "null"]
batch-sizes = [1, 2]
threads = 1
target = "0.01%"
max_time = "2s"
input_shape = { x = [1, 8] }
seed = 7
"""


def written(folder: Path, text: str, name: str = "study.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_file_says_what_the_command_line_would(tmp_path: Path) -> None:
    fields = read_study(written(tmp_path, STUDY))
    assert CompareRequest(**fields) == CompareRequest(
        engines="ort,null",
        batch_sizes="1,2",
        threads="1",
        target="0.01%",
        max_time="2s",
        input_shape=("x=1x8",),
        seed=7,
    )


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + STUDY)
    assert read_study(path)["seed"] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('engine = "ort"', "there is no option 'engine'. Did you mean 'engines'?"),
        ("quiet = true", "there is no option 'quiet'. Expected one of [engines, model,"),
        ("target = 2", "target = 2 is not a string."),
        ("batch_sizes = []", "batch_sizes = [] is not a number, a string or a list of them."),
        ('full = "yes"', "full = 'yes' is not true or false."),
        ("seed = -1", "seed = -1 is not a whole number from 0 on."),
        ("seed = ", "is not TOML: "),
    ],
)
def test_what_it_cannot_say_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_study(written(tmp_path, text))
    assert message in str(caught.value)
    assert "study.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"), [("run.json", "{}"), ("run.json", "[1]"), ("run.json", "{"), ("x.toml", "\x00")]
)
def test_a_broken_file_is_one_message(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(UsageError, match="--study"):
        read_study(written(tmp_path, text, name))
    with pytest.raises(UsageError, match="cannot be read"):
        read_study(tmp_path / "missing.toml")


def test_a_study_file_is_measured_and_its_record_serves_as_one(ortbench: CommandLine, model_file: Path) -> None:
    written(Path(), STUDY)
    first = ortbench(
        "compare", "--study", "study.toml", "--model", model_file, "--batch-sizes", "1", "--output", "a", "--quiet"
    )
    assert first.status == 0, first.stderr
    settings = json.loads(Path("a/run.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["batch_sizes"], settings["seed"], settings["threads"]) == ([1], 7, [1])

    again = ortbench("compare", "--study", "a", "--dry-run", "--json", "--output", "b")
    assert again.status == 0, again.stderr
    assert json.loads(again.stdout) == settings


@pytest.mark.usefixtures("one_launch")
def test_measuring_anew_says_what_changed(ortbench: CommandLine, model_file: Path) -> None:
    words = ("--engines", "ort,scripted[latency=2ms]", "--batch-sizes", "1", "--max-time", "3s", "--quiet")
    assert ortbench("compare", "--model", model_file, *words, "--output", "old").status == 0
    outcome = ortbench("compare", "--against", "old", "--output", "new", "--quiet")
    assert outcome.status == 0, outcome.stderr
    assert "old -> new, baseline ort" in outcome.stdout
    document = json.loads(ortbench("compare", "--against", "old", "--output", "newer", "--quiet", "--json").stdout)
    [cell] = document["change"]["cells"]
    assert [arm["engine"] for arm in cell["arms"]] == ["ort", "scripted[latency=2ms]"]

    run = json.loads(Path("old/run.json").read_text(encoding="utf-8"))
    run["machine"]["cpu"] = "another"
    Path("old/run.json").write_text(json.dumps(run), encoding="utf-8")
    outcome = ortbench("compare", "--against", "old", "--output", "newest", "--quiet")
    assert outcome.status == 0
    assert "old -> newest" not in outcome.stdout
    assert "baseline ort" in outcome.stdout
    assert "No change is shown: 'old' and 'newest' are not comparable: " in outcome.stderr


def test_what_is_compared_with_must_be_there_before_anything_is_measured(ortbench: CommandLine) -> None:
    outcome = ortbench("compare", "--against", "nowhere", "--output", "new")
    assert outcome.status == 2
    assert not Path("new").exists()
