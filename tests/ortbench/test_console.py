"""The command as a process of its own, on consoles that lack characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_what_a_console_lacks_is_replaced(encoding: str, tmp_path: Path) -> None:
    name = "Modèle — 模型 ≤"
    text = f"engine,batch_size,threads,latency_ms,model\ntorch,1,2,60,{name}\nort,1,2,40,{name}\n"
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ortbench", "show", "x.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert name.encode(encoding, errors="replace") in done.stdout


def test_errors_are_replaced_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ortbench", "show", "模型.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: ")
    assert b"??.csv" in done.stderr
