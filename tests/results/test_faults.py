"""Page faults by call, and the columns that show them and each instance's latency."""

from __future__ import annotations

import msgspec
import pytest

from ortbench.results.faults import minor_faults_per_call
from ortbench.results.schema import RoundRecord
from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.results.used import used_columns, used_figures, used_keys


def line(launch: int, faults: int, calls: int, counted: int | None = None) -> RoundRecord:
    return RoundRecord(
        cell="b1-t1",
        launch=launch,
        round=1,
        position=0,
        engine="torch",
        started_s=0,
        samples_ns=(1,) * calls,
        minor_faults=faults,
        calls=counted,
    )


def test_faults_are_over_the_calls_of_a_launch_and_the_median_over_launches() -> None:
    assert minor_faults_per_call([line(1, 6, 2), line(1, 0, 1), line(2, 50, 5), line(3, 4, 1)]) == pytest.approx(4)
    assert minor_faults_per_call([]) is None
    assert minor_faults_per_call([line(1, 0, 3)]) == 0


def test_calls_that_are_no_samples_count_too() -> None:
    assert minor_faults_per_call([line(1, 6, 2, counted=3)]) == 2


def summary(*allocators: str) -> Summary:
    arm = ArmSummary(engine="torch", minor_faults_per_call=12.5, instance_latency_ms=(2.0, 3.0))
    cell = CellSummary(model="m", batch_size=1, threads=1, arms=(arm,))
    cells = tuple(msgspec.structs.replace(cell, allocator=allocator) for allocator in allocators)
    return Summary(model="m", baseline="torch", engines=("torch",), paired=True, machine={}, cells=cells)


def test_faults_stand_beside_allocators_and_each_instance_where_there_are_several() -> None:
    assert used_columns(summary("default")) == {"instance_latency_ms": "each instance's ms"}
    columns = used_columns(summary("default", "tcmalloc"))
    assert columns == {"instance_latency_ms": "each instance's ms", "minor_faults_per_call": "faults/call"}
    arm = summary("default").cells[0].arms[0]
    assert used_figures(arm, columns) == ["2.00, 3.00", "12.5"]
    assert used_keys(arm, columns) == [3, 12.5]
    many = msgspec.structs.replace(arm, instance_latency_ms=(5.0, 2.0, 3.0, 4.0, 2.5), minor_faults_per_call=None)
    assert used_figures(many, columns) == ["2.00 to 5.00", ""]
    assert used_figures(ArmSummary(engine="torch"), columns) == ["", ""]
    assert used_keys(ArmSummary(engine="torch"), columns) == [None, None]


def test_faults_are_of_the_lead_in_too() -> None:
    assert minor_faults_per_call([msgspec.structs.replace(line(1, 6, 2), lead_in_ns=(5, 5, 5, 5))]) == 1
