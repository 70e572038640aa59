from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.results.requirements import FIGURES, Requirement, parse_requirement, read_requirements
from ortbench.results.schema import CellKey

EXAMPLE = "Example: ort/torch >= 1.2 where batch_size=1, threads=2"
FIGURE = "one of [latency(ENGINE), p90(ENGINE), p95(ENGINE), p99(ENGINE), throughput(ENGINE), memory(ENGINE)]"
ENGINE = f"{FIGURE} or an engine (in double quotes if it has odd characters)"
FIELD = "one of [model, precision, batch_size, threads, instances, mode, allocator, load]"


def require(**fields: object) -> Requirement:
    return Requirement(**{"quantity": "speedup", "engine": "ort", "operator": ">=", **fields})  # type: ignore[arg-type]  # a test names fields freely


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ort/torch >= 1.2", require(over="torch", limit=1.2)),
        ("  ort / torch>=1.2x ", require(over="torch", limit=1.2)),
        ("ort/torch <= 1e-2", require(over="torch", operator="<=", limit=0.01)),
        ("latency(ort) <= 50ms", require(quantity="latency", operator="<=", limit=50.0)),
        ("latency(ort) <= 50", require(quantity="latency", operator="<=", limit=50.0)),
        ("latency(ort) <= 2 s", require(quantity="latency", operator="<=", limit=2000.0)),
        ("latency(ort) <= 500us", require(quantity="latency", operator="<=", limit=0.5)),
        ("p90(ort) <= 1", require(quantity="p90", operator="<=", limit=1.0)),
        ("p95 ( ort ) <= 1", require(quantity="p95", operator="<=", limit=1.0)),
        ("p99(ort) <= .5", require(quantity="p99", operator="<=", limit=0.5)),
        ("throughput(ort) >= 1000", require(quantity="throughput", limit=1000.0)),
        ("throughput(ort) >= 1000/s", require(quantity="throughput", limit=1000.0)),
        ("memory(ort) <= 512MiB", require(quantity="memory", operator="<=", limit=512.0)),
        ("memory(ort) <= 1GiB", require(quantity="memory", operator="<=", limit=1024.0)),
        ("memory(ort) <= 512", require(quantity="memory", operator="<=", limit=512.0)),
        (
            "ort/torch >= 1 where batch_size=1, threads = 2",
            require(over="torch", limit=1.0, where=(("batch_size", 1), ("threads", 2))),
        ),
        (
            'ort/torch >= 1 where model="my model", precision=fp16,mode=split, allocator=jemalloc, instances=2',
            require(
                over="torch",
                limit=1.0,
                where=(
                    ("model", "my model"),
                    ("precision", "fp16"),
                    ("mode", "split"),
                    ("allocator", "jemalloc"),
                    ("instances", 2),
                ),
            ),
        ),
        (
            "ort:cuda/torch[channels_last=true,compile=max-autotune] >= 1",
            require(engine="ort:cuda", over="torch[channels_last=true,compile=max-autotune]", limit=1.0),
        ),
        (
            '"torch[channels_last=true]"/torch >= 1',
            require(engine="torch[channels_last=true]", over="torch", limit=1.0),
        ),
        ('"a / \\"b\\" \\\\"/torch >= 1', require(engine='a / "b" \\', over="torch", limit=1.0)),
        ("latency/where >= 1", require(engine="latency", over="where", limit=1.0)),
        ("latency(latency) <= 1", require(quantity="latency", engine="latency", operator="<=", limit=1.0)),
    ],
)
def test_every_form_is_read(text: str, expected: Requirement) -> None:
    assert parse_requirement(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", f"Expected {ENGINE}, but it ends.", 0),
        ("1/torch >= 1", f"Expected {ENGINE}, but got '1/torch'.", 0),
        ('"ort/torch >= 1', f"Expected {ENGINE}, but got '\"ort/torch'.", 0),
        ('""/torch >= 1', f"Expected {ENGINE}, but got '\"\"/torch'.", 0),
        ("latency() <= 1", "Expected an engine (in double quotes if it has odd characters), but got ')'.", 8),
        ("latency(ort <= 1", "Expected ), but got '<='.", 12),
        (
            "p50(ort) <= 1",
            "Expected a figure to be one of [latency, p90, p95, p99, throughput, memory], but got 'p50'.",
            0,
        ),
        ("ort >= 1", "Expected / and the engine to compare with, but got '>='.", 4),
        ("ort/ort >= 1", "Expected two different engines, but got ort twice.", 4),
        ("ort/torch 1", "Expected >= or <=, but got '1'.", 10),
        ("ort/torch > 1", "Expected >= or <=, but got '>': write >=.", 10),
        ("ort/torch < 1", "Expected >= or <=, but got '<': write <=.", 10),
        ("ort/torch => 1", "Expected >= or <=, but got '=>': write >=.", 10),
        ("ort/torch \u2264 1", "Expected >= or <=, but got '\u2264': write <=.", 10),
        (
            "ort/torch == 1",
            "Expected >= or <=, but got '==': a measured figure never equals a number, bound it from above or below.",
            10,
        ),
        (
            "ort/torch != 1",
            "Expected >= or <=, but got '!=': a measured figure never equals a number, bound it from above or below.",
            10,
        ),
        ("ort/torch >=", "Expected a number, but it ends.", 12),
        ("ort/torch >= fast", "Expected a number, but got 'fast'.", 13),
        ("ort/torch >= 0", "Expected a number above 0, but got '0'.", 13),
        ("ort/torch >= -1", "Expected a number above 0, but got '-1'.", 13),
        ("ort/torch >= 1e999", "Expected a number above 0, but got '1e999'.", 13),
        ("ort/torch >= 1,5", "Expected where or the end, but got ',5'.", 14),
        ("ort/torch >= 1.2%", "Expected the unit of speedup to be one of [x], but got '%'.", 16),
        ("latency(ort) <= 5m", "Expected the unit of latency to be one of [ms, us, s], but got 'm'.", 17),
        ("throughput(ort) >= 5k", "Expected the unit of throughput to be one of [/s], but got 'k'.", 20),
        ("memory(ort) <= 5MB", "Expected the unit of memory to be one of [MiB, GiB], but got 'MB'.", 16),
        ("ort/torch >= 1 where", f"Expected {FIELD}, but it ends.", 20),
        (
            "ort/torch >= 1 where batch=1",
            f"Expected what follows where to be {FIELD}, but got 'batch'.",
            21,
        ),
        ("ort/torch >= 1 where threads>1", "Expected =, but got '>1'.", 28),
        ("ort/torch >= 1 where threads=", "Expected a value, but it ends.", 29),
        ("ort/torch >= 1 where threads=two", "Expected threads to be a whole number from 1, but got 'two'.", 29),
        ("ort/torch >= 1 where threads=0", "Expected threads to be a whole number from 1, but got '0'.", 29),
        ("ort/torch >= 1 where threads=1, threads=2", "Expected each field once, but got threads twice.", 32),
        ("ort/torch >= 1 where threads=1,", f"Expected {FIELD}, but it ends.", 31),
        ("ort/torch >= 1 where threads=1 batch_size=2", "Expected a comma or the end, but got 'batch_size=2'.", 31),
    ],
)
def test_an_error_shows_the_place_what_was_expected_and_an_example(text: str, message: str, place: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_requirement(text)
    assert str(caught.value) == f"{message}\n  {text}\n  {' ' * place}^\n{EXAMPLE}"


def test_the_caret_stands_under_the_place_behind_tabs_and_line_ends() -> None:
    with pytest.raises(UsageError) as caught:
        parse_requirement("ort/torch\n\t> 1")
    assert str(caught.value).splitlines()[1:3] == ["  ort/torch  > 1", "             ^"]


names = st.text(min_size=1).filter(lambda name: name.strip() == name)
limits = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
counts = st.integers(1, 999_999_999)
conditions = st.fixed_dictionaries(
    {}, optional={"model": names, "mode": st.sampled_from(["split", "a,b"]), "batch_size": counts, "threads": counts}
).map(lambda fields: tuple(fields.items()))


@given(names, names, st.sampled_from([">=", "<="]), limits, conditions)
def test_a_speedup_reads_back_as_it_is_written(
    engine: str, over: str, operator: str, limit: float, where: tuple[tuple[str, object], ...]
) -> None:
    requirement = require(engine=engine, over=f"{over}'", operator=operator, limit=limit, where=where)
    assume(engine != requirement.over)
    assert parse_requirement(str(requirement)) == requirement


@given(st.sampled_from(FIGURES), names, st.sampled_from([">=", "<="]), limits)
def test_a_figure_reads_back_as_it_is_written(quantity: str, engine: str, operator: str, limit: float) -> None:
    requirement = require(quantity=quantity, engine=engine, operator=operator, limit=limit)
    assert parse_requirement(str(requirement)) == requirement


def refusal(text: str) -> str | None:
    try:
        parse_requirement(text)
    except UsageError as error:
        return str(error)
    return None


pieces = st.sampled_from([*'/()[]<>=.,"\\ -', "ort", "torch", "latency", "where", "threads", "1", "2", "ms", "x"])


@given(st.one_of(st.text(max_size=40), st.lists(pieces).map("".join)))
def test_any_text_is_read_or_refused_with_an_example(text: str) -> None:
    message = refusal(text)
    assert message is None or message.endswith(EXAMPLE)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("latency( ort )<=0.05s", "latency(ort) <= 50ms"),
        ("memory(ort)<=2GiB", "memory(ort) <= 2048MiB"),
        ('"ort"/"py torch">=1.20x where threads="2 "', None),
        ('"ort"/"py torch">=1.20x where model="m"', 'ort/"py torch" >= 1.2 where model=m'),
        ("throughput(ort)>=10", "throughput(ort) >= 10/s"),
    ],
)
def test_the_canonical_spelling_is_short(text: str, spelling: str | None) -> None:
    if spelling is None:
        with pytest.raises(UsageError, match="Expected threads to be a whole number"):
            parse_requirement(text)
    else:
        assert str(parse_requirement(text)) == spelling


def test_it_covers_the_cells_whose_fields_agree() -> None:
    cell = CellKey(model="m", batch_size=4, threads=2)
    assert parse_requirement("a/b >= 1").covers(cell)
    assert parse_requirement("a/b >= 1 where batch_size=4, precision=fp32, mode=single").covers(cell)
    assert not parse_requirement("a/b >= 1 where batch_size=4, threads=1").covers(cell)


def test_a_file_lists_requirements_and_may_name_them(tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(
        'require = ["ort/torch >= 1.2", "p99(ort) <= 80ms"]\n'
        '[[requirement]]\nname = "fits"\nrequire = "memory(ort) <= 1GiB"\n'
        "[[requirement]]\nrequire = '\"my engine\"/torch >= 1'\n",
        encoding="utf-8",
    )
    found = [(requirement.name, str(requirement)) for requirement in read_requirements(file)]
    assert found == [
        (None, "ort/torch >= 1.2"),
        (None, "p99(ort) <= 80ms"),
        ("fits", "memory(ort) <= 1024MiB"),
        (None, '"my engine"/torch >= 1'),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'{file}' holds no requirement. Example: require = [\"ort/torch >= 1.2 where batch_size=1, threads=2\"]"),
        (b"require = [", "The requirements '{file}' are no TOML: Invalid value (at end of document)."),
        (b"\xff", "The requirements '{file}' are no TOML: 'utf-8' codec can't decode byte 0xff in position 0"),
        (b'require = "a/b >= 1"', "'{file}' is no file of requirements: Expected `array`, got `str` - at `$.require`."),
        (b"requires = []", "'{file}' is no file of requirements: Object contains unknown field `requires`."),
        (
            b'[[requirement]]\nname = "n"',
            "'{file}' is no file of requirements: Object missing required field `require` - at `$.requirement[0]`.",
        ),
        (
            b'[[requirement]]\nrequire = "a/b >= 1"\nlimit = 3',
            "'{file}' is no file of requirements: Object contains unknown field `limit` - at `$.requirement[0]`.",
        ),
        (
            b'require = ["a/b >= 1", "a/b > 1"]',
            "'{file}', require number 2: Expected >= or <=, but got '>': write >=.\n  a/b > 1\n      ^\n",
        ),
        (
            b'[[requirement]]\nrequire = "a/b"',
            "'{file}', requirement number 1: Expected >= or <=, but it ends.\n  a/b\n     ^\n",
        ),
    ],
)
def test_an_error_in_a_file_names_the_file_and_the_key(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "gates.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_requirements(file)
    assert str(caught.value).startswith(message.format(file=file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_requirements(tmp_path / "gates.toml")
    assert (
        str(caught.value) == f"The requirements '{tmp_path / 'gates.toml'}' cannot be read: No such file or directory."
    )


def test_importing_it_does_not_import_the_parser() -> None:
    code = "import sys, ortbench.results.requirements\nassert 'lark' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
