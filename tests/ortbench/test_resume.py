from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ortbench.results.folder import read_run, write_json
from ortbench.results.journal import read_launches, read_rounds
from tests.conftest import CommandLine, end_after_launches, run_in, write_model

WORDS = ("--engines", "ort,null", "--batch-sizes", "1", "--quiet")


def study(model_file: Path, *more: str) -> list[str | Path]:
    return ["compare", "--model", model_file, *WORDS, *more]


def refusal(outcome: object) -> str:
    assert outcome.status == 2, outcome  # type: ignore[attr-defined]  # an Outcome
    return str(outcome.stderr).strip().removeprefix("Error: ")  # type: ignore[attr-defined]  # an Outcome


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and the results of a study of it that has used its two seconds."""
    folder = tmp_path_factory.mktemp("original")
    words = study(write_model(folder / "product.onnx", ["N", 8]), "--max-time", "2s", "--target", "0.01%")
    assert run_in(folder, *words, "--no-charts", "--output", "out").status == 0
    return folder


@pytest.fixture
def model_file(original: Path) -> Iterator[Path]:
    """The model as it was measured, however a test changes it."""
    file = original / "product.onnx"
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


@pytest.fixture
def measured(ortbench: CommandLine, original: Path) -> Path:
    """A copy of the results to go on with; `ortbench` has made the folder that it is in."""
    del ortbench
    return Path(shutil.copytree(original / "out", "out"))


def test_more_time_makes_more_launches_of_the_same_study(
    ortbench: CommandLine, model_file: Path, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So much time that a launch fits on a busy machine too; one is enough.
    end_after_launches(monkeypatch, 1)
    begun, rounds = read_run(measured), len(read_rounds(measured))
    created, spent = begun.created, begun.time_s["total"]
    outcome = ortbench(*study(model_file, "--max-time", "90s", "--target", "0.02%", "--output", "out", "--resume"))
    assert outcome.status == 0, outcome.stderr
    # By the record, as rounds of a disturbed launch stand there and count in no summary.
    assert {line.launch for line in read_rounds(measured)} == {1, 2}
    assert len(read_rounds(measured)) > rounds
    run = read_run(measured)
    assert run.created == created
    assert run.settings["max_time_s"] == 90
    assert run.time_s["total"] > spent
    # Slices are made up as the first launch settled it, before and after.
    assert run.slices == begun.slices
    plans = {plan.engine: (plan.lead_in, plan.calls) for plan in run.slices}
    assert plans.keys() == {"ort", "null"}
    later = [line for line in read_rounds(measured) if line.launch > 1]
    assert {(line.engine, line.twin) for line in later} == {("ort", False), ("ort", True), ("null", False)}
    assert all((len(line.lead_in_ns), len(line.samples_ns)) == plans[line.engine] for line in later)
    # Stretches are a first launch's alone.
    assert {record.launch for record in read_launches(measured) if record.stretches_ns} == {1}


def test_a_study_that_has_used_its_time_asks_for_more(ortbench: CommandLine, model_file: Path, measured: Path) -> None:
    message = refusal(
        ortbench(*study(model_file, "--max-time", "1s", "--target", "0.01%", "--output", "out", "--resume"))
    )
    assert message.endswith("all of its --max-time; give a longer --max-time to go on.")
    assert str(measured) in message


def test_other_settings_are_refused_by_name(ortbench: CommandLine, model_file: Path, measured: Path) -> None:
    message = refusal(ortbench(*study(model_file, "--seed", "7", "--output", "out", "--resume")))
    assert message.startswith(f"The study in '{measured}' cannot go on, since this is not the same study: ")
    assert "seed was 0, is 7" in message
    assert message.endswith("only --max-time and --target may differ.")


def test_another_machine_and_another_version_are_refused_by_name(
    ortbench: CommandLine, model_file: Path, measured: Path
) -> None:
    run = read_run(measured)
    changed = {"machine": {**run.machine, "cpu": "Z80"}, "versions": {**run.versions, "onnxruntime": "0.1"}}
    write_json(measured / "run.json", type(run)(**{**{n: getattr(run, n) for n in run.__struct_fields__}, **changed}))
    message = refusal(ortbench(*study(model_file, "--max-time", "9s", "--output", "out", "--resume")))
    assert "the machine's cpu was Z80, is " in message
    assert "the version of onnxruntime was 0.1, is " in message


def test_another_model_file_is_refused(ortbench: CommandLine, model_file: Path, measured: Path) -> None:
    content = model_file.read_bytes()
    model_file.write_bytes(content.replace(b"product", b"proDuct"))
    message = refusal(ortbench(*study(model_file, "--max-time", "9s", "--output", "out", "--resume")))
    assert "the artifact's sha256 was " in message
    assert measured.exists()


def test_another_content_of_the_inputs_file_is_refused(ortbench: CommandLine, model_file: Path) -> None:
    words = ("--inputs", "inputs.npz", "--output", "out", "--max-time")
    np.savez("inputs.npz", x=np.zeros((1, 8), np.float32))
    assert ortbench(*study(model_file, *words, "2s")).status == 0
    np.savez("inputs.npz", x=np.ones((1, 8), np.float32))
    message = refusal(ortbench(*study(model_file, *words, "9s", "--resume")))
    assert "the file given with --inputs was " in message


def test_there_must_be_a_folder_and_a_study_in_it(ortbench: CommandLine, model_file: Path, tmp_path: Path) -> None:
    assert refusal(ortbench(*study(model_file, "--resume"))) == (
        "--resume goes on with the study in a folder; say which one with --output FOLDER."
    )
    (tmp_path / "empty").mkdir()
    assert refusal(ortbench(*study(model_file, "--output", str(tmp_path / "empty"), "--resume"))) == (
        f"'{tmp_path / 'empty'}' is no results folder: it has no run.json."
    )
