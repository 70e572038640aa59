"""Engines of other packages, declared by entry points: found, refused, and really installed and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ortbench.engines.builtin import ENTRIES
from ortbench.engines.plugins import GROUP, load_plugins

EXAMPLE = Path(__file__).parents[2] / "examples" / "engine_plugin"
TAKEN = {entry.name for entry in ENTRIES}

_MODULE = """
from ortbench.engines.entry import EngineEntry
good = EngineEntry(name="good", about="a", targets=("cpu",), module="m", class_name="C")
other = EngineEntry(name="other", about="a", targets=("cpu",), module="m", class_name="C")
torch = EngineEntry(name="torch", about="a", targets=("cpu",), module="m", class_name="C")
word = "no entry"
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_plugin_module.py").write_text(_MODULE, encoding="utf-8")
    (tmp_path / "a_broken_module.py").write_text("raise RuntimeError('no luck')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def _point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_an_entry_point_that_gives_an_entry_of_its_name_is_an_engine() -> None:
    plugins = load_plugins([_point("good", "a_plugin_module:good")], TAKEN)
    assert list(plugins.entries) == ["good"]
    assert plugins.broken == {}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("bad", "a_broken_module:x", "a package (a_broken_module:x) cannot be imported: RuntimeError: no luck"),
        (
            "word",
            "a_plugin_module:word",
            "a package (a_plugin_module:word) gives a str for it, expected an ortbench.engines.entry.EngineEntry",
        ),
        (
            "mine",
            "a_plugin_module:other",
            "a package (a_plugin_module:other) calls the engine 'other' in its entry, and 'mine' in its entry point",
        ),
        (
            "torch",
            "a_plugin_module:torch",
            "a package (a_plugin_module:torch) declares an engine of this name, which there is already",
        ),
    ],
)
def test_one_that_cannot_be_used_is_named_and_costs_itself_only(name: str, value: str, reason: str) -> None:
    plugins = load_plugins([_point(name, value), _point("good", "a_plugin_module:good")], TAKEN)
    assert list(plugins.entries) == ["good"]
    assert plugins.broken == {name: reason}


def test_two_packages_of_one_engine_are_told_apart_by_order_and_the_second_is_dropped() -> None:
    plugins = load_plugins([_point("good", "a_plugin_module:good"), _point("good", "a_plugin_module:good")], TAKEN)
    assert list(plugins.entries) == ["good"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The example package, installed where only the processes of these tests see it."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not here to install the example package with")
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source)
    words = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([uv, *words, "--target", target, source], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(target)}


def _ortbench(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "ortbench", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_example_package_is_measured_like_any_other_engine(
    environment: dict[str, str], model_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    words = ["--model", model_file, "--engines", "ort,onnxref", "--batch-sizes", "1", "--threads", "1"]
    finished = _ortbench(
        environment, "compare", "--no-charts", *words, "--max-time", "4s", "--output", folder, "--json"
    )
    assert finished.returncode == 0, finished.stderr
    [cell] = json.loads(finished.stdout)["cells"]
    arm = next(arm for arm in cell["arms"] if arm["engine"] == "onnxref")
    assert arm["status"] == "ok"
    assert arm["parity"]["ok"] is True
    assert arm["placement"]["assigned"] == {"NumPy": arm["placement"]["assigned"]["NumPy"]}
    assert arm["speedup"]["ratio"] > 0


def test_the_example_package_is_listed_with_its_options(environment: dict[str, str]) -> None:
    rows = json.loads(_ortbench(environment, "engines", "--json").stdout)["engines"]
    [row] = [row for row in rows if row["engine"] == "onnxref"]
    assert row["available"]
    assert row["options"][0]["name"] == "verbose"


def test_an_undeclared_option_of_a_plugin_is_refused(environment: dict[str, str]) -> None:
    finished = _ortbench(environment, "compare", "--engines", "onnxref[speed=11]", "--dry-run")
    assert finished.returncode == 2
    assert (
        "Expected an option of 'onnxref[speed=11]' to be one of [verbose, python], but got 'speed'." in finished.stderr
    )


_ENTRY = """
from ortbench.engines.entry import EngineEntry
good = EngineEntry(name="good", about="a", targets=("cpu",), module="m", class_name="C")
"""


@pytest.mark.parametrize(
    ("name", "program", "reason"),
    [
        ("exits", "raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("interrupts", "raise KeyboardInterrupt", "cannot be imported: KeyboardInterrupt: "),
        ("prints", "print('hello')", "prints to standard output when it is imported"),
        ("writes", "import os; os.write(1, b'hello')", "prints to standard output when it is imported"),
    ],
)
def test_a_plugin_that_does_more_than_declare_is_named_and_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, program: str, reason: str
) -> None:
    (tmp_path / f"a_plugin_that_{name}.py").write_text(f"{program}\n{_ENTRY}", encoding="utf-8")
    plugins = load_plugins([_point("good", f"a_plugin_that_{name}:good")], TAKEN)
    print("after", flush=True)  # noqa: T201 - standard output is there again
    assert plugins.entries == {}
    assert reason in plugins.broken["good"]
    assert capfd.readouterr().out == "after\n"


def test_a_person_can_interrupt_a_plugin(tmp_path: Path) -> None:
    program = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"
    (tmp_path / "a_slow_plugin.py").write_text(program, encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        load_plugins([_point("good", "a_slow_plugin:good")], TAKEN)


def test_a_plugin_that_complains_to_standard_error_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a_loud_plugin.py").write_text(f"import sys; print('old', file=sys.stderr)\n{_ENTRY}", encoding="utf-8")
    assert list(load_plugins([_point("good", "a_loud_plugin:good")], TAKEN).entries) == ["good"]
