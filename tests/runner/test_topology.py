"""Which CPUs instances get, on machines that are described and on this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.runner import protocol
from ortbench.runner.cpus import allowed_cpus
from ortbench.runner.team import Team
from ortbench.runner.topology import (
    Cpu,
    Place,
    count_nodes,
    memory_binding,
    nodes_of,
    place_instances,
    places_for,
    read_cpus,
)


def machine(nodes: int, cores: int, smt: int) -> list[Cpu]:
    """Number CPUs as Linux often does: every node's first siblings, then the second ones."""
    return [
        Cpu(sibling * nodes * cores + node * cores + core, node, sibling, node * cores + core)
        for sibling in range(smt)
        for node in range(nodes)
        for core in range(cores)
    ]


def test_instances_stay_on_the_first_node_while_it_has_cores() -> None:
    assert place_instances([2] * 2, machine(2, 4, 2)) == [(0, 1), (2, 3)]


def test_an_instance_that_does_not_fit_into_the_rest_of_a_node_takes_the_next() -> None:
    assert place_instances([3] * 2, machine(2, 4, 2)) == [(0, 1, 2), (4, 5, 6)]


def test_siblings_are_used_where_there_are_not_cores_enough_and_no_core_is_shared() -> None:
    assert place_instances([4] * 2, machine(1, 4, 2)) == [(0, 1, 4, 5), (2, 3, 6, 7)]
    assert place_instances([2] * 4, machine(1, 4, 2)) == [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert place_instances([4] * 3, machine(2, 4, 2)) == [(0, 1, 8, 9), (2, 3, 10, 11), (4, 5, 12, 13)]
    assert place_instances([3, 1], machine(1, 3, 2)) == [(0, 1, 3), (2,)]


def test_cores_are_shared_only_where_there_are_fewer_of_them_than_instances() -> None:
    assert place_instances([1] * 5, machine(1, 4, 2)) == [(0,), (1,), (2,), (3,), (4,)]


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
    core = {cpu.number: cpu.core for cpu in cpus}
    shared = sum(map(len, [{core[number] for number in own} for own in placed])) - len(
        {core[number] for number in used}
    )
    # Each needs so many cores at least, of one node or of all.
    if instances * -(-threads // smt) <= nodes * cores:
        assert shared == 0


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
    assert read_cpus([0, 1, 2, 3], tmp_path) == [Cpu(0, 0, 0, 0), Cpu(1, 1, 0, 1), Cpu(2, 0, 1, 0), Cpu(3, 1, 1, 1)]
    # A core whose first sibling may not be used is represented by its second.
    assert read_cpus([2, 3], tmp_path) == [Cpu(2, 0, 0, 2), Cpu(3, 1, 0, 3)]


def made_machine(root: Path, nodes: int, cores: int, smt: int) -> list[int]:
    """Write the kernel's files of a machine whose CPUs are numbered as in `machine`; return their numbers."""
    cpus = machine(nodes, cores, smt)
    for cpu in cpus:
        folder = root / f"sys/devices/system/cpu/cpu{cpu.number}"
        (folder / "topology").mkdir(parents=True)
        (folder / f"node{cpu.node}").mkdir()
        core = cpu.number % (nodes * cores)
        siblings = ",".join(str(core + sibling * nodes * cores) for sibling in range(smt))
        (folder / "topology/thread_siblings_list").write_text(siblings + "\n", encoding="ascii")
    return [cpu.number for cpu in cpus]


def test_instances_of_a_machine_with_two_nodes_and_smt_are_placed_and_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ortbench.runner.topology.find_numactl", lambda: "/usr/bin/numactl")
    monkeypatch.setattr("ortbench.runner.topology.starts_programs", lambda _: True)
    cpus = read_cpus(made_machine(tmp_path, 2, 2, 2), tmp_path)
    first, second = ("/usr/bin/numactl", "--membind=0", "--"), ("/usr/bin/numactl", "--membind=1", "--")
    # Cores 0 and 1 of node 0, then 2 and 3 of node 1; 4 to 7 are their siblings.
    assert places_for([1] * 2, cpus) == (Place((0,), first), Place((1,), first))
    assert places_for([2] * 2, cpus) == (Place((0, 1), first), Place((2, 3), second))
    assert places_for([1] * 5, cpus)[4] == Place((4,), first)
    assert places_for([3] * 2, cpus) == (Place((0, 1, 4), first), Place((2, 3, 6), second))
    assert places_for([8], cpus) == (Place(tuple(range(8))),)


def test_without_numactl_or_with_one_node_nothing_is_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ortbench.runner.topology.find_numactl", lambda: None)
    cpus = read_cpus(made_machine(tmp_path, 2, 2, 1), tmp_path)
    assert [place.binding for place in places_for([1] * 2, cpus)] == [(), ()]


def test_one_instance_stays_on_one_node_too_whatever_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ortbench.runner.topology.find_numactl", lambda: None)
    alternating = [Cpu(number, number % 2, core=number) for number in range(8)]
    assert places_for([4], alternating) == (Place((0, 2, 4, 6)),)


def test_memory_is_bound_where_only_one_of_the_machines_nodes_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in ("node0", "node1"):
        (tmp_path / "sys/devices/system/node" / node).mkdir(parents=True)
    assert count_nodes(tmp_path) == 2
    assert count_nodes(tmp_path / "nothing") == 1
    monkeypatch.setattr("ortbench.runner.topology.count_nodes", lambda: 2)
    monkeypatch.setattr("ortbench.runner.topology.find_numactl", lambda: "numactl")
    monkeypatch.setattr("ortbench.runner.topology.starts_programs", lambda _: True)
    assert places_for([2], [Cpu(0, 1), Cpu(1, 1, core=1)]) == (Place((0, 1), ("numactl", "--membind=1", "--")),)


def test_a_binding_that_the_system_forbids_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numactl = tmp_path / "numactl"
    numactl.write_text("#!/bin/sh\necho 'set_mempolicy: Operation not permitted' >&2\nexit 1\n", encoding="ascii")
    numactl.chmod(0o755)
    monkeypatch.setattr("ortbench.runner.topology.find_numactl", lambda: str(numactl))
    assert places_for([1] * 2, machine(2, 1, 1)) == (Place((0,)), Place((1,)))


def test_a_program_that_binds_memory_stands_before_each_instances_process(tmp_path: Path) -> None:
    numactl = tmp_path / "numactl"
    numactl.write_text('#!/bin/sh\necho "$$ $1 $2" >> "$0.log"\nshift 2\nexec "$@"\n', encoding="ascii")
    numactl.chmod(0o755)
    cpu = allowed_cpus()[0]
    places = [Place((cpu,), (str(numactl), f"--membind={node}", "--")) for node in (0, 1)]
    with Team("scripted", places) as team:
        said = team.ask([protocol.Sentinel()] * 2, protocol.SentinelTimed, 60)
        pids = [worker.pid for worker in team.workers]
    assert all(each.duration_ns > 0 for each in said)
    # It becomes the process itself, so that signals reach what they are meant for.
    log = Path(f"{numactl}.log").read_text(encoding="ascii").splitlines()
    assert sorted(log) == sorted(f"{pid} --membind={node} --" for node, pid in enumerate(pids))


def test_this_machines_cpus_are_all_there() -> None:
    assert [cpu.number for cpu in read_cpus()] == allowed_cpus()
