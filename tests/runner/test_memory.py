from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner.memory import ArmMemory, available_mib, inputs_mib, shortage

SOURCE = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 3, 224, 224)), TensorSpec("k", (256,), "int64")))


def test_the_size_of_a_batch_of_inputs() -> None:
    assert inputs_mib(SOURCE, 16) == pytest.approx((16 * 3 * 224 * 224 * 4 + 256 * 8) / 2**20)


def test_an_arm_grows_in_proportion_to_what_one_item_took() -> None:
    assert ArmMemory(loaded_mib=300, peak_mib=340, per_item_mib=10).growth_mib(16) == pytest.approx(300 + 160 - 340)
    assert ArmMemory(loaded_mib=300, peak_mib=340, per_item_mib=10).growth_mib(2) == 0
    assert ArmMemory(loaded_mib=300, peak_mib=300, per_item_mib=0).growth_mib(64) == 0


def test_a_fresh_process_is_judged_by_what_an_item_took_before() -> None:
    assert ArmMemory(loaded_mib=300, peak_mib=300, per_item_mib=10).growth_mib(16) == 160


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 64), st.integers(1, 512), st.integers(1, 512))
def test_a_larger_batch_never_needs_less(loaded: float, more: float, seen: int, one: int, other: int) -> None:
    arm = ArmMemory(loaded, loaded + more, more / seen)
    assert arm.growth_mib(min(one, other)) <= arm.growth_mib(max(one, other))


def test_a_cell_that_cannot_fit_is_told_with_both_figures() -> None:
    arms = [ArmMemory(500, 2500, 125), ArmMemory(300, 1300, 62.5)]
    assert shortage(arms, 100, 32, available=4096) is None
    assert shortage(arms, 100, 64, available=4096) == (
        "it needs about 8.8 GiB more memory for 2 arms at once, and 4.0 GiB is available"
    )


def test_inputs_that_cannot_fit_are_enough_to_refuse_a_first_cell() -> None:
    reason = shortage([ArmMemory(70, 70, 0)], batch_inputs_mib=1_000_000, batch_size=10**9, available=20_000)
    assert reason == "it needs about 976.6 GiB more memory for 1 arms at once, and 19.5 GiB is available"


def test_the_tightest_cgroup_limits_what_is_available(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n", encoding="ascii")
    for folder, limit, used in (("a", "max", "7"), ("a/b", str(64 * 2**20), str(24 * 2**20))):
        group = tmp_path / "sys/fs/cgroup" / folder
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n", encoding="ascii")
        (group / "memory.current").write_text(f"{used}\n", encoding="ascii")
    assert available_mib(tmp_path) == 40


def test_files_that_can_be_given_back_count_as_available_in_both_cgroup_versions(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/a\n2:cpu:/b\n", encoding="ascii")
    group = tmp_path / "sys/fs/cgroup/memory/a"
    group.mkdir(parents=True)
    for name, text in (
        ("memory.limit_in_bytes", str(64 * 2**20)),
        ("memory.usage_in_bytes", str(60 * 2**20)),
        ("memory.stat", f"cache 7\ntotal_inactive_file {20 * 2**20}"),
    ):
        (group / name).write_text(f"{text}\n", encoding="ascii")
    assert available_mib(tmp_path) == 24


def test_without_cgroups_the_machine_counts() -> None:
    assert available_mib(Path("/nowhere")) > 0
