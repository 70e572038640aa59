"""Nothing that a file names is run unless the user says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ortbench
from ortbench.errors import UsageError
from ortbench.study_file import read_study
from ortbench.trust import check_trusted, code_in_model, executed_values, register_executed
from tests.conftest import CommandLine

SETTINGS: dict[str, Any] = {
    "engines": ["null"],
    "baseline": "null",
    "model": "tiny",
    "weights": "random",
    "batch_sizes": [1],
    "threads": [1],
    "target": 0.02,
    "max_time_s": 2.0,
    "seed": 0,
    "twins": "smallest",
    "input_shapes": {},
    "inputs": None,
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that leaves a trace, in `ran`."""
    path = tmp_path / "evil.sh"
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def _hostile(tmp_path: Path, program: Path) -> Iterator[None]:
    """A study file and a results folder, each of which names the program; nothing may have run it in the end."""
    engine = f"ort[python={program}]"
    (tmp_path / "evil.toml").write_text(f'engines = ["torch", "{engine}"]\nmodel = "tiny"\n', encoding="utf-8")
    (tmp_path / "evil").mkdir()
    run = {"settings": SETTINGS | {"engines": ["torch", engine]}}
    (tmp_path / "evil/run.json").write_text(json.dumps(run), encoding="utf-8")
    yield
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize("file", ["evil.toml", "evil", "evil/run.json"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_file_starts_no_program(ortbench: CommandLine, tmp_path: Path, file: str, dry: tuple[str, ...]) -> None:
    outcome = ortbench("compare", "--study", tmp_path / file, *dry)
    assert outcome.status == 2
    origin = tmp_path / ("evil.toml" if file == "evil.toml" else "evil/run.json")
    assert outcome.stderr == (
        f"Error: '{origin}' would run code of its own: python={tmp_path}/evil.sh. A file may not start a program or "
        f"load a library by itself. If you trust it, add --trust '{origin}', or type the same value yourself.\n"
    )
    assert not list(Path().iterdir())


@pytest.mark.usefixtures("_hostile")
def test_a_dry_run_starts_nothing_even_where_the_file_is_trusted(ortbench: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "evil.toml"
    for words in (
        ("--study", file, "--trust", file),
        ("--model", "tiny", "--engines", f"ort[python={tmp_path}/evil.sh]"),
    ):
        outcome = ortbench("compare", *words, "--dry-run")
        assert outcome.status == 0, outcome.stderr
        assert f"nothing of ort[python={tmp_path}/evil.sh] before the study" in outcome.stdout


def test_what_is_trusted_is_started(ortbench: CommandLine, tmp_path: Path, program: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f'engines = ["ort[python={program}]"]\nmodel = "tiny"\n', encoding="utf-8")
    outcome = ortbench("compare", "--study", study, "--trust", study)
    assert (tmp_path / "ran").exists()
    assert "does not answer as a Python interpreter" in outcome.stderr


@pytest.mark.parametrize(
    "engine",
    [
        "ort:plugin[library=/x/evil.so]",
        "ort:qnn[provider.backend_path=/x/evil.so]",
        "ort:tensorrt[provider.trt_extra_plugin_lib_paths=/x/evil.so]",
        "ort:tensorrt[provider.trt_engine_cache_path=/x]",
        "ort:openvino[provider.cache_dir=/x]",
        "ort[session.collect_node_memory_stats_to_file=/x/victim]",
        "ort[config.ep.context_file_path=/x/victim]",
        "null[python=/x/evil]",
        "torch[python=./here]",
    ],
)
def test_every_option_that_runs_or_writes_needs_trust(engine: str, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f'engines = ["torch", "{engine}"]', encoding="utf-8")
    option = engine.partition("[")[2].removesuffix("]")
    with pytest.raises(UsageError) as caught:
        read_study(study)
    assert f"would run code of its own: {option}." in str(caught.value)
    # Typed elsewhere, in the same words; or the file is trusted; or its engines are not what is used.
    assert read_study(study, {"baseline": engine})["engines"] == f"torch,{engine}"
    assert read_study(study, trusted=[str(study)])["engines"] == f"torch,{engine}"
    assert read_study(study, {"engines": "torch"}) == {}


def test_typing_another_value_is_no_trust(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text('baseline = "ort[python=/x/evil]"', encoding="utf-8")
    with pytest.raises(UsageError, match="python=/x/evil"):
        read_study(study, {"engines": "ort[python=/x/mine]"}, [str(tmp_path / "another.toml")])


@pytest.mark.parametrize("text", ["evil.py:Net", "/x/evil.py:Net", "package.module:Net", "os:system", "evil.pt2"])
def test_models_that_are_code(text: str, tmp_path: Path) -> None:
    assert code_in_model(text) == (text,)
    study = tmp_path / "study.toml"
    study.write_text(f'model = "{text}"', encoding="utf-8")
    with pytest.raises(UsageError, match="would run code of its own"):
        read_study(study)


@pytest.mark.parametrize(
    "text", ["resnet50", "a.onnx", "/x/a.onnx", "torchvision:resnet18", "timm:vit", "gpt2:prefill"]
)
def test_models_that_are_none(text: str) -> None:
    assert code_in_model(text) == ()


def test_a_study_that_runs_only_what_ortbench_knows_needs_no_trust() -> None:
    fields = {"engines": "torch,ort[sessions=2],ort:cuda[device_id=1]", "model": "tiny"}
    with pytest.raises(UsageError, match="expected|Expected"):  # misspelled engines are refused as usual
        executed_values(fields)
    fields["engines"] = "torch,ort[sessions=2],ort[version=1.24.4],scripted[latency=1ms]"
    assert executed_values(fields) == ()


def test_a_further_option_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ortbench.trust._FINDERS", {})
    register_executed("values", lambda text: [text] if text.startswith("!") else [])
    check_trusted({"values": "ones"}, {}, Path("x.toml"))
    with pytest.raises(UsageError, match=r"'x.toml' would run code of its own: !rm"):
        check_trusted({"values": "!rm"}, {}, Path("x.toml"))
    check_trusted({"values": "!rm"}, {"values": "!rm"}, Path("x.toml"))


@pytest.mark.usefixtures("_hostile")
def test_from_python_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would run code of its own"):
        ortbench.compare(study=tmp_path / "evil.toml")
    with pytest.raises(UsageError, match="would run code of its own"):
        ortbench.plan(study=tmp_path / "evil")


@pytest.mark.usefixtures("_hostile")
def test_plan_verify_starts_nothing_that_results_name(ortbench: CommandLine, program: Path, model_file: Path) -> None:
    words = ("--model", model_file, "--engines", "null", "--batch-sizes", "1", "--threads", "1", "--twins", "smallest")
    done = ortbench("compare", *words, "--max-time", "1s", "--output", "out", "--quiet")
    assert done.status == 0, done.stderr
    for path in Path("out").glob("*.json*"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"null"', f'"ort[python={program}]"'), encoding="utf-8")
    outcome = ortbench("plan", "out", "--threads", "1", "--batch-size", "1", "--verify", "--quiet")
    assert outcome.status == 2
    assert f"'out' would run code of its own: python={program}." in outcome.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.toml", "batch_sizes = [" + "9" * 5000 + "]"),
        ("x.toml", "seed = " + "9" * 400),
        ("x.toml", "batch_sizes = [" + "9" * 400 + "]"),
        ("x.toml", "input_shape = {x = [" + "9" * 400 + "]}"),
        ("x.toml", "rate = " + "9" * 400),
        ("x.toml", "engines = " + "[" * 5000 + "]" * 5000),
        ("run.json", "[" * 100000),
        ("run.json", json.dumps({"settings": SETTINGS | {"target": "x"}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"model": 5}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"precision": [1]}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"batch_sizes": None}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"weights": "own"}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"weights": "own"}, "artifact": {"path": 5}})),
        ("run.json", json.dumps({"settings": SETTINGS | {"rate": [None]}})),
        ("run.json", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
    ],
)
def test_whatever_a_study_file_holds_it_ends_in_one_message(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="^--study '") as caught:
        read_study(file)
    assert len(str(caught.value)) < 2000
