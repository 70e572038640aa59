from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import ResultsError, UsageError
from ortbench.results.derive import summarize
from ortbench.results.explanation import (
    OUTSIDE,
    EngineExplanation,
    Explanation,
    OperatorShare,
    Profile,
    class_rows,
    find_cell,
    load_explanation,
    read_explanation,
    recorded_explanation,
    share,
    with_profiles,
)
from ortbench.results.folder import EXPLAIN_FILE, write_json
from ortbench.results.schema import CellKey
from ortbench.results.study import Results
from tests.results.factory import make_launches, make_rounds, make_run

CELLS = tuple(CellKey(model="m", batch_size=size, threads=count) for size in (1, 4) for count in (1, 2))
LISTED = "Expected --explain to name one of the cells [b1-t1, b1-t2, b4-t1, b4-t2], but got "


@pytest.mark.parametrize("text", ["b4-t2", " b4-t2 ", "batch_size=4,threads=2", "threads=2, batch_size=4, model=m"])
def test_a_cell_is_named_by_its_id_or_its_fields(text: str) -> None:
    assert find_cell(text, CELLS) == CELLS[3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_size=4", LISTED + "'batch_size=4': it names 2: b4-t1, b4-t2."),
        ("batch_size=9,threads=2", LISTED + "'batch_size=9,threads=2': there is no such cell."),
        (
            "b9-t2",
            "Expected --explain to be one of the cells [b1-t1, b1-t2, b4-t1, b4-t2], or fields such as "
            "batch_size=4,threads=2, but got 'b9-t2'.",
        ),
        (
            "",
            "Expected --explain to be one of the cells [b1-t1, b1-t2, b4-t1, b4-t2], or fields such as "
            "batch_size=4,threads=2, but got ''.",
        ),
    ],
)
def test_anything_else_is_refused_with_the_cells(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_cell(text, CELLS)
    assert str(caught.value) == message


def explanation(**profiles: Profile | None) -> Explanation:
    """Return one of the engines named, each ok, the first the baseline."""
    engines = tuple(
        EngineExplanation(engine=name, status="ok", latency_ms=5.0, profile=profile)
        for name, profile in profiles.items()
    )
    return Explanation(model="m", baseline=next(iter(profiles)), cell=CELLS[0], engines=engines)


def profile(call_ms: float | None = 10.0, **operators: float) -> Profile:
    return Profile(call_ms=call_ms, calls=9, operators=tuple(share(name, ms, 1) for name, ms in operators.items()))


def test_classes_stand_in_the_order_of_the_difference() -> None:
    both = explanation(torch=profile(Conv=6, Relu=2, Add=1), ort=profile(7, Conv=5.5, Relu=0.1, MaxPool=0.2))
    assert [(row.kind, row.ms) for row in class_rows(both)] == [
        ("activation", (2, 0.1)),
        ("elementwise", (1, 0)),
        ("convolution", (6, 5.5)),
        ("pooling and reduction", (0, 0.2)),
        (OUTSIDE, (1, pytest.approx(1.2))),
    ]


def test_an_engine_alone_is_ordered_by_time() -> None:
    rows = class_rows(explanation(torch=profile(Relu=2, Conv=6)))
    assert [row.kind for row in rows] == ["convolution", "activation", OUTSIDE]


def test_without_the_baselines_profile_nothing_is_compared_but_everything_shown() -> None:
    rows = class_rows(explanation(torch=Profile(reason="no"), ort=profile(Conv=6), compile=profile(Conv=5)))
    assert rows[0].ms == (6, 5)


OPERATORS = st.lists(
    st.builds(share, st.sampled_from(["Conv", "Relu", "Add", "Odd", "Gemm"]), st.floats(0, 100), st.integers(1, 9))
)


@given(st.lists(OPERATORS, min_size=1, max_size=4), st.floats(0.1, 1000))
def test_every_column_adds_up_to_its_call(engines: list[list[OperatorShare]], call_ms: float) -> None:
    profiles = {f"e{i}": Profile(call_ms=call_ms, calls=1, operators=tuple(own)) for i, own in enumerate(engines)}
    rows = class_rows(explanation(**profiles))
    for index in range(len(engines)):
        assert sum(row.ms[index] for row in rows) == pytest.approx(call_ms)


PLACEMENT = {"requested": "cpu", "assigned": {"cpu": 3}, "unit": "nodes"}


def study(path: Path) -> Results:
    run = make_run()
    launches = make_launches(["torch", "ort"], 2, placement=PLACEMENT, threads=2, boundary="host")
    rounds = make_rounds({"torch": [[2, 2]] * 2, "ort": [[1, 1]] * 2})
    return Results(path, summarize(run, rounds, launches), run, tuple(rounds), tuple(launches))


def test_the_record_alone_says_what_ran_where(tmp_path: Path) -> None:
    found = load_explanation(study(tmp_path), "b1-t2")
    assert [engine.engine for engine in found.engines] == ["torch", "ort"]
    assert found.engines[1].placement == PLACEMENT
    assert (found.engines[1].threads, found.engines[1].boundary, found.engines[1].latency_ms) == (2, "host", 1.0)
    assert found.profiled == ()
    assert class_rows(found) == []


def test_what_was_profiled_is_read_again(tmp_path: Path) -> None:
    results = study(tmp_path)
    recorded = recorded_explanation(results, CellKey(model="m", batch_size=1, threads=2))
    whole = with_profiles(recorded, {"ort": profile(Conv=6), "torch": Profile(reason="it died")})
    write_json(tmp_path / EXPLAIN_FILE, whole)
    assert load_explanation(results, "b1-t2") == whole
    assert [engine.engine for engine in whole.profiled] == ["ort"]


def test_another_cells_profile_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    other = msgspec.structs.replace(explanation(torch=profile(Conv=6)), cell=CELLS[3])
    write_json(tmp_path / EXPLAIN_FILE, other)
    assert load_explanation(study(tmp_path), "b1-t2").profiled == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema_version": 99}', "has schema version 99; this ortbench reads version 1"),
        ("{}", "is not what ortbench writes: Object missing required field `schema_version`"),
        ('{"schema_version": 1}', "is not what ortbench writes: Object missing required field `model`"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / EXPLAIN_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError) as caught:
        read_explanation(tmp_path)
    assert message in str(caught.value)
    assert "explain.json" in str(caught.value)


def test_a_csv_explains_nothing() -> None:
    results = Results(Path("x.csv"), study(Path()).summary)
    with pytest.raises(UsageError, match=r"^'x.csv' is a CSV and has no record that could explain a cell"):
        load_explanation(results, "b1-t2")
