"""Allocators: parsed, found, refused, and really preloaded into a process."""

from __future__ import annotations

import ast
import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ortbench.errors import UsageError
from ortbench.runner.allocators import Allocator, parse_allocators, preloaded, wrong_allocator
from ortbench.runner.machine import loaded_allocator, parse_tunables

_MAPS = "print(open('/proc/self/maps').read())"
_FAULTS = """
import resource
block = bytearray
for _ in range(3):
    block(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def installed(name: str) -> str | None:
    return f"lib{name}.so.9"


def test_every_kind_is_parsed() -> None:
    parsed = parse_allocators("default, tcmalloc,default[trim_threshold=5,mmap_max=0]", installed)
    assert parsed == [
        Allocator("default", "default", {}),
        Allocator("tcmalloc", "tcmalloc", {"LD_PRELOAD": "libtcmalloc_minimal.so.9"}),
        Allocator(
            "default[trim_threshold=5,mmap_max=0]",
            "default",
            {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=5:glibc.malloc.mmap_max=0"},
        ),
    ]


def test_the_larger_tcmalloc_serves_where_the_small_one_is_missing() -> None:
    [found] = parse_allocators("tcmalloc", lambda name: "libtcmalloc.so.4" if name == "tcmalloc" else None)
    assert found.environment == {"LD_PRELOAD": "libtcmalloc.so.4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dlmalloc",
            "Expected an allocator of --allocators to be one of [default, tcmalloc, jemalloc, mimalloc], "
            "but got 'dlmalloc'.",
        ),
        ("default,", "but got ''."),
        ("default,default", "Expected each allocator once, but --allocators 'default,default' names default twice."),
        ("default[color=1]", "Expected a tunable of 'default[color=1]' to be one of [arena_max,"),
        ("default[mmap_max=x]", "Expected mmap_max of 'default[mmap_max=x]' to be a whole number, but got 'x'."),
        ("tcmalloc[mmap_max=1]", "Tunables are glibc's, so that they belong to 'default[...]'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_allocators(text, installed)
    assert message in str(caught.value)


def test_an_allocator_that_is_not_installed_names_its_package() -> None:
    with pytest.raises(UsageError, match="To add it: apt-get install libjemalloc2"):
        parse_allocators("jemalloc", lambda _: None)


def test_what_is_preloaded_already_stays() -> None:
    allocator = Allocator("jemalloc", "jemalloc", {"LD_PRELOAD": "libjemalloc.so.2"})
    assert preloaded({"LD_PRELOAD": "libother.so", "A": "1"}, allocator) == {
        "LD_PRELOAD": "libjemalloc.so.2:libother.so",
        "A": "1",
    }
    assert preloaded({"A": "1"}, Allocator("default", "default", {})) == {"A": "1"}


@pytest.mark.parametrize(
    ("asked", "seen", "wrong"),
    [
        ("default", "glibc", False),
        ("default", "jemalloc", False),
        ("tcmalloc", "tcmalloc", False),
        ("tcmalloc", "glibc", True),
        ("tcmalloc", "unknown", False),
        ("default[mmap_max=0]", "glibc", False),
        ("default[mmap_max=0]", "jemalloc", True),
        ("default[mmap_max=0]", "musl", True),
    ],
)
def test_another_allocator_than_asked_for_is_noticed(asked: str, seen: str, wrong: bool) -> None:
    assert (wrong_allocator(asked, seen) is not None) == wrong


@pytest.mark.parametrize(
    ("asked", "tunables", "reason"),
    [
        ("default[mmap_max=0]", {"mmap_max": 0, "top_pad": 0}, None),
        ("default[mmap_max=0]", {}, None),
        ("default[mmap_max=0]", {"mmap_max": 65536}, "asked for glibc's mmap_max=0, but it is 65536"),
        ("default[hugetlb=1]", {"mmap_max": 0}, "asked for glibc's hugetlb=1, but this glibc has no such tunable"),
        ("default", {"mmap_max": 0}, None),
    ],
)
def test_a_tunable_that_did_not_take_is_noticed(asked: str, tunables: dict[str, int], reason: str | None) -> None:
    assert wrong_allocator(asked, "glibc", tunables) == reason


def test_the_loaders_list_is_read() -> None:
    listed = "glibc.rtld.nns: 0x4 (min: 0x1, max: 0x10)\nglibc.malloc.mmap_max: 0 (min: 0, max: 2147483647)\n"
    listed += "glibc.malloc.trim_threshold: 0x40000000 (min: 0x0, max: 0xffffffffffffffff)\n"
    assert parse_tunables(listed) == {"mmap_max": 0, "trim_threshold": 1 << 30}


@pytest.mark.parametrize("name", ["tcmalloc", "jemalloc", "mimalloc"])
def test_an_installed_allocator_is_really_loaded(name: str) -> None:
    try:
        [allocator] = parse_allocators(name)
    except UsageError as error:
        pytest.skip(str(error))
    maps = subprocess.run(
        [sys.executable, "-c", _MAPS],
        env=preloaded(os.environ, allocator),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert loaded_allocator(maps) == name
    assert wrong_allocator(name, loaded_allocator(maps)) is None


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists()
    or ctypes.util.find_library("c") is None
    or os.confstr("CS_GNU_LIBC_VERSION") is None,
    reason="tunables are glibc's",
)
def test_glibcs_tunables_take_effect() -> None:
    def faults(text: str) -> int:
        [allocator] = parse_allocators(text)
        environment = preloaded(os.environ, allocator)
        run = subprocess.run(
            [sys.executable, "-c", _FAULTS], env=environment, capture_output=True, text=True, check=True
        )
        return int(run.stdout)

    keeping = "default[mmap_max=0,trim_threshold=10000000000,top_pad=67108864]"
    asked = "from ortbench.runner.machine import loaded_tunables as t; print(t())"
    [allocator] = parse_allocators(keeping)
    seen = subprocess.run(
        [sys.executable, "-c", asked], env=preloaded(os.environ, allocator), capture_output=True, text=True, check=True
    ).stdout
    assert wrong_allocator(keeping, "glibc", ast.literal_eval(seen)) is None
    assert wrong_allocator("default[mmap_max=7]", "glibc", ast.literal_eval(seen)) in {
        None,  # an older glibc does not tell
        "asked for glibc's mmap_max=7, but it is 0",
    }
    # 20 blocks of 16 MiB are 4096 pages each: given back every time, or kept.
    assert faults("default[mmap_threshold=1000000]") > 20 * 2000
    assert faults(keeping) < 2000
