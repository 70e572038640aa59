"""Other people's files: the batch wherever it stands, dimensions of every kind, values that mean something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from ortbench import api
from ortbench.comparison import CompareRequest, PlannedComparison
from ortbench.errors import UsageError
from ortbench.models.inputs import make_inputs
from ortbench.results.journal import read_launches
from ortbench.run_record import new_run
from ortbench.study_file import read_study
from tests.conftest import CommandLine
from tests.ortbench import unusual_models as models


def plan(model: Path, **options: Any) -> PlannedComparison:
    return api.plan_comparison(CompareRequest(engines="null", model=str(model), output="out", **options))


def shapes(planned: PlannedComparison, batch_size: int = 1) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in make_inputs(planned.plan.source, batch_size).items()}


def refusal(model: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        plan(model, **options)
    return str(caught.value)


def test_text_needs_values_or_a_file(tmp_path: Path) -> None:
    model = models.table(tmp_path)
    assert "--values colour=TEXT" in refusal(model)
    assert "--inputs FILE.npz" in refusal(model)
    assert make_inputs(plan(model, values=["colour=grün"]).plan.source, 2)["colour"].tolist() == [["grün"]] * 2


def test_the_batch_is_found_by_its_name_behind_the_steps(tmp_path: Path) -> None:
    fixed, open_steps = models.recurrent(tmp_path, 10), models.recurrent(tmp_path, "steps")
    planned = plan(fixed, input_shape=["x=10x4x8"])
    assert planned.plan.settings.batch_sizes == (4,)
    assert shapes(planned, 4) == {"x": (10, 4, 8), "h": (1, 4, 8)}
    assert plan(fixed, input_shape=["x=10x4x8"], batch_sizes="4").plan.settings.batch_sizes == (4,)
    planned = plan(open_steps, input_shape=["x=10x4x8", "h=1x4x8"])
    assert shapes(planned, 4) == {"x": (10, 4, 8), "h": (1, 4, 8)}
    # A batch that is typed beside --batch-sizes is measured with them: neither number is dropped.
    both = plan(open_steps, input_shape=["x=10x4x8"], batch_sizes="1")
    assert both.plan.settings.batch_sizes == (1, 4)
    assert shapes(both, 1) == {"x": (10, 1, 8), "h": (1, 1, 8)}
    assert "note     --input-shape gives a batch of 4, which is measured beside --batch-sizes 1" in api.plan_lines(
        both.plan
    )


def test_a_state_follows_the_batch_of_a_file(tmp_path: Path) -> None:
    frames = {"input": np.zeros((4, 64), np.float32), "state": np.zeros((2, 4, 16), np.float32), "sr": np.int64(16000)}
    np.savez(tmp_path / "frames.npz", **frames)  # type: ignore[arg-type]  # its stub takes keywords for allow_pickle
    planned = plan(models.voice(tmp_path), inputs=str(tmp_path / "frames.npz"), batch_sizes="1,4")
    assert shapes(planned, 1) == {"input": (1, 64), "state": (2, 1, 16), "sr": ()}
    assert shapes(planned, 4) == {"input": (4, 64), "state": (2, 4, 16), "sr": ()}
    assert "rows     at batch size 1 the first items are timed, and the others are only compared" in api.plan_lines(
        planned.plan
    )


def test_of_two_batches_the_numbers_tell_which(tmp_path: Path) -> None:
    model = models.towers(tmp_path)
    assert "[text_batch_size, image_batch_size]" in refusal(model)
    planned = plan(model, input_shape=["ids=100x16"], batch_sizes="1")
    assert shapes(planned) == {"ids": (100, 16), "image": (1, 3, 4, 4)}
    np.savez(tmp_path / "in.npz", ids=np.zeros((100, 16), np.int64), image=np.zeros((1, 3, 4, 4), np.float32))
    planned = plan(model, inputs=str(tmp_path / "in.npz"), batch_sizes="1")
    assert shapes(planned) == {"ids": (100, 16), "image": (1, 3, 4, 4)}
    planned = plan(model, input_shape=["ids=1x16", "image=2x3x4x4"], batch_axis="text_batch_size")
    assert shapes(planned, 5) == {"ids": (5, 16), "image": (2, 3, 4, 4)}


def test_a_dimension_of_0_is_a_size(tmp_path: Path) -> None:
    planned = plan(models.decoder(tmp_path), input_shape=["ids=1x12", "past=1x1x0x4"])
    assert shapes(planned) == {"ids": (1, 12), "mask": (1, 12), "past": (1, 1, 0, 4)}


def test_what_the_seed_chose_is_said_with_the_option_to_choose(tmp_path: Path) -> None:
    model = models.merged(tmp_path)
    seen = {line for seed in range(6) for line in api.plan_lines(plan(model, seed=seed).plan) if "drawn" in line}
    assert seen == {
        "drawn    cached = true by the seed; --values cached=false would choose",
        "drawn    cached = false by the seed; --values cached=true would choose",
    }
    told = plan(model, values=["cached=true"])
    lines = api.plan_lines(told.plan)
    assert "values   cached=true" in lines
    assert not any("drawn" in line for line in lines)
    assert make_inputs(told.plan.source, 4)["cached"].tolist() == [True]


def test_placeholders_are_dimensions_of_their_own(tmp_path: Path) -> None:
    planned = plan(models.question_marks(tmp_path), input_shape=["x=1x3x32x64"], batch_sizes="1,4")
    assert shapes(planned, 4) == {"x": (4, 3, 32, 64)}


def test_what_runs_is_printed_and_recorded_and_can_be_asked_for_again(tmp_path: Path) -> None:
    model = models.voice(tmp_path)
    options = {
        "input_shape": ["input=1x64"],
        "values": ["sr=16000", "input=-1..1"],
        "batch_axis": "input:0,state:1",
        "batch_sizes": "1,4",
    }
    planned = plan(model, **options)
    lines = api.plan_lines(planned.plan)
    assert "shapes   input batchx64, state 2xbatchx16, sr scalar" in lines
    assert "batch    input:0,state:1: axis 0 of input, axis 1 of state" in lines
    assert "values   input=-1..1, sr=16000" in lines
    run = new_run(planned)
    assert run.inputs == {"input": ("batch", 64), "state": (2, "batch", 16), "sr": ()}
    assert run.batch_axis == "input:0,state:1"
    note = (
        "inputs: input batchx64, state 2xbatchx16, sr scalar; the batch is input:0,state:1: axis 0 of input, axis 1 of"
    )
    assert f"{note} state" in run.notes
    record = {"settings": run.settings, "artifact": {"path": str(model)}}
    (tmp_path / "run.json").write_text(json.dumps(record, default=list), encoding="utf-8")
    again = api.plan_comparison(CompareRequest(**read_study(tmp_path / "run.json") | {"output": "out"}))
    assert again.plan.settings == planned.plan.settings
    assert again.plan.source == planned.plan.source


def test_a_study_file_and_python_take_values_too(tmp_path: Path) -> None:
    model = models.only_some_values(tmp_path)
    (tmp_path / "s.toml").write_text('batch-axis = "batch"\n[values]\nsr = 16000\nx = "0..1"\n', encoding="utf-8")
    fields = read_study(tmp_path / "s.toml")
    assert fields == {"batch_axis": "batch", "values": ("sr=16000", "x=0..1")}
    for values in (fields["values"], {"sr": 16000, "x": "0..1"}):
        made = make_inputs(plan(model, values=values).plan.source, 2)
        assert made["sr"] == 16000
        assert 0 <= made["x"].min() <= made["x"].max() <= 1


def test_values_that_differ_are_another_study(tmp_path: Path) -> None:
    from ortbench.results.likeness import differences

    model = models.only_some_values(tmp_path)
    first, same, other = (new_run(plan(model, values=[f"sr={rate}"])) for rate in (8000, 8000, 16000))
    assert differences(first, same) == []
    assert any("values" in line for line in differences(first, other))


def test_a_catalog_model_takes_values_and_a_batch(tmp_path: Path) -> None:
    request = CompareRequest(
        engines="null", model="tiny", values=["input=0..1"], input_shape=["input=8x3x32x32"], output=str(tmp_path / "o")
    )
    planned = api.plan_comparison(request)
    assert planned.plan.settings.batch_sizes == (8,)
    made = make_inputs(planned.plan.source, 8)["input"]
    assert 0 <= made.min() <= made.max() <= 1


def test_a_model_without_a_batch_has_one_item_a_call(tmp_path: Path) -> None:
    model = models.save(
        tmp_path / "fixed.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [models.value("x", [4, 8])],
        [models.value("y", [4, 8])],
    )
    planned = plan(model)
    assert planned.plan.settings.batch_sizes == (1,)
    assert "batch    none: a call is one item" in api.plan_lines(planned.plan)
    assert "batch size is fixed at 4, but --batch-sizes asks for 1,2" in refusal(model, batch_sizes="1,2")
    assert plan(model, batch_axis="x:0").plan.settings.batch_sizes == (4,)
    assert plan(model, batch_sizes="4").plan.settings.batch_sizes == (4,)


def test_values_that_do_not_suit_the_model_are_named_with_what_to_say(ortbench: CommandLine, tmp_path: Path) -> None:
    outcome = ortbench("compare", "--model", models.only_some_values(tmp_path), "--max-time", "2s", "--quiet")
    assert outcome.status == 2
    assert "--values sr=16000 ('sr' is an int64 scalar, by its name a sample rate)." in outcome.stderr


def test_text_is_measured_with_its_copies(ortbench: CommandLine, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", colour=np.array([["red"], ["grün"]]), numbers=np.ones((2, 4), np.float32))
    words = ["--model", models.table(tmp_path), "--inputs", tmp_path / "rows.npz", "--batch-sizes", "2"]
    outcome = ortbench("compare", *words, "--max-time", "3s", "--quiet", "--output", "text")
    assert outcome.status == 0, outcome.stdout
    assert {record.boundary for record in read_launches(Path("text"))} == {"host+copies"}


def test_a_state_is_divided_and_joined_with_its_batch(ortbench: CommandLine, tmp_path: Path) -> None:
    words = ["--model", models.voice(tmp_path), "--engines", "ort,ort[sessions=2]", "--threads", "2"]
    words += ["--input-shape", "input=4x64", "--input-shape", "state=2x4x16", "--values", "sr=16000"]
    outcome = ortbench("compare", *words, "--max-time", "4s", "--quiet", "--output", "state")
    cells = json.loads(Path("state/summary.json").read_text(encoding="utf-8"))["cells"]
    assert [cell["batch_size"] for cell in cells] == [4]
    assert all(arm["parity"]["ok"] for cell in cells for arm in cell["arms"]), outcome.stdout
    assert "note: inputs: input batchx64, state 2xbatchx16, sr scalar" in ortbench("show", "state").stdout
    run = json.loads(Path("state/run.json").read_text(encoding="utf-8"))
    assert run["inputs"] == {"input": ["batch", 64], "state": [2, "batch", 16], "sr": []}


def test_boxes_of_all_pictures_together_are_not_divided(ortbench: CommandLine, tmp_path: Path) -> None:
    words = ["--model", models.detector(tmp_path), "--engines", "ort,ort[sessions=2]", "--batch-sizes", "4"]
    outcome = ortbench("compare", *words, "--max-time", "3s", "--quiet", "--output", "out")
    assert outcome.status == 3
    assert "sessions have nothing to divide: the output 'dets' (num_detsx3) is not of the batch" in outcome.stdout
    arms = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"][0]["arms"]
    assert [arm["status"] for arm in arms] == ["ok", "failed", "ok"]
