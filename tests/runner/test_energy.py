"""A made tree of files stands for the kernel's: this is a fake of RAPL, and its figures are no machine's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner import energy, gpu
from ortbench.runner.energy import EnergyMeter, obstacle, packages, used_uj


def zone(root: Path, name: str, kind: str, energy_uj: str | None, limit: str = "262143328850") -> Path:
    """Write one zone; without its counter's file where that cannot be read."""
    folder = root / "sys/class/powercap" / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    if energy_uj is not None:
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_whole_packages_are_read_and_nothing_twice(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", "1")
    zone(tmp_path, "intel-rapl:0:0", "core", "2")
    zone(tmp_path, "intel-rapl:1", "psys", "3")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", "4")
    second = zone(tmp_path, "intel-rapl:2", "package-1", "5")
    assert [package.counter for package in packages(tmp_path)] == [first, second]
    assert obstacle(tmp_path) is None


def test_why_there_is_no_energy_is_said(tmp_path: Path) -> None:
    assert obstacle(tmp_path) == "the system shows no energy counter of the processor (RAPL)"
    zone(tmp_path, "intel-rapl:0", "package-0", None)
    assert (packages(tmp_path), obstacle(tmp_path)) == ([], energy.NOT_READABLE)


def test_the_energy_of_all_packages_is_summed_and_a_counter_that_began_again_is_understood(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", "1000")
    second = zone(tmp_path, "intel-rapl:1", "package-1", "990", limit="1000")
    meter = EnergyMeter(tmp_path)
    meter.begin(on_gpu=False)
    first.write_text("1500\n")
    second.write_text("20\n")
    assert meter.end() == 500 + 30
    meter.begin(on_gpu=False)
    assert meter.end() == 0


def test_a_counter_that_can_no_longer_be_read_is_unknown_and_not_zero(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", "1000")
    meter = EnergyMeter(tmp_path)
    meter.begin(on_gpu=False)
    counter.unlink()
    assert meter.end() is None


def test_without_counters_there_is_no_figure(tmp_path: Path) -> None:
    meter = EnergyMeter(tmp_path)
    meter.begin(on_gpu=False)
    assert meter.end() is None


def on_a_fake_gpu(
    monkeypatch: pytest.MonkeyPatch, readings: list[int | None], period_s: float | None, slice_s: float
) -> int | None:
    """Return what the meter says of a slice of `slice_s` on a fake GPU whose counter moves every `period_s`."""
    monkeypatch.setattr(gpu, "energy_uj", iter(readings).__next__)
    monkeypatch.setattr(gpu, "energy_period_s", lambda: period_s)
    meter = EnergyMeter(Path("/nowhere"), iter([10.0, 10.0 + slice_s]).__next__)
    meter.begin(on_gpu=True)
    return meter.end()


def test_an_arm_on_the_gpu_is_charged_the_gpus_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_fake_gpu(monkeypatch, [7000, 9000], 0.1, 2.5) == 2000
    assert on_a_fake_gpu(monkeypatch, [None, None], 0.1, 2.5) is None


def test_a_slice_that_is_short_for_the_gpus_counter_has_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seen on an H100: 20 ms slices read 0 or 18 J, and an engine and its twin were up to 49 % apart.
    assert on_a_fake_gpu(monkeypatch, [7000, 9000], 0.1, 0.02) is None
    assert on_a_fake_gpu(monkeypatch, [7000, 9000], 0.1, 1.9) is None
    assert on_a_fake_gpu(monkeypatch, [7000, 9000], None, 1e6) is None


def test_how_often_the_gpus_counter_moves_is_seen_by_watching_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(gpu, "energy_uj", lambda: next(now) // 10)
    seconds = iter([milliseconds / 1000 for milliseconds in range(1000)])
    monkeypatch.setattr(gpu, "time", SimpleNamespace(sleep=lambda _: None, monotonic=seconds.__next__))
    assert gpu.energy_period_s() == pytest.approx(0.011)
    monkeypatch.setattr(gpu, "energy_uj", lambda: 5)
    assert gpu.energy_period_s(0.1) is None
    monkeypatch.setattr(gpu, "energy_uj", lambda: None)
    assert gpu.energy_period_s() is None


@given(st.integers(1, 2**40), st.data())
def test_a_counter_is_understood_wherever_it_begins(range_uj: int, data: st.DataObject) -> None:
    before, used = data.draw(st.integers(0, range_uj - 1)), data.draw(st.integers(0, range_uj - 1))
    assert used_uj(before, (before + used) % range_uj, range_uj) == used
