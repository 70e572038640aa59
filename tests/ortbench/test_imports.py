"""What is imported when, and which room may import which."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("charts", "engines", "export", "models", "results", "runner")


def modules_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the top-level modules it imported."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    finished = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    return set(finished.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    imported = modules_after(f"from ortbench.cli import run\nrun({words!r})")
    assert "typer" in imported
    assert not imported & {"torch", "onnxruntime", "altair", "onnx", "numpy", "scipy", "rich", "pyarrow", "msgspec"}


def test_reading_results_and_drawing_them_imports_no_engine(tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text("engine,batch_size,threads,latency_ms\na,1,1,5\nb,1,1,4\n", encoding="utf-8")
    code = f"from ortbench.cli import run\nassert run(['show', {str(csv)!r}]) == 0"
    code += f"\nassert run(['charts', {str(csv)!r}, '--output', {str(tmp_path / 'charts')!r}]) == 0"
    imported = modules_after(code)
    assert "altair" in imported
    assert not imported & {"torch", "onnxruntime", "torchvision"}


def test_planning_a_study_does_not_import_an_engine_into_the_parent() -> None:
    words = ["compare", "--engines", "torch,ort,scripted", "--dry-run"]
    imported = modules_after(f"from ortbench.cli import run\nassert run({words!r}) == 0")
    assert not imported & {"torch", "onnxruntime", "altair"}


def test_rooms_import_each_other_one_way_only(tmp_path: Path) -> None:
    # As they install: import-linter follows folders, not the mapping in pyproject.toml.
    package = tmp_path / "ortbench"
    shutil.copytree(ROOT / "ortbench", package)
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room)
    lint = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run(
        [lint, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "3 kept, 0 broken" in finished.stdout


def test_every_room_is_installed() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    expected = {"ortbench." + ".".join(folder.parts) for folder in folders}
    own = {"ortbench", "ortbench.commands"}
    assert set(settings["packages"]) == expected | own
    assert set(settings["package-dir"]) == expected - own
