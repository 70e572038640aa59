"""Which CPUs each instance gets: cores of its own, of one NUMA node where that is possible, cores before siblings."""

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
        core: the core's first CPU.
    """

    number: int
    node: int = 0
    sibling: int = 0
    core: int = 0


def read_cpus(allowed: Sequence[int] | None = None, root: Path = ROOT) -> list[Cpu]:
    """Return the CPUs that this process may use, with what the kernel's files say of each."""
    numbers = allowed_cpus() if allowed is None else list(allowed)
    nodes = {number: _node(number, root) for number in numbers}
    found = []
    for number in numbers:
        sharing = [other for other in _siblings(number, root) if other in numbers]
        found.append(Cpu(number, nodes[number], sum(other < number for other in sharing), min(sharing)))
    return found


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

    Where it can be, no two instances share a core, and each is on one node: on as many cores as it has threads where
    there are enough for all, else on fewer, whose SMT siblings it uses, too. Where there are fewer cores than that, an
    instance goes on physical cores of one node, on CPUs of one node, on whatever is left, in this order of preference.
    Nodes are filled one after the other, so that few instances stay together.

    Raises:
        UsageError: there are not enough CPUs.
    """
    if sum(threads) > len(cpus):
        each = ", ".join(map(str, dict.fromkeys(threads)))
        raise UsageError(
            f"{len(threads)} instances of {each} threads need {sum(threads)} CPUs, "
            f"but this process may use {len(cpus)}."
        )
    fewer = range(max(threads))
    for one_node in (True, False):
        for left_out in fewer:
            placed = _on_own_cores(threads, cpus, left_out, one_node=one_node)
            if placed:
                return placed
    return _on_any(threads, cpus)


def _on_own_cores(
    threads: Sequence[int], cpus: Sequence[Cpu], left_out: int, *, one_node: bool
) -> list[tuple[int, ...]] | None:
    """Place each instance on cores that no other one has; None where there are not enough.

    Args:
        threads: of each instance.
        cpus: that there are.
        left_out: on so many cores less than threads, but on one at least.
        one_node: the cores of an instance are of one node.
    """
    cores: dict[int, list[Cpu]] = {}
    for cpu in sorted(cpus, key=lambda cpu: (cpu.node, cpu.core, cpu.sibling)):
        cores.setdefault(cpu.core, []).append(cpu)
    free = list(cores.values())
    placed: list[tuple[int, ...]] = []
    for count in threads:
        number = max(1, count - left_out)
        groups = [[core for core in free if core[0].node == node] for node in sorted({core[0].node for core in free})]
        fitting = (
            chosen
            for group in (groups if one_node else [free])
            if len(chosen := group[:number]) == number and sum(map(len, chosen)) >= count
        )
        own = next(fitting, None)
        if own is None:
            return None
        free = [core for core in free if core not in own]
        # Every core's first CPU before any sibling.
        usable = sorted((cpu for core in own for cpu in core), key=lambda cpu: (cpu.sibling, cpu.number))
        placed.append(tuple(sorted(cpu.number for cpu in usable[:count])))
    return placed


def _on_any(threads: Sequence[int], cpus: Sequence[Cpu]) -> list[tuple[int, ...]]:
    """Place instances where there are not enough cores for each to have its own."""
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


def _siblings(number: int, root: Path) -> list[int]:
    """Return the CPUs that share a core with one, itself included."""
    text = read_text(root / _CPU / f"cpu{number}/topology/thread_siblings_list")
    return sorted({number, *(parse_cpu_list(text) if text else ())})
