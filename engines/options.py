"""Options that engines declare: a type, a default and a line of help each; anything undeclared is refused."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from ortbench.engines.base import OptionValue
from ortbench.errors import EngineSpecError, UsageError, expected_one_of
from ortbench.units import parse_duration

_BOOLEANS = {"true": True, "false": False}
_NAMES_FILES = re.compile(r"(path|paths|dir|directory|folder|file|file_name|library|load_config)$", re.IGNORECASE)


@dataclass(frozen=True)
class Option:
    """One option in square brackets.

    Attributes:
        kind: `bool`, `int`, `duration` (seconds as a float), `choice` or `text`.
        default: the value when it is not given; None where it is then simply off.
        choices: of a `choice`.
        known: where the name ends in `*`, what may stand in the star's place; empty where anything may.
        executes: its value starts a program or loads a library, so that a file alone may not give it.
    """

    name: str
    kind: str
    default: OptionValue | None
    help: str
    choices: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    executes: bool = False

    def may_execute(self, given: str) -> bool:
        """Say whether a value under the name `given` may make the engine run code or write files outside the results.

        Of options with a star that is told by the name: providers load what their `..._path` or `..._dir` names.
        """
        return self.executes or (self.name.endswith("*") and _NAMES_FILES.search(given) is not None)

    def parse(self, text: str, engine: str, given: str | None = None) -> OptionValue:
        """Return the typed value of `text`; `given` is the name as it was typed, where the declared one has a star.

        Raises:
            EngineSpecError: it is not of this option's kind.
        """
        where = f"{given or self.name} of '{engine}'"
        if self.kind == "bool":
            if text.lower() not in _BOOLEANS:
                raise EngineSpecError(expected_one_of(where, _BOOLEANS, text))
            return _BOOLEANS[text.lower()]
        if self.kind == "int":
            if not text.isdecimal():
                raise EngineSpecError(f"Expected {where} to be a whole number, but got '{text}'.")
            return int(text)
        if self.kind == "duration":
            try:
                return parse_duration(text, where)
            except UsageError as error:
                raise EngineSpecError(str(error)) from error
        if self.kind == "choice" and text not in self.choices:
            raise EngineSpecError(expected_one_of(where, self.choices, text))
        return text


def parse_options(
    declared: tuple[Option, ...], given: tuple[tuple[str, str], ...], engine: str
) -> dict[str, OptionValue]:
    """Type every given option by its declaration.

    Raises:
        EngineSpecError: one is not declared, or its value is not of its kind.
    """
    return {name: _find(declared, name, engine).parse(text, engine, name) for name, text in given}


def executed_options(
    declared: tuple[Option, ...], given: tuple[tuple[str, str], ...], engine: str
) -> tuple[tuple[str, str], ...]:
    """Return those of the given options that may run code, by name and text.

    Raises:
        EngineSpecError: one is not declared.
    """
    return tuple((name, text) for name, text in given if _find(declared, name, engine).may_execute(name))


def _find(declared: tuple[Option, ...], name: str, engine: str) -> Option:
    for option in declared:
        prefix = option.name.removesuffix("*")
        if name == option.name or (prefix != option.name and name.startswith(prefix) and name != prefix):
            _check_known(option, name.removeprefix(prefix), engine)
            return option
    if not declared:
        raise EngineSpecError(f"The engine '{engine}' has no options, but got '{name}'.")
    raise EngineSpecError(expected_one_of(f"an option of '{engine}'", (option.name for option in declared), name))


def _check_known(option: Option, rest: str, engine: str) -> None:
    if option.known and rest not in option.known:
        prefix = option.name.removesuffix("*")
        close = [prefix + name for name in difflib.get_close_matches(rest, option.known, n=3, cutoff=0.5)]
        meant = f"Did you mean {' or '.join(close)}?" if close else "Nothing that is known is spelled like it."
        raise EngineSpecError(f"There is no {prefix}{rest} for '{engine}'. {meant}")
