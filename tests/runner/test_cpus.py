from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.cpus import (
    allowed_cpus,
    cgroup_folders,
    choose_cpus,
    cpu_quota,
    parse_cpu_list,
    parse_cpu_max,
    spread_over_cores,
    thread_limit,
)

ROOT = Path("/sys/fs/cgroup")


@pytest.mark.parametrize(
    ("membership", "folders"),
    [
        ("0::/\n", [ROOT]),
        ("0::/user.slice/a.scope\n", [ROOT / "user.slice/a.scope", ROOT / "user.slice", ROOT]),
        (
            "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n",
            [ROOT / "cpu,cpuacct/docker/abc", ROOT / "cpu,cpuacct/docker", ROOT / "cpu,cpuacct"],
        ),
        ("", []),
    ],
)
def test_limits_of_every_level_apply(membership: str, folders: list[Path]) -> None:
    assert cgroup_folders(membership, ROOT) == folders


@pytest.mark.parametrize(("text", "quota"), [("max 100000", None), ("200000 100000\n", 2.0), ("50000 100000", 0.5)])
def test_a_quota_is_in_cpus(text: str, quota: float | None) -> None:
    assert parse_cpu_max(text) == quota


@pytest.mark.parametrize(("text", "cpus"), [("0", (0,)), ("0-2,8\n", (0, 1, 2, 8)), ("0,64", (0, 64))])
def test_the_kernels_lists_are_read(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpu_list(text) == cpus


def test_physical_cores_come_before_their_siblings() -> None:
    pairs: dict[int, tuple[int, ...]] = {0: (0, 4), 1: (1, 5), 4: (0, 4), 5: (1, 5)}
    assert spread_over_cores(pairs) == [0, 1, 4, 5]
    neighbours: dict[int, tuple[int, ...]] = {0: (0, 1), 1: (0, 1), 2: (2, 3), 3: (2, 3)}
    assert spread_over_cores(neighbours) == [0, 2, 1, 3]


def test_a_core_whose_first_cpu_is_not_allowed_counts_by_its_second() -> None:
    assert spread_over_cores({1: (0, 1), 2: (2, 3), 3: (2, 3)}) == [1, 2, 3]


@given(st.integers(1, 4), st.integers(1, 3))
def test_every_core_is_used_before_any_is_used_twice(cores: int, siblings: int) -> None:
    groups = {
        core + way * cores: tuple(core + w * cores for w in range(siblings))
        for core in range(cores)
        for way in range(siblings)
    }
    order = spread_over_cores(groups)
    for start in range(0, len(order), cores):
        assert {cpu % cores for cpu in order[start : start + cores]} == set(range(cores))


def test_the_affinity_mask_is_respected() -> None:
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert allowed_cpus() == [min(mask)]
        assert thread_limit() == 1
        assert choose_cpus(1) == [min(mask)]
    finally:
        os.sched_setaffinity(0, mask)


@pytest.mark.parametrize(("quota", "limit"), [(None, 8), (1.5, 2), (0.1, 1), (64.0, 8)])
def test_a_quota_is_rounded_up_and_never_adds_cpus(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, limit: int
) -> None:
    monkeypatch.setattr("ortbench.runner.cpus.allowed_cpus", lambda: list(range(8)))
    monkeypatch.setattr("ortbench.runner.cpus.cpu_quota", lambda: quota)
    assert thread_limit() == limit


def test_this_machines_quota_is_none_or_positive() -> None:
    quota = cpu_quota()
    assert quota is None or quota > 0
