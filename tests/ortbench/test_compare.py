"""The main job from end to end, with real processes; short, so nothing is asserted about the figures themselves."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ortbench.results.journal import read_launches, read_rounds
from tests.conftest import CommandLine, Outcome, end_after_launches, run_in, write_model

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.mark.usefixtures("one_launch", "tiny_artifact")
def test_a_study_of_catalog_models_writes_everything(ortbench: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ["--model", "tiny", "--engines", "torch,torchscript,ort", "--batch-sizes", "1,3", "--max-time", "5m"]
    # One thread: two of them wait for each other, by the time slice where another program has one of their CPUs.
    outcome = ortbench("compare", *words, "--threads", "1", "--output", folder, draw=True)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-1] == str(folder)
    for engine in ("torch", "torchscript", "ort"):
        assert re.search(rf"^\s+{engine}\s+1\s", outcome.stdout, re.MULTILINE)
    assert "batch size 1, threads" in outcome.stderr
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    charts = {f"charts/tiny-{kind}-{size}" for kind in ("latency", "throughput") for size in (1, 3)}
    charts |= {f"charts/tiny-{kind}-comparison-{size}" for kind in ("latency", "throughput") for size in (1, 3)}
    charts |= {f"charts/tiny-throughput-{engine}-perBS" for engine in ("torch", "torchscript", "ort")}
    decisions = ["speedup", "latency-vs-throughput", "fastest-engine", "first-use", "memory", "samples", "rounds"]
    decisions += ["roofline"]
    charts |= {f"charts/decisions/tiny-{kind}" for kind in decisions}
    record = {"run.json", "rounds.jsonl", "launches.jsonl", "summary.json", "results.csv", "results.parquet"}
    record |= {"summary.md", "report.html", "charts/vega.js"}
    assert names == record | {f"{chart}.{ending}" for chart in charts for ending in ("png", "svg", "html")}

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert [cell["batch_size"] for cell in summary["cells"]] == [1, 3]
    for cell in summary["cells"]:
        for arm in cell["arms"]:
            assert arm["status"] == "ok"
            assert arm["parity"]["ok"] is True
            assert arm["placement"]["assigned"]
            assert arm["roofline"]["share"] > 0
            assert (arm["speedup"] is None) == (arm["engine"] == "torch" and not arm["twin"])
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["state"] == "complete"
    assert {"torch", "onnxruntime", "ortbench", "python"} <= set(run["versions"])
    assert run["artifact"]["sha256"]

    again = ortbench("show", folder)
    assert again.status == 0
    assert again.stdout.splitlines()[:8] == outcome.stdout.splitlines()[:8]


def test_every_round_runs_every_arm_once_and_in_changing_order(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after_launches(monkeypatch, 3)
    words = ["--model", model_file, "--engines", "null,scripted,ort", "--batch-sizes", "2", "--max-time", "5m"]
    outcome = ortbench("compare", *words, "--output", "out", "--quiet")
    assert outcome.status == 0, outcome.stderr
    assert outcome.stderr == ""
    rounds: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for record in read_rounds(Path("out")):
        rounds.setdefault((record.launch, record.round), []).append((record.position, record.engine))
        assert record.samples_ns
        assert all(isinstance(sample, int) for sample in record.samples_ns)
    assert all(sorted(engine for _, engine in arms) == ["null", "null", "ort", "scripted"] for arms in rounds.values())
    assert len({tuple(engine for _, engine in sorted(arms)) for arms in rounds.values()}) > 1
    assert len({launch for launch, _ in rounds}) > 1
    assert {record.affinity for record in read_launches(Path("out"))} == {
        record.affinity for record in read_launches(Path("out"))[:1]
    }


def test_json_is_one_document(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench(
        "compare", "--model", model_file, "--batch-sizes", "1", "--max-time", "2s", "--json", "--output", "o"
    )
    document = json.loads(outcome.stdout)
    assert document["schema_version"] == 1
    assert document["model"] == "product"
    assert [(arm["engine"], arm["twin"]) for arm in document["cells"][0]["arms"]] == [("ort", False), ("ort", True)]
    assert json.loads(ortbench("show", "o", "--json").stdout) == document


def test_the_default_output_is_a_new_folder_named_last(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench("compare", "--model", model_file, "--batch-sizes", "1", "--max-time", "1s", "--quiet")
    assert outcome.status == 0
    folder = outcome.stdout.splitlines()[-1]
    assert re.fullmatch(r"ortbench-results/product-\d{8}-\d{6}", folder)
    assert (Path(folder) / "summary.json").exists()


def test_a_dry_run_says_what_and_how_long_and_writes_nothing(ortbench: CommandLine) -> None:
    words = ["--engines", "torch,ort,null", "--threads", "1", "--max-time", "90s", "--output", "out"]
    outcome = ortbench("compare", "--dry-run", *words)
    assert outcome.status == 0
    assert outcome.stdout.splitlines() == [
        "model    resnet50 (random weights, fp32, seed 0)",
        "engines  torch, ort, null; baseline torch",
        "cells    3: batch size 1, 4, 16 x threads 1, 3 arms each",
        "twin     torch also runs against itself at batch size 1",
        "time     up to 90 s of measuring, less once every speedup is known within ±2 %; "
        "before it the export, about 20 s",
        "note     null: a fake, its figures are no engine's",
        "results  out",
    ]
    assert list(Path.cwd().iterdir()) == []


@pytest.fixture(scope="module")
def bad_arms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A study with several bad arms at once, and what it printed."""
    folder = tmp_path_factory.mktemp("bad")
    words = ["--model", write_model(folder / "product.onnx", ["N", 8]), "--engines", ",".join(["ort", *BAD, "null"])]
    return folder / "out", run_in(
        folder, "compare", "--no-charts", *words, "--batch-sizes", "1", "--max-time", "4s", "--output", "out"
    )


BAD = {
    "scripted[wrong_output=true]": "parity failed: output 'y' differs by 1, more than the 0.000",
    "scripted[fallback=true]": "asked for ScriptedExecutionProvider, but the nodes ran on: CPUExecutionProvider (1)",
}


@pytest.mark.parametrize("engine", BAD)
def test_a_bad_arm_costs_itself_only(bad_arms: tuple[Path, Outcome], engine: str) -> None:
    folder, outcome = bad_arms
    assert outcome.status == 3
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    arms = {(arm["engine"], arm["twin"]): arm for arm in summary["cells"][0]["arms"]}
    assert [arms[key]["status"] for key in (("ort", False), ("null", False), ("ort", True))] == ["ok"] * 3
    assert arms["null", False]["speedup"] is not None
    bad = arms[engine, False]
    assert (bad["status"], bad["speedup"]) == ("invalid", None)
    assert bad["reason"].startswith(BAD[engine])
    assert f"{engine} invalid at batch size 1" in outcome.stdout
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        statuses = {row["engine"]: row["status"] for row in csv.DictReader(file)}
    assert statuses == {"ort": "ok", "null": "ok", **dict.fromkeys(BAD, "invalid")}


def test_a_failed_baseline_leaves_latencies_without_speedups(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", "scripted[raise_at=1],ort", "--max-time", "2s", "--output", "out"]
    assert ortbench("compare", *words, "--quiet").status == 3
    arms = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"][0]["arms"]
    assert arms[1]["status"] == "ok"
    assert arms[1]["latency_ms"]["median"] > 0
    assert arms[1]["speedup"] is None


def test_a_cell_that_the_time_does_not_allow_is_skipped_with_the_figure(
    ortbench: CommandLine, model_file: Path
) -> None:
    words = ["--model", model_file, "--engines", "scripted[latency=100ms]", "--batch-sizes", "1,64", "--max-time", "2s"]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 3
    cells = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"]
    assert [cell["arms"][0]["status"] for cell in cells] == ["ok", "skipped"]
    assert re.fullmatch(
        r"its first round would take about .*, as one call of scripted\[latency=100ms\] took .*, "
        r"and .* of its share of --max-time is left"
        # Where a busy machine made the first cell take all of the time.
        r"|its share of --max-time was used up before its turn, and its first round would take about .*",
        cells[1]["arms"][0]["reason"],
    )


@pytest.mark.usefixtures("one_launch")
def test_a_model_with_several_inputs_and_outputs_runs(ortbench: CommandLine, tmp_path: Path) -> None:
    values = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", "length"]),
        helper.make_tensor_value_info("mask", TensorProto.INT64, ["N", "length"]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, []),
    ]
    nodes = [
        helper.make_node("Mul", ["ids", "mask"], ["kept"]),
        helper.make_node("Cast", ["kept"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "scale"], ["scaled"]),
    ]
    outputs = [
        helper.make_tensor_value_info("kept", TensorProto.INT64, ["N", "length"]),
        helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["N", "length"]),
    ]
    graph = helper.make_graph(nodes, "g", values, outputs)
    path = tmp_path / "several.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    words = ["--model", path, "--input-shape", "ids=1x6", "--batch-sizes", "1,4", "--max-time", "5m"]
    outcome = ortbench("compare", *words, "--output", "out", "--quiet")
    assert outcome.status == 0, outcome.stdout
    cells = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"]
    assert [cell["arms"][0]["parity"]["ok"] for cell in cells] == [True, True]
    settings = json.loads(Path("out/run.json").read_text(encoding="utf-8"))["settings"]
    assert settings["input_shapes"] == {"ids": [1, 6]}


def test_a_model_with_open_dimensions_runs_on_the_inputs_given(ortbench: CommandLine, tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", ["N", "length", 8])
    np.savez(tmp_path / "in.npz", x=np.ones((3, 7, 8), np.float32))
    words = ["--model", path, "--inputs", tmp_path / "in.npz", "--batch-sizes", "2", "--max-time", "1s", "--quiet"]
    assert ortbench("compare", *words, "--output", "out").status == 0


def test_other_input_types_are_filled(ortbench: CommandLine, tmp_path: Path) -> None:
    types = {"whole": TensorProto.INT64, "yes_or_no": TensorProto.BOOL, "wide": TensorProto.DOUBLE}
    values = [helper.make_tensor_value_info(name, dtype, ["N", 8]) for name, dtype in types.items()]
    casts = [helper.make_node("Cast", [name], [f"{name}_as_float"], to=TensorProto.FLOAT) for name in types]
    nodes = [*casts, helper.make_node("Sum", [f"{name}_as_float" for name in types], ["y"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])]
    graph = helper.make_graph(nodes, "g", values, outputs)
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    outcome = ortbench("compare", "--model", path, "--max-time", "1s", "--quiet", "--batch-sizes", "2", "--output", "o")
    assert outcome.status == 0, outcome.stdout


@pytest.mark.usefixtures("one_launch")
def test_a_real_architecture_with_a_fixed_batch_runs_at_that_batch(ortbench: CommandLine) -> None:
    words = ["--model", LIGHT / "light_squeezenet.onnx", "--engines", "ort", "--max-time", "3s", "--output", "out"]
    outcome = ortbench("compare", *words)
    assert outcome.status == 0, outcome.stdout
    [cell] = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"]
    assert cell["batch_size"] == 1
    assert cell["arms"][0]["parity"]["reference"] == "ort[graph_optimization_level=disable]"


@pytest.mark.usefixtures("one_launch")
def test_a_state_dict_is_used_by_every_engine(ortbench: CommandLine, tmp_path: Path) -> None:
    import torch

    from ortbench.models.catalog import find_model
    from ortbench.models.loading import load_module

    torch.save(load_module(find_model("tiny").source(seed=5)).state_dict(), tmp_path / "w.pt")
    words = ["--model", "tiny", "--weights", tmp_path / "w.pt", "--engines", "ort,torch", "--batch-sizes", "1"]
    outcome = ortbench("compare", *words, "--max-time", "5m", "--output", "out")
    assert outcome.status == 0, outcome.stdout
    assert "\nexporting tiny to ONNX\n" in outcome.stderr, "no other test has these weights"


def test_engines_and_models_are_listed(ortbench: CommandLine) -> None:
    engines = json.loads(ortbench("engines", "--json").stdout)["engines"]
    labels = [row["engine"] for row in engines]
    assert labels[:4] == ["torch", "torch:cuda", "torchscript", "torchscript:cuda"]
    assert {"compile", "aoti", "openvino", "ort", "ort:cuda", "null", "scripted"} <= set(labels)
    assert all(row["available"] or (row["reason"] and row["remedy"]) for row in engines)
    table = ortbench("engines")
    assert table.status == 0
    assert "TorchScript" in table.stdout
    assert "resnet50" in ortbench("models").stdout
    assert json.loads(ortbench("models", "--json").stdout)["models"][0]["weights"] == ["random", "pretrained"]


def test_version(ortbench: CommandLine) -> None:
    import ortbench as package

    assert ortbench("--version").stdout == f"ortbench {package.__version__}\n"


@pytest.mark.usefixtures("one_launch")
def test_allocators_are_cells_of_their_own_and_seen_inside_the_worker(ortbench: CommandLine, model_file: Path) -> None:
    kept = "default[trim_threshold=1000000000]"
    words = ["--model", model_file, "--engines", "ort", "--batch-sizes", "1", "--threads", "1", "--max-time", "6s"]
    outcome = ortbench("compare", *words, "--allocators", f"default,{kept}", "--output", "out", "--json")
    assert outcome.status == 0, outcome.stderr
    cells = json.loads(outcome.stdout)["cells"]
    assert [cell["allocator"] for cell in cells] == ["default", kept]
    assert all(arm["status"] == "ok" for cell in cells for arm in cell["arms"])
    assert {record.allocator for record in read_launches(Path("out"))} == {"glibc"}
    table = ortbench("show", "out").stdout
    assert table.count(kept) >= 2


def test_an_allocator_that_is_not_what_was_preloaded_is_invalid(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A library of another allocator's name: it is preloaded, and is none.
    monkeypatch.setattr("ctypes.util.find_library", lambda name: "libm.so.6" if "tcmalloc" in name else None)
    words = ["--model", model_file, "--engines", "ort", "--batch-sizes", "1", "--threads", "1", "--max-time", "4s"]
    outcome = ortbench("compare", *words, "--allocators", "tcmalloc", "--output", "out")
    assert outcome.status == 3
    assert "asked for the allocator tcmalloc, but the process runs with glibc" in outcome.stdout
