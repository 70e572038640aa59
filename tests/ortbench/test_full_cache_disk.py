"""A disk that was full while the cache was written leaves nothing behind that breaks the next run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 256 KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("this system lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_after_a_full_disk_the_next_study_is_as_if_there_had_been_none(
    disk: Path, model_file: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"ORTBENCH_CACHE": str(disk / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPYCACHEPREFIX", None)  # the tests' own bytecode, elsewhere

    def study(name: str) -> tuple[int, str]:
        words = ["compare", "--model", str(model_file), "--engines", "null", "--batch-sizes", "1", "--threads", "1"]
        words += ["--no-charts", "--quiet", "--max-time", "2s", "--output", str(tmp_path / name)]
        done = subprocess.run(
            [sys.executable, "-m", "ortbench", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stderr

    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:  # until there is no space left
            file.write(bytes(4096))
    status, said = study("full")
    assert status in (0, 2, 3), said
    assert "itself failed" not in said
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    status, said = study("roomy")
    assert status == 0, said
    assert "marshal" not in said
