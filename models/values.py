"""What an input is filled with: `--values NAME=SPEC`, or seeded values. Pure functions of data."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ortbench.errors import InputShapeError, ModelError

TEXT = "str"
NORMAL, ONES, ZEROS = "normal", "ones", "zeros"
ACCEPTED = f"a number, a range such as 0..255, true, false, {NORMAL}, {ONES} or {ZEROS}"
# Zeros and ones are valid token ids, token types, masks and indices alike; larger integers need not be.
_SEEDED_INTEGERS = (0, 1)
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_BOOLEANS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Filling:
    """How an input is filled.

    Attributes:
        low, high: the smallest and the largest value, both included; equal for a constant.
        normal: standard normal instead.
        text: the same text everywhere, for an input of text.
    """

    low: float | int = 0
    high: float | int = 0
    normal: bool = False
    text: str | None = None


def read_filling(name: str, dtype: str, spec: str | None) -> Filling:
    """Read what an input is to be filled with.

    Args:
        name: of the input.
        dtype: numpy's name of its type; `str` for text.
        spec: of `--values`; None for what is usual: standard normal floats, integers 0 or 1, true or false.

    Raises:
        InputShapeError: it is not of the form that `--values` takes, or does not suit the type.
        ModelError: nothing was said, and there are no seeded values of the type.
    """
    if dtype == TEXT:
        if spec is None:
            raise InputShapeError(
                f"Input '{name}' is text, which cannot be drawn by a seed; give --values {name}=TEXT for the same text "
                "everywhere, or --inputs FILE.npz."
            )
        return Filling(text=spec)
    kind = _kind(dtype)
    if kind not in "fiub":
        raise ModelError(f"Input '{name}' is of type {dtype}, which cannot be filled with seeded values.")
    if spec is None:
        return Filling(normal=True) if kind == "f" else Filling(*_SEEDED_INTEGERS)
    if spec == NORMAL:
        if kind != "f":
            raise InputShapeError(f"--values {name}={NORMAL} needs an input of floats, but '{name}' is {dtype}.")
        return Filling(normal=True)
    low, high = _bounds(name, spec)
    _check_range(name, dtype, spec, (low, high))
    return Filling(low, high)


def fill(filling: Filling, dtype: str, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.generic]:
    """Return an array of that shape; integers and booleans are uniform over the range, floats too."""
    if filling.text is not None:
        return np.full(shape, filling.text)
    wanted = np.dtype(dtype)
    if filling.normal:
        draw = np.float64 if wanted == np.float64 else np.float32
        return np.asarray(generator.standard_normal(shape, dtype=draw)).astype(wanted, copy=False)
    if wanted.kind == "f" and filling.low != filling.high:
        share = np.asarray(generator.random(shape), np.float64)
        return np.asarray(share * (filling.high - filling.low) + filling.low).astype(wanted)
    if filling.low == filling.high:
        return np.full(shape, filling.low, dtype=wanted)
    drawn = generator.integers(int(filling.low), int(filling.high), size=shape, endpoint=True, dtype=_drawn(wanted))
    return np.asarray(drawn).astype(wanted)


def _drawn(wanted: np.dtype[np.generic]) -> type[np.generic]:
    return np.uint64 if wanted == np.uint64 else np.int64


def _kind(dtype: str) -> str:
    try:
        return np.dtype(dtype).kind
    except TypeError:  # bfloat16, float8 and the like, which numpy itself does not know
        return "V"


def _bounds(name: str, spec: str) -> tuple[float | int, float | int]:
    word = {ONES: (1, 1), ZEROS: (0, 0)}.get(spec)
    if word is not None:
        return word
    if spec.lower() in _BOOLEANS:
        truth = int(_BOOLEANS[spec.lower()])
        return truth, truth
    found = _RANGE.fullmatch(spec)
    low, high = found.groups() if found else (spec, spec)
    if re.fullmatch(_NUMBER, low) is None:
        raise InputShapeError(f"Expected --values {name}= to be {ACCEPTED}, but got '{spec}'.")
    return _number(low), _number(high)


def _number(text: str) -> float | int:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _check_range(name: str, dtype: str, spec: str, bounds: tuple[float | int, float | int]) -> None:
    low, high = bounds
    if high < low:
        raise InputShapeError(f"--values {name}={spec}: the range ends before it begins.")
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        limits: tuple[float | int, float | int] = (float(np.finfo(dtype).min), float(np.finfo(dtype).max))
        whole = True
    else:
        limits = (0, 1) if wanted.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        whole = all(float(number).is_integer() for number in bounds)
    if not whole or not math.isfinite(high - low) or low < limits[0] or high > limits[1]:
        raise InputShapeError(f"--values {name}={spec} does not suit the input '{name}', which is {dtype}.")
