"""Each demonstration runs and shows what it is about; what it measures is not asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "demonstrations"
TIMEOUT_S = 120

# What each must have said, in the order in which it says it.
SHOWN = {
    "allocator": ["page faults a call", "torch   glibc"],
    "baked_batch": [
        "batch not declared, exported with 2, run with 2: agrees",
        "batch not declared, exported with 2, run with 3: refused",
        "batch declared dynamic, exported with 2, run with 2: agrees",
        "batch declared dynamic, exported with 2, run with 3: WRONG",
    ],
    "denormals": ["denormal ms", "matrix product", "division", "exponential"],
    "emulated_precision": ["CPU features for 16 bits", "float32", "bfloat16", "float16"],
    "first_call": ["first call ms", "torch", "ort"],
    "gradients": ["KiB kept", "gradients on", "no_grad", "inference_mode"],
    "late_settings": ["torch, OMP_NUM_THREADS=1 before the import         1", "ort, one CPU allowed before the import"],
    "one_after_the_other": ["one after the other   turn by turn", "worst"],
    "provider_fallback": ["asked for           CUDAExecutionProvider", "nodes ran on", "ortbench, loading"],
    "spinning": ["spinning (the default)", "allow_spinning=0", "no call of ONNX Runtime"],
    "two_thread_pools": ["nothing set", "torch.set_num_threads(1)", "one thread each"],
}

Runs = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """Every demonstration under way, as many at a time as there are CPUs: nothing here depends on its figures."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(run, name) for name in SHOWN}


def run(name: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(FOLDER / f"{name}.py"), "--quick"]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_every_demonstration_is_run() -> None:
    assert set(SHOWN) == {path.stem for path in FOLDER.glob("*.py")}


@pytest.mark.parametrize("name", SHOWN)
def test_a_demonstration_shows_what_it_is_about(runs: Runs, name: str) -> None:
    outcome = runs[name].result()
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""
    place = 0
    for words in SHOWN[name]:
        found = outcome.stdout.find(words, place)
        assert found >= 0, f"'{words}' is not in its place in:\n{outcome.stdout}"
        place = found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_demonstration_is_short_and_says_how_it_is_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert f"python examples/demonstrations/{path.name} [--quick]" in text
