"""A CSV of latencies, ours or another tool's, to a summary. A pure function of the file's text."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from ortbench.errors import ResultsError
from ortbench.results.csv_dialect import decimal_mark, decode, find_dialect, plain_number, read_column
from ortbench.results.decomposition import best_against_best
from ortbench.results.schema import CellKey, Status
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Latency, Speedup, Summary
from ortbench.results.tidy import COLUMNS, MARK_SEPARATOR, from_text_cell
from ortbench.results.verdicts import decide_on_interval

# Ratios and products of what lies between are numbers, too.
_SMALLEST, _LARGEST, _MOST_DIGITS = 1e-100, 1e100, 15
_SHOWN = 100
REQUIRED = ("engine", "batch_size", "threads", "latency_ms")
_UNPAIRED = (
    "figures from a CSV are not paired: the interval of a ratio is the widest that the two latency intervals allow"
)


class _Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    number: int
    engine: str
    key: CellKey
    arm: ArmSummary


def summarize_csv(path: Path) -> Summary:
    """Read a CSV file into a summary; the baseline is the first engine to appear.

    Raises:
        ResultsError: it cannot be read, or a row or column is wrong; the message names them.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}.") from error
    return summarize_csv_text(decode(data, str(path)), str(path), path.stem)


def summarize_csv_text(text: str, origin: str, default_model: str) -> Summary:
    """Read a CSV's text; `origin` names it in errors, `default_model` stands where there is no model column."""
    dialect = find_dialect(text, COLUMNS)
    file = io.StringIO(text, newline="")
    for _ in range(dialect.skipped):
        file.readline()
    reader = csv.DictReader(file, delimiter=dialect.separator, strict=True)
    try:
        headers = [column.strip() for column in reader.fieldnames or ()]
        read = [read_column(header, COLUMNS, headers) for header in headers]
        columns = reader.fieldnames = [column.name for column in read]
        _refuse_repeated(columns, origin)
        # Rows are known by the line that they end on: blank lines are passed over, and quoted text may hold some.
        raw_rows = [(reader.line_num + dialect.skipped, raw) for raw in reader]
    except csv.Error as error:
        raise ResultsError(f"'{origin}' is no CSV: {error}.") from error
    _refuse_missing(columns, origin)
    numbers = [name for name in dict.fromkeys(columns) if COLUMNS.get(name) in (int, float)]
    cells = [value.strip() for _, raw in raw_rows for name in numbers if (value := raw.get(name))]
    writing = _Writing(
        decimal_mark(cells, dialect.separator, origin),
        {column.name: column.factor for column in read if column.factor != 1},
    )
    rows = [_row(raw, number, origin, default_model, writing) for number, raw in raw_rows]
    if not rows:
        raise ResultsError(f"'{origin}' has no rows below its header.")
    _refuse_duplicates(rows, origin)
    notes = [_UNPAIRED]
    notes += [f"'{header}' is read as {column.name}" for header, column in zip(headers, read, strict=True)
              if column.factor != 1]  # fmt: skip
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        notes.append(f"columns ignored: {', '.join(unknown)}")
    return _summary(rows, tuple(notes))


def _row(raw: dict[str, str | None], number: int, origin: str, default_model: str, writing: _Writing) -> _Row:
    cell = _Cells(raw, f"'{origin}' row {number}", writing)
    status = cell.text("status", "ok")
    if status not in get_args(Status):
        raise cell.error("status", f"one of [{', '.join(get_args(Status))}]")
    latency = cell.number("latency_ms", required=status == "ok")
    low, high = cell.number("latency_low_ms"), cell.number("latency_high_ms")
    if latency is not None and ((low or latency) > latency or (high or latency) < latency):
        raise cell.error("latency_low_ms", f"at most latency_ms ({latency:g}), and latency_high_ms at least that")
    instances = cell.count("instances", 1)
    key = CellKey(
        model=cell.text("model", default_model),
        precision=cell.text("precision", "fp32"),
        batch_size=cell.count("batch_size"),
        threads=cell.count("threads"),
        instances=instances,
        mode=cell.mode(instances),
        allocator=cell.text("allocator", "default"),
        load=cell.text("load", ""),
    )
    bounds = (low, high) if low is not None and high is not None else None
    throughput = cell.number("throughput_per_s")
    throughput_bounds = cell.bounds("throughput_low_per_s", "throughput_high_per_s", throughput)
    if throughput is None and latency is not None:
        items = key.batch_size * (key.instances if key.mode == "stream" else 1)
        throughput = items / latency * 1000
        # The same interval, seen from the other side.
        throughput_bounds = (items / bounds[1] * 1000, items / bounds[0] * 1000) if bounds else None
    memory = cell.number("memory_mib")
    arm = ArmSummary(
        engine=cell.text("engine", None),
        status=status,  # type: ignore[arg-type]  # checked above to be one of Status
        reason=cell.text("reason", "") or None,
        latency_ms=Latency(median=latency, ci95=bounds) if latency is not None else None,
        throughput_per_s=throughput,
        throughput_ci95=throughput_bounds,
        memory_mib=memory,
        memory_ci95=cell.bounds("memory_low_mib", "memory_high_mib", memory),
        pss_mib=cell.number("pss_mib"),
        gpu_memory_mib=cell.number("gpu_memory_mib"),
        joules_per_item=cell.number("joules_per_item"),
        minor_faults_per_call=cell.number("minor_faults_per_call", zero=True),
        marks=tuple(filter(None, cell.text("marks", "").split(MARK_SEPARATOR))),
    )
    return _Row(number=number, engine=arm.engine, key=key, arm=arm)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Writing(NamedTuple):
    """How a file writes its numbers.

    Attributes:
        decimal: a point or a comma.
        factors: by which a column's numbers are multiplied, by its name; 1 where there is none.
    """

    decimal: str
    factors: dict[str, float]


class _Cells:
    """One row's cells, each read as what it must be, with errors that name row and column."""

    def __init__(self, raw: dict[str, str | None], where: str, writing: _Writing) -> None:
        if None in raw:
            raise ResultsError(f"{where} has more cells than the header has columns.")
        self._raw = raw
        self._where = where
        self._writing = writing

    def error(self, column: str, expected: str) -> ResultsError:
        return ResultsError(
            f"{self._where}: expected {column} to be {expected}, but got '{_cut(self._raw.get(column) or '')}'."
        )

    def text(self, column: str, default: str | None) -> str:
        written = self._raw.get(column)
        # Most columns are absent from most files, and this runs for each of them in each row.
        value = from_text_cell(written.strip()) if written else ""
        if value:
            return value
        if default is None:
            raise self.error(column, "a name")
        return default

    def count(self, column: str, default: int | None = None) -> int:
        value = self.text(column, "")
        if not value and default is not None:
            return default
        value = plain_number(value, self._writing.decimal)
        if not (value.isascii() and value.isdecimal()) or value.strip("0") == "":
            raise self.error(column, "a whole number of at least 1")
        if len(value.lstrip("0")) > _MOST_DIGITS:
            raise self.error(column, f"a whole number of at most {_MOST_DIGITS} digits")
        return int(value)

    def mode(self, instances: int) -> str:
        modes = ("single",) if instances == 1 else ("split", "stream")
        value = self.text("mode", "single")
        if value not in modes:
            are = "there is one instance" if instances == 1 else f"there are {instances} instances"
            raise self.error("mode", f"one of [{', '.join(modes)}], as {are}")
        return value

    def bounds(self, low_column: str, high_column: str, around: float | None) -> Bounds | None:
        """Return an interval, None where one of its ends is missing; it holds the figure that it is of."""
        if low_column not in self._raw or high_column not in self._raw:
            return None
        low, high = self.number(low_column), self.number(high_column)
        if low is None or high is None or around is None:
            return None
        if not low <= around <= high:
            raise self.error(low_column, f"at most {around:g}, and {high_column} at least that")
        return low, high

    def number(self, column: str, *, required: bool = False, zero: bool = False) -> float | None:
        if not required and column not in self._raw:
            return None
        value = self.text(column, "")
        if not value and not required:
            return None
        try:
            number = float(plain_number(value, self._writing.decimal)) * self._writing.factors.get(column, 1)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
            raise self.error(column, "a number that is not negative" if zero else "a positive number")
        if number and not _SMALLEST <= number <= _LARGEST:
            raise self.error(column, f"a number between {_SMALLEST:g} and {_LARGEST:g}")
        return number


def _refuse_missing(columns: list[str], origin: str) -> None:
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        found = f" It has {', '.join(columns)}." if any(columns) else ""
        raise ResultsError(
            f"'{origin}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"expected at least {', '.join(REQUIRED)}.{found}"
        )


def _refuse_repeated(columns: list[str], origin: str) -> None:
    repeated = [column for column, count in Counter(columns).items() if count > 1 and column]
    if repeated:
        raise ResultsError(f"'{origin}' has the column {repeated[0]} more than once.")


def _refuse_duplicates(rows: list[_Row], origin: str) -> None:
    seen: dict[tuple[str, CellKey], int] = {}
    for row in rows:
        first = seen.setdefault((row.engine, row.key), row.number)
        if first != row.number:
            raise ResultsError(
                f"'{origin}' row {row.number}: the column engine repeats the point of row {first} "
                f"({row.engine}, batch size {row.key.batch_size}, threads {row.key.threads})."
            )


def _summary(rows: list[_Row], notes: tuple[str, ...]) -> Summary:
    engines = tuple(dict.fromkeys(row.engine for row in rows))
    models = tuple(dict.fromkeys(row.key.model for row in rows))
    places = {engine: place for place, engine in enumerate(engines)}
    by_key: dict[CellKey, dict[str, ArmSummary]] = {}
    for row in rows:
        by_key.setdefault(row.key, {})[row.engine] = row.arm
    cells = []
    for key in sorted(by_key):
        arms = by_key[key]
        compared = (_against(arms[name], arms.get(engines[0])) for name in sorted(arms, key=places.__getitem__))
        cells.append(CellSummary(**msgspec.structs.asdict(key), arms=tuple(compared)))
    return Summary(
        model=models[0],
        baseline=engines[0],
        engines=engines,
        paired=False,
        machine={},
        cells=tuple(cells),
        notes=notes,
        best=best_against_best(cells, engines[0]),
    )


def _against(arm: ArmSummary, baseline: ArmSummary | None) -> ArmSummary:
    """Add the speedup over the baseline of the same cell, where both have a latency that counts."""
    if baseline is None or arm.engine == baseline.engine or (arm.status, baseline.status) != ("ok", "ok"):
        return arm
    assert arm.latency_ms, "a row that is ok has a latency"
    assert baseline.latency_ms, "a row that is ok has a latency"
    mine, theirs = arm.latency_ms.ci95, baseline.latency_ms.ci95
    bounds = (theirs[0] / mine[1], theirs[1] / mine[0]) if mine and theirs else None
    return msgspec.structs.replace(
        arm,
        speedup=Speedup(
            baseline=baseline.engine,
            ratio=baseline.latency_ms.median / arm.latency_ms.median,
            ci95=bounds,
            verdict=decide_on_interval(bounds),
        ),
    )
