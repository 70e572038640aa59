"""Studies whose arms run in different interpreters, from the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ortbench.results.folder import read_run
from ortbench.results.journal import read_launches
from tests.conftest import CommandLine
from tests.interpreters import install_fake, make_neighbour, write_fake_uv

FEW = ("--batch-sizes", "1", "--threads", "1", "--target", "0.01%")
OLD = "1.24.4"


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    return make_neighbour(tmp_path / "environment")


@pytest.fixture
def _uv_is_a_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments are made in a cache of their own, by a command that installs nothing."""
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'commands'}{os.pathsep}{os.environ['PATH']}")
    write_fake_uv(tmp_path / "commands")


@pytest.mark.usefixtures("one_launch")
def test_arms_in_two_interpreters_are_measured_and_on_record(
    ortbench: CommandLine, model_file: Path, neighbour: Path
) -> None:
    label = f"ort[python={neighbour}]"
    words = ("compare", "--model", model_file, "--engines", f"{label},ort", *FEW, "--output", "out")
    outcome = ortbench(*words, "--max-time", "1m")
    assert outcome.status == 0, outcome.stderr
    [cell] = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"]
    assert [(arm["engine"], arm["status"], arm["parity"]["ok"]) for arm in cell["arms"]] == [
        (label, "ok", True),
        ("ort", "ok", True),
        (label, "ok", True),
    ]
    assert {"onnxruntime", "python"} <= set(read_launches(Path("out"))[0].versions)
    assert {f"python in {label}", f"onnxruntime in {label}"} <= set(read_run(Path("out")).versions)
    assert f"baseline {label}" in outcome.stdout

    again = ortbench(*words, "--max-time", "2m", "--resume")
    assert again.status == 0, again.stderr
    install_fake(neighbour.parents[1], "onnxscript", "99.1")
    refused = ortbench(*words, "--max-time", "3m", "--resume")
    assert refused.status == 2
    assert f"the version of onnxscript in {label} was " in refused.stderr
    assert ", is 99.1." in refused.stderr


def test_a_bad_interpreter_is_refused_before_anything_is_measured(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench("compare", "--model", model_file, "--engines", "ort,ort[python=gone/python]", "--output", "out")
    assert outcome.status == 2
    assert outcome.stderr == (
        "Error: The engine 'ort[python=gone/python]' asks for the interpreter 'gone/python', which does not exist. "
        "Give the path of a Python, such as venv/bin/python.\n"
    )
    assert not Path("out").exists()


@pytest.mark.usefixtures("_uv_is_a_fake")
def test_a_dry_run_says_what_would_be_made_and_a_study_makes_it(ortbench: CommandLine, model_file: Path) -> None:
    words = ("compare", "--model", model_file, "--engines", "ort[version=0.0.1],ort", *FEW)
    dry = ortbench(*words, "--dry-run")
    assert dry.status == 0, dry.stderr
    assert "making   ort[version=0.0.1] runs in an environment with onnxruntime==0.0.1, to be made first" in dry.stdout
    assert json.loads(ortbench("cache", "--json").stdout)["entries"] == []
    outcome = ortbench(*words, "--max-time", "2s")
    assert outcome.status == 0, outcome.stderr
    assert outcome.stderr.startswith("making an environment with onnxruntime==0.0.1 for ort[version=0.0.1]; it is kept")
    listed = json.loads(ortbench("cache", "--json").stdout)["entries"]
    assert {entry["kind"] for entry in listed} == {"environment", "package", "build"}
    assert "1 engine environments" in ortbench("cache").stdout
    assert "1 engine environments" in ortbench("cache", "--clear").stdout
    assert not any(Path(entry["folder"]).exists() for entry in listed)


@pytest.mark.usefixtures("_uv_is_a_fake")
def test_without_a_network_nothing_is_measured(ortbench: CommandLine, model_file: Path, tmp_path: Path) -> None:
    write_fake_uv(tmp_path / "commands", "the network is disabled")
    words = ("--engines", "ort[version=0.0.1]", "--output", "out")
    outcome = ortbench("compare", "--model", model_file, *words, "--quiet")
    assert outcome.status == 2
    assert outcome.stderr.startswith(
        "Error: The engine 'ort[version=0.0.1]' needs an environment with onnxruntime==0.0.1, which cannot be made: "
        "the network is disabled. Connect to the network"
    )
    assert not Path("out").exists()


@pytest.mark.usefixtures("one_launch")
def test_an_older_version_for_real(
    ortbench: CommandLine, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions of ONNX Runtime in one study; skipped where the wheels cannot be had."""
    uv = shutil.which("uv")
    if not uv:
        pytest.skip("there is no uv here")
    folder = tmp_path / "trial"
    words = [uv, "pip", "install", "--dry-run", "--target", str(folder), f"onnxruntime=={OLD}", "numpy", "onnx"]
    trial = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    if trial.returncode:
        pytest.skip(f"the wheel cannot be had: {trial.stderr.splitlines()[-1]}")
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    outcome = ortbench(
        "compare", "--model", model_file, "--engines", f"ort[version={OLD}],ort", *FEW, "--max-time", "4s"
    )
    assert outcome.status == 0, outcome.stderr
    assert f"versions: ort[version={OLD}] ran onnxruntime {OLD}; ort ran onnxruntime " in outcome.stdout
