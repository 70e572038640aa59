from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ortbench.runner.pss import parse_pss_mib, pss_mib

ROLLUP = """\
55e967c7c000-7ffdc4944000 ---p 00000000 00:00 0                          [rollup]
Rss:              536984 kB
Pss:              335277 kB
Pss_Dirty:        100000 kB
SwapPss:               0 kB
"""


def test_the_proportional_set_size_is_taken_and_not_one_of_its_parts() -> None:
    assert parse_pss_mib(ROLLUP) == pytest.approx(335277 / 1024)


@pytest.mark.parametrize("text", ["", "Rss: 5 kB\n", "Pss: many kB\n", "SwapPss: 5 kB\n"])
def test_a_text_without_it_tells_nothing(text: str) -> None:
    assert parse_pss_mib(text) is None


def test_a_system_without_the_file_tells_nothing(tmp_path: Path) -> None:
    assert pss_mib(tmp_path / "smaps_rollup") is None


_HOLDS_A_BLOCK = """
import os
from ortbench.runner.pss import LargestPss
from ortbench.runner.usage import peak_memory_mib
seen = LargestPss()
seen.look()
print(seen.mib)
block = bytearray(os.urandom(64 << 20))
seen.look()
print(seen.mib)
del block
seen.look()
print(seen.mib)
print(peak_memory_mib())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the file is Linux's")
def test_what_a_process_holds_alone_is_all_its_own_and_never_more_than_its_peak() -> None:
    # A process of its own: what that of the tests holds may be shared or swapped meanwhile, hundreds of MiB of it.
    words = [sys.executable, "-P", "-c", _HOLDS_A_BLOCK]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    before, holding, after, peak = map(float, printed.split())
    assert holding > before + 60
    assert after == holding
    assert holding <= peak
