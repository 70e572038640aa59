"""What a gate asks for, e.g. `ort/torch >= 1.2 where batch_size=1`: the grammar, and files of requirements."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ortbench.errors import UsageError, expected_one_of
from ortbench.results.schema import CellKey

if TYPE_CHECKING:
    from lark import Lark, Token

Operator = Literal[">=", "<="]
Condition = tuple[str, str | int]

EXAMPLE = "ort/torch >= 1.2 where batch_size=1, threads=2"
FIELDS = CellKey.__struct_fields__

_FILE_EXAMPLE = f'Example: require = ["{EXAMPLE}"]'
_COUNTS = ("batch_size", "threads", "instances")
_OPERATORS: Mapping[str, Operator] = {">=": ">=", "<=": "<="}
_MEANT = {">": ">=", "<": "<=", "=>": ">=", "=<": "<=", "\u2265": ">=", "\u2264": "<="}
# What can be required -> its units in terms of the first, which is also the unit of a plain number.
UNITS: Mapping[str, Mapping[str, float]] = {
    "speedup": {"x": 1.0},
    **{name: {"ms": 1.0, "us": 0.001, "s": 1000.0} for name in ("latency", "p90", "p95", "p99")},
    "throughput": {"/s": 1.0},
    "memory": {"MiB": 1.0, "GiB": 1024.0},
}
FIGURES = tuple(name for name in UNITS if name != "speedup")

_BARE_ENGINE = r"[A-Za-z_][\w.+-]*(:[\w*.-]+)?(\[[^\[\]\s\"]*\])?"
_BARE_VALUE = r"[^\s,=\"]+"
# Only a figure stands before a parenthesis, so that an engine may be called `latency` all the same.
_GRAMMAR = rf"""
start: figure OPERATOR NUMBER [UNIT] where
figure: FIGURE "(" _engine ")" | _engine "/" _engine
_engine: ENGINE | QUOTED
where: [_WHERE condition ("," condition)*]
condition: FIELD "=" (VALUE | QUOTED)
FIGURE.2: /[A-Za-z_]\w*(?=\s*\()/
ENGINE: /{_BARE_ENGINE}/
QUOTED: /"(?:[^"\\]|\\.)+"/s
OPERATOR: /[<>=!~]+|[\u2264\u2265]/
NUMBER: /[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/
UNIT: /[A-Za-z\u00b5\u03bc%\/][\w%\/]*/
_WHERE.2: /where\b/
FIELD: /[A-Za-z_][\w-]*/
VALUE: /{_BARE_VALUE}/
%ignore /\s+/
"""
# The grammar's terminals for people, in the order of listing; QUOTED is another way to write its neighbour.
_WORDS = {
    "FIGURE": f"one of [{', '.join(f'{name}(ENGINE)' for name in FIGURES)}]",
    "ENGINE": "an engine (in double quotes if it has odd characters)",
    "SLASH": "/ and the engine to compare with",
    "RPAR": ")",
    "OPERATOR": ">= or <=",
    "NUMBER": "a number",
    "_WHERE": "where",
    "FIELD": f"one of [{', '.join(FIELDS)}]",
    "EQUAL": "=",
    "VALUE": "a value",
    "COMMA": "a comma",
    "$END": "the end",
}


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement on a study. `str` gives its canonical spelling, which reads back as the same.

    Attributes:
        quantity: a key of UNITS.
        over: the engine that a speedup is over; None for other quantities.
        limit: in ms, as a ratio, per second or in MiB, as `quantity` says.
        where: fields of a cell and the values they must have; none means every cell.
        name: what a file of requirements calls it.
    """

    quantity: str
    engine: str
    over: str | None = None
    operator: Operator
    limit: float
    where: tuple[Condition, ...] = ()
    name: str | None = None

    @property
    def unit(self) -> str:
        """The unit of `limit`: `x`, `ms`, `/s` or `MiB`."""
        return next(iter(UNITS[self.quantity]))

    def __str__(self) -> str:
        engine = _spell(self.engine, _BARE_ENGINE)
        figure = f"{engine}/{_spell(self.over, _BARE_ENGINE)}" if self.over else f"{self.quantity}({engine})"
        limit = repr(self.limit).removesuffix(".0") + ("" if self.unit == "x" else self.unit)
        conditions = ", ".join(f"{field}={_spell(str(value), _BARE_VALUE)}" for field, value in self.where)
        return f"{figure} {self.operator} {limit}" + (f" where {conditions}" if conditions else "")

    def covers(self, cell: CellKey) -> bool:
        """Say whether it is required of this cell."""
        return all(getattr(cell, field) == value for field, value in self.where)


def parse_requirement(text: str, name: str | None = None) -> Requirement:
    """Read one requirement.

    Raises:
        UsageError: it is not of the grammar; the message shows the place, what was expected there and an example.
    """
    text = text.strip()
    figure, operator, number, unit, where = _parse(text)
    first, second = figure.children
    if first.type == "FIGURE" and first not in FIGURES:
        raise _error(text, first, expected_one_of("a figure", FIGURES, first))
    engine, *over = [_unquoted(token) for token in (first, second) if token.type != "FIGURE"]
    if over == [engine]:
        raise _error(text, second, f"Expected two different engines, but got {second} twice.")
    quantity = "speedup" if over else str(first)
    return Requirement(
        quantity=quantity,
        engine=engine,
        over=over[0] if over else None,
        operator=_operator(operator, text),
        limit=_limit(number, unit, quantity, text),
        where=_conditions([branch.children for branch in where.children if branch], text),
        name=name,
    )


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Read what may follow `where`, e.g. `batch_size=1, threads=2`.

    Raises:
        UsageError: it is not of the grammar.
    """
    text = f"where {text}"
    return _conditions([branch.children for branch in _parse(text, "where") if branch], text)


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """Read a TOML file: `require = ["...", ...]`, and tables `[[requirement]]` with `require` and maybe `name`.

    Raises:
        UsageError: it cannot be read, holds none, or one is wrong; the message names the file and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The requirements '{path}' cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The requirements '{path}' are no TOML: {error}.") from error
    try:
        content = msgspec.convert(document, _Content)
    except msgspec.ValidationError as error:
        raise UsageError(f"'{path}' is no file of requirements: {error}. {_FILE_EXAMPLE}") from error
    requirements = tuple(_parse_all(content, path))
    if not requirements:
        raise UsageError(f"'{path}' holds no requirement. {_FILE_EXAMPLE}")
    return requirements


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    require: str
    name: str | None = None


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    require: list[str] = []
    requirement: list[_Table] = []


def _parse_all(content: _Content, path: Path) -> Iterator[Requirement]:
    for key, tables in (("require", map(_Table, content.require)), ("requirement", content.requirement)):
        for number, table in enumerate(tables, start=1):
            try:
                yield parse_requirement(table.require, table.name)
            except UsageError as error:
                first, *more = error.args
                raise UsageError(f"'{path}', {key} number {number}: {first}", *more) from error


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", start=["start", "where"], maybe_placeholders=True)


def _parse(text: str, start: str = "start") -> list[Any]:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        return _parser().parse(text, start=start).children
    except UnexpectedToken as error:
        # The end is reported at the last token's place.
        place = len(text) if error.token.type == "$END" else error.pos_in_stream or 0
        raise _unexpected(text, place, error.accepts or error.expected) from error
    except UnexpectedCharacters as error:
        raise _unexpected(text, error.pos_in_stream or 0, error.allowed or ()) from error


def _unexpected(text: str, place: int, terminals: Collection[str]) -> UsageError:
    expected = " or ".join(words for terminal, words in _WORDS.items() if terminal in terminals)
    found = re.match(r"\S+", text[place:])
    return _error(text, place, f"Expected {expected}, but " + (f"got '{found[0]}'." if found else "it ends."))


def _error(text: str, place: int | Token, message: str) -> UsageError:
    """Show the place; what cannot be printed becomes a blank, so that the caret still stands under it."""
    indent = " " * (place if isinstance(place, int) else place.start_pos or 0)
    shown = "".join(character if character.isprintable() else " " for character in text)
    return UsageError(message, f"  {shown}", f"  {indent}^", f"Example: {EXAMPLE}")


def _operator(token: Token, text: str) -> Operator:
    if token in _OPERATORS:
        return _OPERATORS[token]
    meant = _MEANT.get(token)
    advice = f"write {meant}" if meant else "a measured figure never equals a number, bound it from above or below"
    raise _error(text, token, f"Expected >= or <=, but got '{token}': {advice}.")


def _limit(number: Token, unit: Token | None, quantity: str, text: str) -> float:
    units = UNITS[quantity]
    if unit is not None and unit not in units:
        raise _error(text, unit, expected_one_of(f"the unit of {quantity}", units, unit))
    limit = float(number) * (units[unit] if unit else 1)
    if not (math.isfinite(limit) and limit > 0):
        raise _error(text, number, f"Expected a number above 0, but got '{number}'.")
    return limit


def _conditions(pairs: list[list[Token]], text: str) -> tuple[Condition, ...]:
    fields = [str(field) for field, _ in pairs]
    for index, (field, value) in enumerate(pairs):
        if field not in FIELDS:
            raise _error(text, field, expected_one_of("what follows where", FIELDS, field))
        if field in fields[:index]:
            raise _error(text, field, f"Expected each field once, but got {field} twice.")
        if field in _COUNTS and not re.fullmatch("[1-9][0-9]{0,8}", value):
            raise _error(text, value, f"Expected {field} to be a whole number from 1, but got '{value}'.")
    return tuple((str(field), int(value) if field in _COUNTS else _unquoted(value)) for field, value in pairs)


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL) if token.type == "QUOTED" else str(token)


def _spell(name: str, bare: str) -> str:
    """Put a name in double quotes where the grammar could not read it without."""
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return name if re.fullmatch(bare, name) else quoted
