"""How a spreadsheet wrote its CSV: encoding, separator, decimal mark and names of columns. Pure.

Nothing is guessed where two readings are possible: then an error names both.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ortbench.errors import ResultsError

_SEPARATORS = ",;\t|"
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Excel's first line, which says what separates the cells: `sep=;`.
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
# Of a number's thousands: spaces, breaking or not, and the Swiss apostrophe.
_GAPS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}")
_UNITS = {
    "s": 1e3, "sec": 1e3, "second": 1e3, "seconds": 1e3,
    "ms": 1.0, "msec": 1.0, "millisecond": 1.0, "milliseconds": 1.0,
    "us": 1e-3, "\u00b5s": 1e-3, "\u03bcs": 1e-3, "usec": 1e-3, "microseconds": 1e-3,
    "ns": 1e-6, "nanoseconds": 1e-6,
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """What a column's header says.

    Attributes:
        name: ours where it is one of ours under another spelling, e.g. `latency_ms` for `Latency (s)`; else as written.
        factor: by which its numbers must be multiplied to be in our unit.
    """

    name: str
    factor: float = 1.0


@dataclass(frozen=True)
class Dialect:
    """How a file separates its cells.

    Attributes:
        separator: one character.
        skipped: how many lines stand above the header.
    """

    separator: str
    skipped: int = 0


def decode(data: bytes, origin: str) -> str:
    """Return a file's text: UTF-8, UTF-16 or UTF-32 by its byte order mark, else UTF-8, else Windows' Western encoding.

    Raises:
        ResultsError: it is no text.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # Its Western pages are what spreadsheets on Windows write beside Unicode; ours are names and numbers.
        if encoding != "utf-8" or any(byte < 0x20 and byte not in b"\t\r\n" for byte in data):
            raise ResultsError(
                f"'{origin}' is no CSV: it is not {encoding.upper()} text. Save it as CSV in UTF-8."
            ) from error
        return data.decode("cp1252", errors="replace")


def find_dialect(text: str, expected: Collection[str]) -> Dialect:
    """Return the separator that an Excel line names, else the one with which most of the expected columns are found."""
    if named := _SEPARATOR_LINE.match(text):
        return Dialect(named[1], 1)
    header = next(iter(text.splitlines()), "")

    def found(separator: str) -> int:
        return sum(name.strip().strip('"') != "" and read_column(name, expected).name in expected
                   for name in _cells(header, separator))  # fmt: skip

    return Dialect(max(_SEPARATORS, key=found))


def read_column(header: str, expected: Collection[str], headers: Collection[str] = ()) -> Column:
    """Return what a header means: case, spaces, brackets and the unit of a time may differ from ours.

    Args:
        header: of the column.
        expected: our names.
        headers: of all columns; what has our name is meant, and no other column stands for it.
    """
    written = header.strip()
    if written in expected:
        return Column(written)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", written)
    spelled = re.sub(r"[\s\-_()\[\]/]+", "_", spaced.casefold()).strip("_")
    if spelled in expected and spelled not in headers:
        return Column(spelled)
    name, _, unit = spelled.rpartition("_")
    if unit in _UNITS and f"{name}_ms" in expected and f"{name}_ms" not in headers:
        return Column(f"{name}_ms", _UNITS[unit])
    return Column(written)


def decimal_mark(cells: Iterable[str], separator: str, origin: str) -> str:
    """Return what divides wholes from fractions in a file's numbers, a point or a comma, by all of them together.

    Raises:
        ResultsError: numbers contradict each other, or could be read in two ways.
    """
    cells = list(cells)
    if not any("," in cell or cell.count(".") > 1 for cell in cells):
        return "."
    numbers = [_GAPS.sub("", cell) for cell in cells]
    marks = {mark: number for number in numbers if (mark := _telling_mark(number))}
    if len(marks) == 2:
        raise ResultsError(
            f"'{origin}' has numbers with a decimal comma, '{marks[',']}', and with a decimal point, '{marks['.']}'."
        )
    if marks:
        return next(iter(marks))
    unclear = next((number for number in numbers if (match := _EITHER.fullmatch(number)) and match[1] == ","), None)
    if unclear is None:
        return "."
    if separator != ",":
        # A comma that does not separate cells is there because it is needed for fractions.
        return ","
    thousand = unclear.replace(",", "")
    raise ResultsError(
        f"'{origin}' has the number '{unclear}', which may be {thousand} or {unclear.replace(',', '.')}. "
        "Write numbers with a decimal point and without marks for thousands."
    )


def plain_number(text: str, decimal: str) -> str:
    """Return a number as Python reads it: without marks for thousands, with a decimal point; other text as it is."""
    if decimal == "." and text.isascii() and text.replace(".", "", 1).isdecimal():
        return text
    number = _GAPS.sub("", text.strip())
    thousands = "." if decimal == "," else ","
    whole, mark, fraction = number.partition(decimal)
    if thousands in whole:
        if not re.fullmatch(rf"[+-]?\d{{1,3}}(\{thousands}\d{{3}})+", whole):
            return text
        whole = whole.replace(thousands, "")
    if thousands in fraction:
        return text
    return f"{whole}.{fraction}" if mark else whole


def _cells(line: str, separator: str) -> Sequence[str]:
    return next(csv.reader(io.StringIO(line), delimiter=separator), [])


def _telling_mark(number: str) -> str | None:
    """Return the decimal mark that a number can only have; None where it has none, or could have either."""
    if not re.fullmatch(r"[+-]?[\d.,]*\d([eE][+-]?\d+)?", number) or not re.search(r"[.,]", number):
        return None
    digits = re.split(r"[eE]", number, maxsplit=1)[0]
    last = max(digits.rfind("."), digits.rfind(","))
    mark, other = digits[last], "," if digits[last] == "." else "."
    if other in digits:
        return mark
    if digits.count(mark) > 1:
        return other
    return None if _EITHER.fullmatch(digits) else mark
