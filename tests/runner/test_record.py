from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from ortbench.results.journal import read_launches, read_rounds
from ortbench.results.loadgen import LoadRun
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell
from ortbench.runner.record import StudyRecord
from tests.results.factory import make_launches, make_rounds, make_run

ROUNDS = make_rounds({"torch": [[80, 82], [79, 80]], "ort": [[40, 40], [41, 40]]})
[CELL] = make_run().cells


def record(*launches: LaunchRecord) -> StudyRecord:
    made = StudyRecord("torch")
    made.continue_from(ROUNDS, launches)
    return made


def failed(engine: str) -> LaunchRecord:
    [launch] = make_launches([engine], 1, status="failed", reason="gone")
    return launch


def test_what_is_kept_is_on_disk_and_in_memory(tmp_path: Path) -> None:
    made = StudyRecord("torch")
    with made.writing(tmp_path):
        made.keep_rounds(ROUNDS[:2])
        assert made.keep_launches([failed("ort"), *make_launches(["torch"], 1)]) == [failed("ort")]
        assert read_rounds(tmp_path) == made.rounds == ROUNDS[:2]
        assert read_launches(tmp_path) == made.launches
    assert made.time_s["inside_calls"] == pytest.approx(0.162)


def test_rounds_of_a_window_found_to_be_disturbed_do_not_count_in_memory_nor_on_disk(tmp_path: Path) -> None:
    lines = [msgspec.structs.replace(line, started_s=float(line.round)) for line in make_rounds({"torch": [[1.0] * 4]})]
    lines[2] = msgspec.structs.replace(lines[2], spoiled="why", spoiled_since_s=2.0)
    made = StudyRecord("torch")
    with made.writing(tmp_path):
        for line in lines:
            made.keep_rounds([line])
    expected = [None, "why", "why", None]
    for kept in (made.rounds, made.cell_rounds(CELL.key.id), read_rounds(tmp_path)):
        assert [line.spoiled for line in kept] == expected


def test_under_arrivals_an_engine_computes_and_waits(tmp_path: Path) -> None:
    run = LoadRun(seeds=(1, 2, 3), queries=1, valid=True, scheduled_ns=0, busy_ns=30_000_000, calls=1)
    made = StudyRecord("torch")
    with made.writing(tmp_path):
        made.keep_rounds([msgspec.structs.replace(ROUNDS[0], wall_ns=100_000_000, loadgen=run)])
        assert read_rounds(tmp_path) == made.rounds
    assert made.time_s["inside_calls"] == pytest.approx(0.03)
    assert made.time_s["waiting"] == pytest.approx(0.07)


def test_rounds_and_launches_are_counted_by_cell() -> None:
    made = record()
    assert (made.rounds_done("b1-t2"), made.launches_of("b1-t2"), made.last_launch()) == (4, 2, 2)
    assert (made.rounds_done("b4-t2"), made.launches_of("b4-t2")) == (0, 0)
    assert StudyRecord("torch").last_launch() == 0


def test_an_arm_that_failed_takes_no_further_part() -> None:
    assert record(failed("ort")).arms_in(CELL) == [ArmKey("torch")]
    assert record(failed("ort")).ratios(CELL) == {}
    assert record().arms_in(CELL) == [ArmKey("torch"), ArmKey("ort")]


def test_the_excess_is_the_widest_half_width_over_the_target() -> None:
    made = record()
    wide, narrow = made.excess(CELL, 0.001), made.excess(CELL, 0.01)
    assert wide == pytest.approx(10 * narrow)
    assert math.isinf(StudyRecord("torch").excess(CELL, 0.01))


@pytest.mark.parametrize("engine", ["torch", "ort"])
def test_a_cell_in_which_nothing_can_be_compared_has_no_excess(engine: str) -> None:
    assert record(failed(engine)).excess(CELL, 0.01) == 0


@pytest.mark.parametrize(("load", "wanted"), [("poisson@20/s", 250), ("single-stream", 250), ("offline", 0), ("", 0)])
def test_under_a_load_the_99th_percentile_is_wanted_too(load: str, wanted: float) -> None:
    # Four queries of each arm, of a thousand that it takes.
    cell = msgspec.structs.replace(CELL, key=msgspec.structs.replace(CELL.key, load=load))
    made = StudyRecord("torch")
    made.continue_from([msgspec.structs.replace(line, cell=cell.key.id) for line in ROUNDS], ())
    assert made.excess(cell, 0.01) == max(record().excess(CELL, 0.01), wanted)
    made.out.add((cell.key.id, ArmKey("ort")))
    assert made.excess(cell, 0.01) == wanted


def test_a_failure_to_load_is_one_in_every_cell_of_the_arm() -> None:
    other = PlannedCell(key=msgspec.structs.replace(CELL.key, batch_size=4), arms=(ArmKey("torch"),))
    told = record().in_every_cell([failed("ort"), failed("torch")], [CELL, other])
    assert [(line.cell, line.engine) for line in told] == [("b1-t2", "ort"), ("b1-t2", "torch"), ("b4-t2", "torch")]


def test_time_is_counted_by_what_it_was_spent_on_even_where_it_ends_badly() -> None:
    made = StudyRecord("torch")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), made.spending("rounds"):
            raise KeyboardInterrupt
    assert made.time_s["rounds"] > 0


def test_a_launch_of_which_every_round_was_disturbed_is_none_of_those_that_count() -> None:
    made = StudyRecord("torch")
    quiet = make_rounds({"torch": [[80, 82], [79, 80], [81, 80]], "ort": [[40, 40], [41, 40], [40, 40]]})
    lines = [msgspec.structs.replace(line, spoiled="steal" if line.launch == 2 else None) for line in quiet]
    made.continue_from(lines, [])
    assert made.launches_of(CELL.key.id) == 2
    made = StudyRecord("torch")
    made.continue_from([msgspec.structs.replace(line, spoiled="steal") for line in quiet], [])
    assert made.launches_of(CELL.key.id) == 3


def test_instances_that_run_their_own_batches_compute_at_the_same_time(tmp_path: Path) -> None:
    [line] = make_rounds({"torch": [[80]]})
    calls = ((0, 80_000_000), (0, 80_000_000))
    stream = msgspec.structs.replace(line, samples_ns=(80_000_000,) * 2, wall_ns=81_000_000, instance_calls=calls)
    made = StudyRecord("torch")
    with made.writing(tmp_path):
        made.keep_rounds([stream])
    assert made.time_s["inside_calls"] == pytest.approx(0.081)


def test_the_lead_in_is_time_of_its_own(tmp_path: Path) -> None:
    made = StudyRecord("torch")
    lines = [
        msgspec.structs.replace(ROUNDS[0], lead_in_ns=(5_000_000, 5_000_000)),
        msgspec.structs.replace(ROUNDS[1], lead_in_ns=(4_000_000, 4_000_000), instance_calls=(1, 1)),
    ]
    with made.writing(tmp_path):
        made.keep_rounds(lines)
        assert read_rounds(tmp_path) == lines
    assert made.time_s["inside_calls"] == pytest.approx(0.162)
    assert made.time_s["lead_in"] == pytest.approx(0.014)
