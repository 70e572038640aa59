from __future__ import annotations

import msgspec
import pytest

from ortbench.runner.machine import describe_machine, machine_line, missing_features, relevant_environment


def test_the_machine_is_described_in_plain_data() -> None:
    machine = describe_machine()
    assert msgspec.json.decode(msgspec.json.encode(machine)) == machine
    assert machine["memory_mib"] > 0
    assert 1 <= machine["thread_limit"] <= len(machine["allowed_cpus"])
    assert f"{machine['thread_limit']} CPUs in use" in machine_line(machine)


def test_linux_lacks_nothing_and_others_name_what_they_lack() -> None:
    assert missing_features("linux") == []
    assert "CPU affinity" in missing_features("darwin")
    assert "noticing an engine that hangs" in missing_features("win32")


def test_variables_that_change_a_measurement_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MY_PASSWORD", "secret")
    found = relevant_environment()
    assert found["OMP_NUM_THREADS"] == "7"
    assert "MY_PASSWORD" not in found
