"""Which CPUs each instance gets: disjoint, one NUMA node where that is possible, physical cores before siblings."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ortbench.errors import UsageError
from ortbench.runner.cpus import allowed_cpus, choose_cpus, parse_cpu_list
from ortbench.runner.sysfs import ROOT, read_text

_TRIAL_S = 10.0
_CPU = "sys/devices/system/cpu"


@dataclass(frozen=True, order=True)
class Cpu:
    """One logical CPU.

    Attributes:
        node: its NUMA node; 0 where the system shows none.
        sibling: how many CPUs with smaller numbers share its core; 0 for the core's first.
    """

    number: int
    node: int = 0
    sibling: int = 0


def read_cpus(allowed: Sequence[int] | None = None, root: Path = ROOT) -> list[Cpu]:
    """Return the CPUs that this process may use, with what the kernel's files say of each."""
    numbers = allowed_cpus() if allowed is None else list(allowed)
    nodes = {number: _node(number, root) for number in numbers}
    return [Cpu(number, nodes[number], _rank(number, numbers, root)) for number in numbers]


@dataclass(frozen=True)
class Place:
    """Where one instance runs.

    Attributes:
        cpus: one for each of its threads.
        binding: words before its command that bind its memory to the CPUs' node; empty where that is no choice.
    """

    cpus: tuple[int, ...]
    binding: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        """As many as it has CPUs."""
        return len(self.cpus)


def places_for(threads: Sequence[int], cpus: Sequence[Cpu] | None = None) -> tuple[Place, ...]:
    """Return the place of each instance of an arm, by the threads that each has.

    Raises:
        UsageError: there are not enough CPUs.
    """
    cpus = read_cpus() if cpus is None else cpus
    if len(threads) == 1 and threads[0] > len(cpus):
        # That there are more threads than CPUs was allowed, or will be noticed.
        return (Place(tuple(choose_cpus(threads[0]))),)
    every_node = max(len({cpu.node for cpu in cpus}), count_nodes())
    placed = place_instances(threads, cpus)
    return tuple(Place(own, _binding(nodes_of(own, cpus), every_node)) for own in placed)


def place_instances(threads: Sequence[int], cpus: Sequence[Cpu]) -> list[tuple[int, ...]]:
    """Return the CPUs of each instance, as many as it has threads, no CPU twice.

    An instance goes, in this order of preference, on physical cores of one node, on CPUs of one node, on whatever is
    left. Nodes are filled one after the other, so that few instances stay together.

    Raises:
        UsageError: there are not enough CPUs.
    """
    if sum(threads) > len(cpus):
        each = ", ".join(map(str, dict.fromkeys(threads)))
        raise UsageError(
            f"{len(threads)} instances of {each} threads need {sum(threads)} CPUs, "
            f"but this process may use {len(cpus)}."
        )
    free = sorted(cpus, key=lambda cpu: (cpu.sibling, cpu.node, cpu.number))
    placed: list[tuple[int, ...]] = []
    for count in threads:
        chosen = _one_node(free, count, lambda cpu: cpu.sibling == 0) or _one_node(free, count, lambda _: True)
        chosen = chosen or free[:count]
        free = [cpu for cpu in free if cpu not in chosen]
        placed.append(tuple(sorted(cpu.number for cpu in chosen)))
    return placed


def nodes_of(numbers: Sequence[int], cpus: Sequence[Cpu]) -> tuple[int, ...]:
    """Return the NUMA nodes of these CPUs."""
    return tuple(sorted({cpu.node for cpu in cpus if cpu.number in numbers}))


def memory_binding(nodes: Sequence[int], every_node: int, numactl: str | None) -> list[str]:
    """Return the words to put before a command so that its memory comes from its own nodes; none where it is no choice.

    Args:
        nodes: of the instance's CPUs.
        every_node: how many nodes the machine has.
        numactl: that program's path; None where it is not installed, and the kernel's default (local first) holds.
    """
    if numactl is None or every_node < 2 or len(nodes) == every_node:
        return []
    return [numactl, f"--membind={','.join(map(str, nodes))}", "--"]


def find_numactl() -> str | None:
    """Return the path of numactl, or None where it is not installed."""
    return shutil.which("numactl")


def count_nodes(root: Path = ROOT) -> int:
    """Return how many NUMA nodes the machine has, whether this process may use them or not; 1 where none are shown."""
    return max(1, len(list((root / "sys/devices/system/node").glob("node[0-9]*"))))


@functools.cache
def starts_programs(words: Sequence[str]) -> bool:
    """Say whether a program starts behind these words: a container may forbid binding memory."""
    try:
        done = subprocess.run([*words, "true"], capture_output=True, timeout=_TRIAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _binding(nodes: Sequence[int], every_node: int) -> tuple[str, ...]:
    words = tuple(memory_binding(nodes, every_node, find_numactl()))
    return words if words and starts_programs(words) else ()


def _one_node(free: Sequence[Cpu], threads: int, usable: Callable[[Cpu], bool]) -> list[Cpu]:
    """Return the first `threads` usable CPUs of the first node that has as many; nothing where none has."""
    for node in sorted({cpu.node for cpu in free}):
        own = [cpu for cpu in free if cpu.node == node and usable(cpu)]
        if len(own) >= threads:
            return own[:threads]
    return []


def _node(number: int, root: Path) -> int:
    folders = (root / _CPU / f"cpu{number}").glob("node[0-9]*")
    return next((int(folder.name.removeprefix("node")) for folder in sorted(folders)), 0)


def _rank(number: int, numbers: Sequence[int], root: Path) -> int:
    text = read_text(root / _CPU / f"cpu{number}/topology/thread_siblings_list")
    siblings = parse_cpu_list(text) if text else (number,)
    return sum(other < number for other in siblings if other in numbers)
