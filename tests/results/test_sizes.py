"""What is read, planned and shown stays possible however large the numbers and however many the rows are."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable

import msgspec
import pytest

from ortbench.errors import MOST_CHOICES, ResultsError, UsageError, enumerated
from ortbench.printable import printable_lines
from ortbench.results import decomposition
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.gate import decide
from ortbench.results.gate_formats import to_text
from ortbench.results.profiles import interpolate
from ortbench.results.recommendation import MOST_ITEMS, MOST_THREADS, PlanRequest, recommend
from ortbench.results.reduction import evenly, for_pictures, for_tables
from ortbench.results.requirements import Requirement, parse_requirement
from ortbench.results.schema import CellKey
from ortbench.results.summary import ArmSummary, BestAgainstBest, BestWay, CellSummary, Latency, Speedup, Summary, Way
from ortbench.results.tidy import tidy_rows, to_csv, to_parquet
from ortbench.results.ways import choices
from ortbench.units import format_significant

HEADER = "engine,batch_size,threads,latency_ms\n"


def read(text: str, header: str = HEADER) -> Summary:
    return summarize_csv_text(header + text, "x.csv", "m")


@pytest.mark.parametrize("digits", [16, 20, 400, 5000])
@pytest.mark.parametrize("column", ["batch_size", "threads"])
def test_a_count_that_nothing_could_hold_is_named(digits: int, column: str) -> None:
    cells = {"batch_size": "1", "threads": "1"} | {column: "9" * digits}
    with pytest.raises(
        ResultsError, match=f"row 2: expected {column} to be a whole number of at most 15 digits"
    ) as caught:
        read(f"ort,{cells['batch_size']},{cells['threads']},5\n")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("latency", ["1e308", "1e-308", "1e-320", "1e101", "9" * 120])
def test_a_latency_whose_ratio_overflows_is_named(latency: str) -> None:
    with pytest.raises(ResultsError, match="row 2: expected latency_ms to be a number between 1e-100 and 1e\\+100"):
        read(f"ort,1,1,{latency}\n")


def test_what_is_accepted_can_be_shown_and_written_everywhere() -> None:
    big = "9" * 15
    summary = read(f"torch,{big},{big},1e-100\nort,{big},{big},1e100\n")
    speedup = summary.cells[0].arms[1].speedup
    assert speedup
    assert math.isfinite(speedup.ratio)
    rows = tidy_rows(summary)
    assert to_csv(rows)
    assert to_parquet(rows)
    assert format_significant(1e200) == "1.00e+200"
    assert format_significant(1e-200) == "1.00e-200"
    assert [format_significant(value) for value in (math.inf, -math.inf, math.nan)] == ["inf", "-inf", "nan"]
    assert [format_significant(value) for value in (0.0123, 1240, 1e12)] == ["0.0123", "1240", "1000000000000"]


def test_a_plan_fills_no_gap_beyond_the_batch_that_is_wanted() -> None:
    filled = interpolate({(1, 1): 1.0, (1, 10**12): 5.0}, 16)
    assert sorted(size for _, size in filled) == [*range(1, 17), 10**12]
    summary = read("ort,1,1,1\nort,1000000000000,1,5\n")
    found = recommend(summary, PlanRequest(threads=4, batch_size=16, interpolate=True))
    assert found.latency_ms == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(
    ("threads", "batch_size", "objective", "message"),
    [
        (1, 10**12, "latency", f"Expected --batch-size to be at most {MOST_ITEMS}, but got 1000000000000."),
        (10**9, 1, "throughput", f"Expected --threads to be at most {MOST_THREADS}, but got 1000000000."),
        (4096, 65536, "throughput", "4096 threads with a batch size of 65536 are 268435456. Plan for a part of"),
    ],
)
def test_a_plan_that_would_never_end_is_refused(threads: int, batch_size: int, objective: str, message: str) -> None:
    request = PlanRequest(threads=threads, batch_size=batch_size, objective=objective)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        recommend(read("ort,1,1,1\n"), request)
    assert message in str(caught.value)


WAYS = "engine,batch_size,threads,instances,mode,latency_ms\n"


def in_two_ways(sizes: int) -> str:
    return "".join(
        f"{engine},{size},1,1,single,5\n{engine},{size},1,2,split,4\n"
        for size, engine in itertools.product(range(1, sizes + 1), ("torch", "ort"))
    )


def looks(sizes: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often the key of a cell was asked for."""
    asked = 0
    original: Callable[[CellSummary], object] = CellSummary.key.fget  # type: ignore[attr-defined]

    def counted(cell: CellSummary) -> object:
        nonlocal asked
        asked += 1
        return original(cell)

    text = in_two_ways(sizes)
    with monkeypatch.context() as patch:
        patch.setattr(CellSummary, "key", property(counted))
        summary = read(text, WAYS)
        assert len(summary.best) == 2 * sizes
        assert len(decomposition.contestants(summary.cells, "torch")) == sizes
        decide([parse_requirement("ort/torch >= 1")], summary)
    return asked


def test_what_follows_from_cells_takes_time_in_proportion_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = looks(20, monkeypatch), looks(200, monkeypatch)
    assert many <= 11 * few


def test_choices_are_made_for_each_lane_and_batch_size_apart() -> None:
    cells = read(in_two_ways(3), WAYS).cells
    assert [(one.batch_size, one.objective) for one in choices(cells, "torch")] == [
        (size, objective) for size in (1, 2, 3) for objective in ("latency", "throughput")
    ]


def test_tables_and_pictures_of_very_many_cells_say_what_is_left_out() -> None:
    few = read("torch,1,1,5\nort,1,1,4\n")
    assert for_tables(few) is few
    assert for_pictures(few) is few
    rows = "".join(f"e{number},{number},1,5\n" for number in range(1, 3001))
    many = read("torch,1,1,5\n" + rows)
    shown = for_tables(many)
    assert len(shown.engines) == 32
    assert shown.baseline == "torch"
    assert shown.notes[0].startswith("Shown are ")
    assert "of 3000 cells and 32 of 3001 engines; `ortbench show --output FILE.csv` writes all" in shown.notes[0]
    drawn = for_pictures(read("".join(f"ort,{size},1,5\n" for size in range(1, 3001))))
    assert len(drawn.cells) == 48
    assert (drawn.cells[0].batch_size, drawn.cells[-1].batch_size) == (1, 3000)
    best = for_tables(read(in_two_ways(600), WAYS))
    assert len(best.cells) == 500
    assert {one.batch_size for one in best.best} <= {cell.batch_size for cell in best.cells}


def test_even_choices_keep_both_ends() -> None:
    assert evenly([1, 2, 3], 3) == [1, 2, 3]
    assert evenly(range(100), 4) == [0, 33, 66, 99]


def test_a_message_names_no_more_choices_than_anybody_reads() -> None:
    assert enumerated(["a", "b"]) == "a, b"
    assert enumerated(map(str, range(100_000))).endswith(f", and {100_000 - MOST_CHOICES} more")


def test_the_engines_of_very_many_cells_are_found_once() -> None:
    rows = "".join(f"e{number},{number},1,5\n" for number in range(1, 3001))
    with pytest.raises(UsageError, match="Its cells have: e1, e2") as caught:
        decide([parse_requirement("latency(torch) <= 1")], read(rows))
    assert len(str(caught.value)) < 2000


def counted(target: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Replace a function of one argument by itself; return a list of what it is called with from now on."""
    module, _, name = target.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    seen: list[object] = []

    def called(value: object) -> object:
        seen.append(value)
        return original(value)

    monkeypatch.setattr(target, called)
    return seen


@pytest.mark.parametrize("rows", [10, 100])
def test_columns_that_a_file_lacks_cost_nothing_in_each_row(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted("ortbench.results.csv_input.from_text_cell", monkeypatch)
    read("".join(f"ort,{size},1,5\n" for size in range(1, rows + 1)))
    assert len(seen) == 4 * rows


def test_plain_answers_are_printed_without_a_look_at_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    report = decide([parse_requirement("ort/torch >= 1")], read(in_two_ways(50), WAYS))
    seen = counted("ortbench.printable._hidden", monkeypatch)
    text = to_text(report)
    assert printable_lines(text) == text
    assert text.count("\n") >= 100
    assert seen == []
    assert printable_lines("plain\nodd \x1b\n") == "plain\nodd \\x1b\n"
    assert len(seen) == len("odd \x1b")


def test_a_gate_spells_a_requirement_once_for_all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    report = decide([parse_requirement("ort/torch >= 1.125")], read(in_two_ways(50), WAYS))
    original, spelled = Requirement.__str__, []

    def spell(one: Requirement) -> str:
        spelled.append(one)
        return original(one)

    monkeypatch.setattr(Requirement, "__str__", spell)
    assert to_text(report).count("ort/torch >= 1.125; m, batch size") == len(report.answers) == 100
    assert len(spelled) <= 1


def test_the_tables_of_best_ways_are_reduced_too_with_a_note() -> None:
    shown = for_tables(read(in_two_ways(600), WAYS))
    assert len({one.batch_size for one in shown.best}) == 100
    assert len(shown.best) == 200
    assert ", best against best for 100 of 600 batch sizes; " in shown.notes[0]


@pytest.mark.parametrize("kind", [CellKey, ArmSummary, CellSummary, Latency, Speedup, Way, BestWay, BestAgainstBest])
def test_the_collector_of_cycles_passes_over_what_there_is_for_each_row(kind: type[msgspec.Struct]) -> None:
    assert not kind.__struct_config__.gc
