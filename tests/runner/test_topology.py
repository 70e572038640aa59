"""Which CPUs instances get, on machines that are described and on this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.runner.cpus import allowed_cpus
from ortbench.runner.topology import Cpu, memory_binding, nodes_of, place_instances, read_cpus


def machine(nodes: int, cores: int, smt: int) -> list[Cpu]:
    """Number CPUs as Linux often does: every node's first siblings, then the second ones."""
    return [
        Cpu(sibling * nodes * cores + node * cores + core, node, sibling)
        for sibling in range(smt)
        for node in range(nodes)
        for core in range(cores)
    ]


def test_instances_stay_on_the_first_node_while_it_has_cores() -> None:
    assert place_instances([2] * 2, machine(2, 4, 2)) == [(0, 1), (2, 3)]


def test_an_instance_that_does_not_fit_into_the_rest_of_a_node_takes_the_next() -> None:
    assert place_instances([3] * 2, machine(2, 4, 2)) == [(0, 1, 2), (4, 5, 6)]


def test_siblings_are_used_when_no_node_has_cores_left() -> None:
    assert place_instances([4] * 3, machine(2, 4, 2)) == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]


def test_an_instance_larger_than_a_nodes_cores_stays_on_the_node_with_its_siblings() -> None:
    assert place_instances([6] * 1, machine(2, 4, 2)) == [(0, 1, 2, 3, 8, 9)]


def test_an_instance_larger_than_a_node_takes_physical_cores_first() -> None:
    assert place_instances([10] * 1, machine(2, 4, 2)) == [(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)]


def test_too_many_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        place_instances([2] * 3, machine(1, 4, 1))
    assert str(caught.value) == "3 instances of 2 threads need 6 CPUs, but this process may use 4."


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 2), st.integers(1, 8), st.integers(1, 8))
def test_no_cpu_is_used_twice_and_siblings_only_when_cores_are_gone(
    nodes: int, cores: int, smt: int, instances: int, threads: int
) -> None:
    cpus = machine(nodes, cores, smt)
    if instances * threads > len(cpus):
        return
    placed = place_instances([threads] * instances, cpus)
    used = [number for own in placed for number in own]
    assert len(used) == len(set(used)) == instances * threads
    assert all(len(own) == threads for own in placed)
    first = {cpu.number for cpu in cpus if cpu.sibling == 0}
    if threads == 1:
        assert len(first & set(used)) == min(len(first), instances)
    if threads <= cores and instances * threads <= cores:
        assert nodes_of(used, cpus) == (0,)


def test_memory_comes_from_the_instances_own_nodes_where_there_is_a_choice() -> None:
    assert memory_binding((1,), 2, "/usr/bin/numactl") == ["/usr/bin/numactl", "--membind=1", "--"]
    assert memory_binding((0, 1), 2, "/usr/bin/numactl") == []
    assert memory_binding((0,), 1, "/usr/bin/numactl") == []
    assert memory_binding((0,), 2, None) == []


def test_the_kernels_files_are_read(tmp_path: Path) -> None:
    for number, node, siblings in ((0, 0, "0,2"), (1, 1, "1,3"), (2, 0, "0,2"), (3, 1, "1,3")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{number}"
        (folder / "topology").mkdir(parents=True)
        (folder / f"node{node}").mkdir()
        (folder / "topology/thread_siblings_list").write_text(siblings + "\n", encoding="ascii")
    assert read_cpus([0, 1, 2, 3], tmp_path) == [Cpu(0, 0, 0), Cpu(1, 1, 0), Cpu(2, 0, 1), Cpu(3, 1, 1)]
    # A core whose first sibling may not be used is represented by its second.
    assert read_cpus([2, 3], tmp_path) == [Cpu(2, 0, 0), Cpu(3, 1, 0)]


def test_this_machines_cpus_are_all_there() -> None:
    assert [cpu.number for cpu in read_cpus()] == allowed_cpus()
