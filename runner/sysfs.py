"""What the kernel's files say of the machine, below a root; None where the system does not tell. Never raises."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_CPU = "sys/devices/system/cpu"
ROOT = Path("/")
# What hypervisors call their machines (systemd, src/basic/virt.c); a CPU without such a flag, as on ARM, shows no more.
_VIRTUAL_PRODUCTS = (
    *("KVM", "QEMU", "VMware", "VirtualBox", "innotek", "Xen", "HVM domU", "Bochs", "BHYVE", "OpenStack"),
    *("Parallels", "Virtual Machine", "Apple Virtualization", "Google Compute Engine", "Amazon EC2"),
)


def read_text(path: Path) -> str:
    """Return a file's text without the white space around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def cpu_entries(root: Path = ROOT) -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo."""
    first, _, _ = read_text(root / "proc/cpuinfo").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def caches(root: Path = ROOT) -> list[str]:
    """Return the caches of the first CPU, e.g. `L1 Data 32K`."""
    found = []
    for folder in sorted((root / _CPU / "cpu0/cache").glob("index*")):
        level, kind, size = (read_text(folder / name) for name in ("level", "type", "size"))
        if level and size:
            found.append(f"L{level} {kind} {size}")
    return found


def last_caches_bytes(cpus: Iterable[int], root: Path = ROOT) -> int:
    """Return the size of the CPUs' largest caches together, each that several share once; 0 where nothing is told."""
    found: dict[tuple[str, str], int] = {}
    for cpu in cpus:
        folders = (root / _CPU / f"cpu{cpu}/cache").glob("index*")
        sizes = {parse_size(read_text(folder / "size")): folder for folder in folders}
        if sizes:
            size = max(sizes)
            # Without the list of who shares it, it is taken for one that all share.
            shared = read_text(sizes[size] / "shared_cpu_list")
            found[read_text(sizes[size] / "level"), shared] = size
    return sum(found.values())


def parse_size(text: str) -> int:
    """Return the kernel's size in bytes: `32768K` is 32 MiB; 0 for anything else."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, unit = (text[:-1], text[-1:]) if text[-1:] in units else (text, "")
    return int(number) * units.get(unit, 1) if number.isdecimal() else 0


def smt_active(root: Path = ROOT) -> bool | None:
    """Return whether two hardware threads share a core."""
    return {"1": True, "0": False}.get(read_text(root / _CPU / "smt/active"))


def governor(root: Path = ROOT) -> str | None:
    """Return how the CPU frequency is chosen; several words where the CPUs differ."""
    words = {read_text(path) for path in (root / _CPU).glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    return " ".join(sorted(words)) or None


def turbo(root: Path = ROOT) -> bool | None:
    """Return whether the CPU may go beyond its nominal frequency."""
    off = read_text(root / _CPU / "intel_pstate/no_turbo")
    if off in ("0", "1"):
        return off == "0"
    return {"1": True, "0": False}.get(read_text(root / _CPU / "cpufreq/boost"))


def current_frequency_mhz(root: Path = ROOT) -> float | None:
    """Return the first CPU's frequency at this moment."""
    khz = read_text(root / _CPU / "cpu0/cpufreq/scaling_cur_freq")
    if khz.isdecimal():
        return int(khz) / 1000
    shown = cpu_entries(root).get("cpu MHz", "")
    return float(shown) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", shown) else None


def transparent_huge_pages(root: Path = ROOT) -> str | None:
    """Return the mode of transparent huge pages: always, madvise or never."""
    chosen = re.search(r"\[(\w+)\]", read_text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    return chosen[1] if chosen else None


def numa_nodes(root: Path = ROOT) -> int | None:
    """Return the number of NUMA nodes."""
    return len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None


def virtualisation(root: Path = ROOT) -> str | None:
    """Name what the system runs on: a virtual machine, or `none` where it shows itself and no hypervisor."""
    product = " ".join(read_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")).strip()
    kind = read_text(root / "sys/hypervisor/type")
    flags = cpu_entries(root).get("flags", "").split()
    # Amazon's whole machines carry the same vendor as its virtual ones.
    named = any(mark in product for mark in _VIRTUAL_PRODUCTS) and ".metal" not in product
    if "hypervisor" in flags or kind or named:
        return f"virtual machine ({kind or product or 'unnamed'})"
    return "none" if flags or product else None


def container(root: Path = ROOT) -> bool:
    """Return whether this looks like the inside of a container."""
    marks = ("docker", "kubepods", "containerd", "lxc")
    files = (root / ".dockerenv", root / "run/.containerenv")
    return any(file.exists() for file in files) or any(mark in read_text(root / "proc/1/cgroup") for mark in marks)


def load_average(root: Path = ROOT) -> float | None:
    """Return how many threads wanted a CPU over the last minute, on average."""
    first = read_text(root / "proc/loadavg").partition(" ")[0]
    return float(first) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", first) else None
