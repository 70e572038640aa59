"""Options that engines declare: a type, a default and a line of help each; anything undeclared is refused."""

from __future__ import annotations

from dataclasses import dataclass

from ortbench.engines.base import OptionValue
from ortbench.errors import EngineSpecError, UsageError, expected_one_of
from ortbench.units import parse_duration

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Option:
    """One option in square brackets.

    Attributes:
        kind: `bool`, `int`, `duration` (seconds as a float), `choice` or `text`.
        default: the value when it is not given; None where it is then simply off.
        choices: of a `choice`.
    """

    name: str
    kind: str
    default: OptionValue | None
    help: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str, engine: str) -> OptionValue:
        """Return the typed value of `text`.

        Raises:
            EngineSpecError: it is not of this option's kind.
        """
        where = f"{self.name} of '{engine}'"
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
    by_name = {option.name: option for option in declared}
    values: dict[str, OptionValue] = {}
    for name, text in given:
        if name not in by_name:
            if not by_name:
                raise EngineSpecError(f"The engine '{engine}' has no options, but got '{name}'.")
            raise EngineSpecError(expected_one_of(f"an option of '{engine}'", by_name, name))
        values[name] = by_name[name].parse(text, engine)
    return values
