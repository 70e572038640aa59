from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ortbench.runner.pss import LargestPss, parse_pss_mib, pss_mib
from ortbench.runner.usage import peak_memory_mib

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


@pytest.mark.skipif(sys.platform != "linux", reason="the file is Linux's")
def test_what_a_process_holds_alone_is_all_its_own_and_never_more_than_its_peak() -> None:
    seen = LargestPss()
    seen.look()
    before = seen.mib or 0.0
    block = bytearray(os.urandom(64 << 20))
    seen.look()
    # What else the process holds may shrink meanwhile.
    assert (seen.mib or 0.0) > before + 40
    del block
    largest = seen.mib
    seen.look()
    assert seen.mib == largest
    assert (seen.mib or 0.0) <= (peak_memory_mib() or 0.0)
