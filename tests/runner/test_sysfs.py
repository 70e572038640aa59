from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.runner import sysfs

CPU = "sys/devices/system/cpu"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")
    return root


def test_an_empty_tree_tells_nothing_and_raises_nothing(tmp_path: Path) -> None:
    assert sysfs.cpu_entries(tmp_path) == {}
    assert sysfs.caches(tmp_path) == []
    assert sysfs.container(tmp_path) is False
    for read in (
        sysfs.smt_active,
        sysfs.governor,
        sysfs.turbo,
        sysfs.current_frequency_mhz,
        sysfs.transparent_huge_pages,
        sysfs.numa_nodes,
        sysfs.virtualisation,
        sysfs.load_average,
    ):
        assert read(tmp_path) is None


def test_the_first_processor_is_read(tmp_path: Path) -> None:
    text = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nmodel name\t: Another"
    write(tmp_path, {"proc/cpuinfo": text})
    assert sysfs.cpu_entries(tmp_path) == {"processor": "0", "model name": "A CPU", "flags": "fpu avx2"}


def test_caches_have_level_kind_and_size(tmp_path: Path) -> None:
    for index, (level, kind, size) in enumerate([("1", "Data", "32K"), ("3", "Unified", "32768K")]):
        folder = f"{CPU}/cpu0/cache/index{index}"
        write(tmp_path, {f"{folder}/level": level, f"{folder}/type": kind, f"{folder}/size": size})
    assert sysfs.caches(tmp_path) == ["L1 Data 32K", "L3 Unified 32768K"]


@pytest.mark.parametrize(("text", "active"), [("1", True), ("0", False), ("notsupported", None)])
def test_smt(tmp_path: Path, text: str, active: bool | None) -> None:
    assert sysfs.smt_active(write(tmp_path, {f"{CPU}/smt/active": text})) is active


def test_governors_that_differ_are_all_named(tmp_path: Path) -> None:
    files = {f"{CPU}/cpu{n}/cpufreq/scaling_governor": word for n, word in enumerate(["powersave", "performance"])}
    assert sysfs.governor(write(tmp_path, files)) == "performance powersave"


@pytest.mark.parametrize(
    ("file", "text", "on"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("intel_pstate/no_turbo", "0", True),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
    ],
)
def test_turbo_is_read_of_either_driver(tmp_path: Path, file: str, text: str, on: bool) -> None:
    assert sysfs.turbo(write(tmp_path, {f"{CPU}/{file}": text})) is on


def test_the_frequency_comes_from_cpufreq_or_else_from_cpuinfo(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": "cpu MHz\t\t: 2445.434"})
    assert sysfs.current_frequency_mhz(tmp_path) == 2445.434
    write(tmp_path, {f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "3100000"})
    assert sysfs.current_frequency_mhz(tmp_path) == 3100


def test_huge_pages_nodes_and_load(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
            "sys/devices/system/node/node0/cpulist": "0",
            "sys/devices/system/node/node1/cpulist": "1",
            "proc/loadavg": "0.52 0.58 0.59 1/257 3",
        },
    )
    assert sysfs.transparent_huge_pages(tmp_path) == "madvise"
    assert sysfs.numa_nodes(tmp_path) == 2
    assert sysfs.load_average(tmp_path) == 0.52


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (
            {"proc/cpuinfo": "flags\t: fpu hypervisor", "sys/class/dmi/id/product_name": "KVM"},
            "virtual machine (KVM)",
        ),
        ({"proc/cpuinfo": "flags\t: fpu hypervisor"}, "virtual machine (unnamed)"),
        ({"proc/cpuinfo": "flags\t: fpu", "sys/hypervisor/type": "xen"}, "virtual machine (xen)"),
        (
            {"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/product_name": "m7g.large"},
            "virtual machine (Amazon EC2 m7g.large)",
        ),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/product_name": "m7g.metal"}, "none"),
        ({"proc/cpuinfo": "flags\t: fpu avx2", "sys/class/dmi/id/sys_vendor": "Dell Inc."}, "none"),
        ({"proc/cpuinfo": "Features\t: fp asimd"}, None),
    ],
)
def test_a_virtual_machine_shows_itself_by_flag_product_or_hypervisor(
    tmp_path: Path, files: dict[str, str], found: str | None
) -> None:
    assert sysfs.virtualisation(write(tmp_path, files)) == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({".dockerenv": ""}, True),
        ({"run/.containerenv": ""}, True),
        ({"proc/1/cgroup": "0::/docker/abc"}, True),
        ({"proc/1/cgroup": "0::/init.scope"}, False),
    ],
)
def test_a_container_shows_itself(tmp_path: Path, files: dict[str, str], found: bool) -> None:
    assert sysfs.container(write(tmp_path, files)) is found


@pytest.mark.parametrize("text", ["", "odd", "-1", "1 2", "[]", "1e", "\n\n::\n"])
def test_odd_files_tell_nothing_and_raise_nothing(tmp_path: Path, text: str) -> None:
    single = ("smt/active", "intel_pstate/no_turbo", "cpufreq/boost", "cpu0/cpufreq/scaling_cur_freq")
    files = dict.fromkeys((f"{CPU}/{name}" for name in single), text)
    write(tmp_path, {**files, "proc/loadavg": f"x{text}", "sys/kernel/mm/transparent_hugepage/enabled": text})
    write(tmp_path, {"proc/cpuinfo": f"cpu MHz : x{text}\n{text}", f"{CPU}/cpu0/cache/index0/level": text})
    for read in (
        sysfs.smt_active,
        sysfs.turbo,
        sysfs.current_frequency_mhz,
        sysfs.transparent_huge_pages,
        sysfs.load_average,
        sysfs.virtualisation,
    ):
        assert read(tmp_path) is None
    assert sysfs.caches(tmp_path) == []


def test_a_folder_or_bytes_where_a_text_should_be_are_harmless(tmp_path: Path) -> None:
    (tmp_path / CPU / "smt/active").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_bytes(b"\xff\xfe 1")
    assert sysfs.smt_active(tmp_path) is None
    assert sysfs.load_average(tmp_path) is None
