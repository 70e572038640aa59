from __future__ import annotations

import msgspec
import pytest

from ortbench.engines.registry import resolve_engines
from ortbench.errors import ModelError, UsageError
from ortbench.models.catalog import find_model
from ortbench.results.schema import ArmKey
from ortbench.runner.planning import (
    FULL_BATCH_SIZES,
    Settings,
    StudyPlan,
    choose_batch_sizes,
    describe_plan,
    make_plan,
)
from ortbench.runner.sources import is_file, parse_input_shapes, parse_values


def plan(engines: str = "torch,ort", threads: tuple[int, ...] = (1, 2), precision: str = "fp32") -> StudyPlan:
    resolved = resolve_engines(engines)
    settings = Settings(
        engines=tuple(engine.label for engine in resolved),
        baseline=resolved[0].label,
        model="tiny",
        weights="random",
        precision=precision,
        batch_sizes=(1, 4),
        threads=threads,
        target=0.02,
        max_time_s=300,
        seed=0,
    )
    return make_plan(settings, find_model("tiny").source(), resolved)


def test_cells_of_equal_threads_share_a_launch() -> None:
    groups = plan().groups
    assert [[(cell.key.threads, cell.key.batch_size) for cell in group] for group in groups] == [
        [(1, 1), (1, 4)],
        [(2, 1), (2, 4)],
    ]


def test_the_baseline_has_a_twin_at_the_smallest_batch_size_or_in_every_cell() -> None:
    twin = ArmKey("torch", twin=True)
    assert [twin in cell.arms for cell in plan().cells] == [True, False, True, False]
    study = plan()
    everywhere = make_plan(msgspec.structs.replace(study.settings, twins="all"), study.source, study.engines)
    assert all(cell.arms == (ArmKey("torch"), ArmKey("ort"), twin) for cell in everywhere.cells)


def test_an_export_is_needed_only_by_engines_that_run_one() -> None:
    assert plan("torch,ort").exports == ("fp32",)
    assert plan("torch,torchscript").exports == ()


def test_a_reference_is_needed_only_where_something_is_computed() -> None:
    assert plan("null,scripted").needs_reference
    assert not plan("null").needs_reference


def test_cells_have_short_names_that_differ() -> None:
    names = [cell.key.id for cell in plan().cells]
    assert names == ["b1-t1", "b4-t1", "b1-t2", "b4-t2"]


def test_the_default_batch_sizes_give_way_to_what_is_given_and_to_a_fixed_one() -> None:
    assert choose_batch_sizes(None, None, full=False) == (1, 4, 16)
    assert choose_batch_sizes([2], None, full=False) == (2,)
    assert choose_batch_sizes(None, None, full=True) == FULL_BATCH_SIZES
    assert choose_batch_sizes(None, 3, full=False) == (3,)
    assert choose_batch_sizes(None, 3, full=True) == (3,)
    assert choose_batch_sizes([3], 3, full=False) == (3,)
    assert choose_batch_sizes(None, None, full=False, told=100) == (100,)
    assert choose_batch_sizes([1, 100], None, full=False, told=100) == (1, 100)
    assert choose_batch_sizes([1, 4], None, full=False, told=2) == (1, 2, 4)
    with pytest.raises(ModelError):
        choose_batch_sizes([1, 3], 3, full=False)
    with pytest.raises(ModelError, match=r"leaves no batch open.*--batch-axis"):
        choose_batch_sizes([4], 1, full=False)


def test_the_plan_says_what_and_how_long() -> None:
    assert describe_plan(plan(), export_needed=False) == [
        "model    tiny (random weights, fp32, seed 0)",
        "engines  torch, ort; baseline torch",
        "cells    4: batch size 1, 4 x threads 1, 2, 2 arms each",
        "twin     torch also runs against itself at batch size 1",
        "time     up to 5 min of measuring, less once every speedup is known within ±2 %",
    ]


@pytest.mark.parametrize(
    ("model", "file"), [("resnet50", False), ("m.onnx", True), ("some/model", True), ("unknown", False), (".", True)]
)
def test_a_path_is_told_from_a_name(model: str, file: bool) -> None:
    assert is_file(model) is file


def test_input_shapes_are_read_by_name() -> None:
    given = ["a=1x3", "odd=name=2", "empty=1x0", "number=scalar"]
    assert parse_input_shapes(given) == {"a": (1, 3), "odd=name": (2,), "empty": (1, 0), "number": ()}
    for wrong in ("a", "a=", "=1x2", "a=-1x2", "a=1xx2", "a=1,2"):
        with pytest.raises(UsageError):
            parse_input_shapes([wrong])
    with pytest.raises(UsageError, match="'a' is there twice"):
        parse_input_shapes(["a=1", "a=2"])


def test_values_are_read_by_name() -> None:
    assert parse_values(["sr=16000", "text=a=b", "empty="]) == {"sr": "16000", "text": "a=b", "empty": ""}
    assert parse_values({"sr": 16000, "flag": True}) == {"sr": "16000", "flag": "True"}
    for wrong in ("a", "=1"):
        with pytest.raises(UsageError, match="Expected --values NAME=SPEC"):
            parse_values([wrong])
    with pytest.raises(UsageError, match="'a' is there twice"):
        parse_values(["a=1", "a=2"])


def test_each_lane_has_its_own_cells_launches_and_artifacts() -> None:
    study = plan("torch,ort,openvino", threads=(1,), precision="fp32,int8")
    assert [[cell.key.id for cell in group] for group in study.groups] == [
        ["b1-t1", "b4-t1"],
        ["b1-t1-int8", "b4-t1-int8"],
    ]
    assert study.exports == ("fp32", "int8")
    assert plan("openvino", precision="bf16").exports == ("fp32",)
    assert plan("torch,ort", precision="fp16").exports == ("fp16",)
    assert "x precision fp32, int8, 3 arms each" in describe_plan(study, export_needed=False)[2]


def test_an_arm_in_another_lane_stays_in_its_cell_and_wants_its_own_artifact() -> None:
    study = plan("ort,ort[precision=int8]", threads=(1,))
    assert [arm.engine for arm in study.cells[0].arms] == ["ort", "ort[precision=int8]", "ort"]
    assert study.exports == ("fp32", "int8")
    assert study.engine("ort[precision=int8]").lane("fp32") == "int8"
    assert study.engine("ort").lane("fp32") == "fp32"
