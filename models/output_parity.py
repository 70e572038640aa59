"""One output against the reference's: numbers within a tolerance, integers equal but for ties, text equal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ortbench.models.file_facts import FileFacts
from ortbench.models.reference_file import Expected
from ortbench.models.steps import Sums
from ortbench.models.ties import UNSEEN_SHARE, wrong_choices

if TYPE_CHECKING:
    from ortbench.models.parity import Tolerance

# In a quantised model two values tie that are as near to each other as steps may bring them: the int8 lane's tolerance.
_STEPS_TIE = 0.15
_Array = NDArray[np.generic]


class OutputParity(NamedTuple):
    """How well one output agrees; see `Parity`."""

    reason: str | None = None
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    cosine: float | None = None
    top1_agreement: float | None = None
    ties: float | None = None
    unseen: float | None = None


class Judge(NamedTuple):
    """What outputs are compared by.

    Attributes:
        tolerance: how far numbers may differ.
        facts: of the model's file.
        expected: what the reference's file holds.
    """

    tolerance: Tolerance
    facts: FileFacts
    expected: Expected

    def compare(self, name: str, output: _Array, expected: _Array) -> OutputParity:
        """Compare two arrays of one shape."""
        if expected.dtype.kind not in "fiubc":
            return _compare_text(name, output, expected)
        if expected.dtype.kind in "iub" and not (self.tolerance.steps and is_stepped(expected)):
            return self._compare_integers(name, output, expected)
        return self._compare_numbers(name, output, expected)

    def _compare_numbers(self, name: str, output: _Array, expected: _Array) -> OutputParity:
        actual, wanted = _as_reals(output), _as_reals(expected)
        if wanted.size == 0:
            return OutputParity(None, 0.0, 0.0, 1.0)
        finite = np.isfinite(wanted)
        same_specials = np.array_equal(actual[~finite], wanted[~finite], equal_nan=True)
        if not same_specials or not np.isfinite(actual[finite]).all():
            return OutputParity(f"output '{name}' has NaN or Inf where the reference has not")
        scale = float(np.abs(wanted[finite]).max(initial=0.0))
        error = float(np.abs(actual[finite] - wanted[finite]).max(initial=0.0))
        cosine = _cosine(actual[finite], wanted[finite])
        if self.tolerance.steps is not None:
            shape = expected.shape if expected.dtype.kind != "c" else (-1,)
            pair = [np.where(finite, values, 0.0).reshape(shape) for values in (actual, wanted)]
            reason = self._step_objection(name, pair[0], pair[1], error)
        else:
            # Where the whole output is within the absolute tolerance of zero, its direction means nothing.
            direction = cosine if scale > self.tolerance.absolute else 1.0
            reason = _objection(error, scale, direction, self.tolerance)
        return OutputParity(
            reason=f"output '{name}' {reason}" if reason else None,
            max_abs_error=error,
            max_rel_error=error / scale if scale else 0.0,
            cosine=cosine,
            top1_agreement=_top1_agreement(output, expected),
        )

    def _step_objection(
        self, name: str, actual: NDArray[np.float64], wanted: NDArray[np.float64], error: float
    ) -> str | None:
        limits, absolute = self.tolerance.steps, self.tolerance.absolute
        assert limits is not None, "asked for of a model that rounds on the way only"
        sums, known = Sums(), self.expected.spreads.get(name, 0.0)
        sums.add(actual, wanted, known or float(wanted.std()))
        spread = max(sums.spread(), known)
        bound = limits.largest * spread + absolute
        if error > bound:
            return f"differs by {error:.3g}, more than the {bound:.3g} that {self.tolerance.lane} allows"
        return sums.objection(limits, spread, absolute)

    def _compare_integers(self, name: str, output: _Array, expected: _Array) -> OutputParity:
        """Compare integers or booleans: classes, tokens and masks are right or wrong, unless what decides them ties."""
        different = int(np.count_nonzero(output != expected))
        exact = _compare_exactly(name, output, expected, different)
        choice = next((choice for choice in self.facts.choices if choice.output == name), None)
        if not different or (choice is None and name not in self.facts.decided):
            return exact
        share, values = different / expected.size, self.expected.deciding.get(name)
        relative = _STEPS_TIE if self.tolerance.steps is not None else self.tolerance.relative
        wrong = None
        if choice is not None and values is not None:
            wrong = wrong_choices(choice, output, expected, values, (self.tolerance.absolute, relative))
        if wrong is None:
            allowed = different <= UNSEEN_SHARE * expected.size
            return exact._replace(unseen=share, reason=None if allowed else exact.reason)
        return _compare_exactly(name, output, expected, wrong)._replace(ties=share)


def is_stepped(array: _Array) -> bool:
    """Say whether an output of a quantised model is of quantised numbers, which may be a step off as others may."""
    return array.dtype.kind in "iu" and array.dtype.itemsize <= 2


def has_classes(array: _Array) -> bool:
    """Say whether the largest entry along the last axis means something."""
    return array.dtype.kind == "f" and array.ndim >= 2 and array.shape[-1] >= 2 and array.size > 0


def _objection(error: float, scale: float, cosine: float, tolerance: Tolerance) -> str | None:
    bound = tolerance.absolute + tolerance.relative * scale
    if error > bound:
        return f"differs by {error:.3g}, more than the {bound:.3g} that {tolerance.lane} allows"
    if tolerance.min_cosine is not None and cosine < tolerance.min_cosine:
        return f"has the cosine {cosine:.6f}, less than the {tolerance.min_cosine:g} that {tolerance.lane} asks for"
    return None


def _compare_text(name: str, output: _Array, expected: _Array) -> OutputParity:
    """Compare text, which engines give as objects and files hold as text."""
    same = np.array_equal(np.asarray(output).astype(np.str_), np.asarray(expected).astype(np.str_))
    return OutputParity(None if same else f"output '{name}' has other values")


def _compare_exactly(name: str, output: _Array, expected: _Array, wrong: int) -> OutputParity:
    error = float(np.abs(output.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0))
    scale = float(np.abs(expected.astype(np.float64)).max(initial=0.0))
    return OutputParity(
        reason=f"output '{name}' differs in {wrong} of {expected.size} values, by at most {error:g}" if wrong else None,
        max_abs_error=error,
        max_rel_error=error / scale if scale else 0.0,
    )


def _as_reals(array: _Array) -> NDArray[np.float64]:
    """Return a flat array of float64; of complex numbers, their real and imaginary parts."""
    if array.dtype.kind == "c":
        return np.ascontiguousarray(array).astype(np.complex128).ravel().view(np.float64)
    return array.astype(np.float64).ravel()


def _cosine(actual: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    norms = float(np.linalg.norm(actual)) * float(np.linalg.norm(wanted))
    if norms == 0:
        return 1.0 if np.array_equal(actual, wanted) else 0.0
    return float(np.dot(actual, wanted)) / norms


def _top1_agreement(output: _Array, expected: _Array) -> float | None:
    if not has_classes(expected):
        return None
    return float(np.mean(np.argmax(output, axis=-1) == np.argmax(expected, axis=-1)))
