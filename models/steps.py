"""Outputs of models that were quantised by their maker: do two ways of running one differ by more than rounding? Pure.

A quantised model rounds on the way. Where a sum lies between two steps, the last bit of a float decides which one
it becomes, so that optimised and unoptimised graphs take different steps, and more of them the deeper the model is.
At the output they are noise: spread over all numbers, without a direction, small beside how much the output varies.
A fault is not: it sits in one place for all inputs. So errors are judged over the whole output, and over all inputs
for each place. docs/parity.md has the figures that the limits come from.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

# Fewer items say too little about one place of the output.
_ENOUGH_ITEMS = 8
# An output that hardly varies is still rounded to steps of its range: about five of 255.
_LEAST_SPREAD = 0.02


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the output's spread (its standard deviation over places and inputs) errors may reach.

    Attributes:
        largest: of any one number.
        rms: root mean square of all numbers of few items.
        rms_of_many: likewise, where there are enough items.
        place: root mean square of one place over enough items.
        cosine_of_many: the smallest cosine over enough items.
        clear_top1: share of the items with a clear favourite, ahead by the spread, whose favourite may be another.
    """

    largest: float = 1.5
    rms: float = 0.5
    rms_of_many: float = 0.3
    place: float = 0.5
    cosine_of_many: float = 0.95
    clear_top1: float = 0.02


class Sums:
    """What is added up of one output, for each of its places, over items."""

    def __init__(self) -> None:
        """Begin with no item."""
        self.items = 0
        self._places: dict[str, NDArray[np.float64]] | None = {}
        self._totals = dict.fromkeys(("a", "r", "aa", "rr", "ar", "ee"), 0.0)
        self._numbers = 0
        self._largest = 0.0
        self._clear, self._clear_wrong = 0, 0

    def add(self, actual: NDArray[np.float64], wanted: NDArray[np.float64], spread: float) -> None:
        """Add items along the first axis; finite numbers only.

        Args:
            actual: an output.
            wanted: the reference's.
            spread: by which a favourite must be ahead to be a clear one.
        """
        items = len(wanted) if wanted.ndim >= 2 else 1
        own, theirs = actual.reshape(items, -1), wanted.reshape(items, -1)
        products = {"a": own, "r": theirs, "aa": own**2, "rr": theirs**2, "ar": own * theirs, "ee": (own - theirs) ** 2}
        for name, values in products.items():
            self._totals[name] += float(values.sum())
        self._add_places({name: products[name].sum(axis=0) for name in ("rr", "ee")})
        self.items += items
        self._numbers += wanted.size
        self._largest = max(self._largest, float(np.abs(wanted).max(initial=0.0)))
        self._add_favourites(actual, wanted, spread)

    def spread(self) -> float:
        """Return the standard deviation of the reference's numbers; of an output that hardly varies, a few steps."""
        mean = self._totals["r"] / max(self._numbers, 1)
        variance = max(self._totals["rr"] / max(self._numbers, 1) - mean**2, 0.0)
        return max(float(np.sqrt(variance)), _LEAST_SPREAD * self._largest)

    def objection(self, limits: Limits, spread: float, absolute: float) -> str | None:
        """Say what is more than rounding; None where nothing is.

        Args:
            limits: see there.
            spread: of the output.
            absolute: an error below which nothing is wrong.
        """
        return next(self._objections(limits, spread, absolute), None)

    def _objections(self, limits: Limits, spread: float, absolute: float) -> Iterator[str]:
        many = self.items >= _ENOUGH_ITEMS
        rms = float(np.sqrt(self._totals["ee"] / max(self._numbers, 1)))
        most = limits.rms_of_many if many else limits.rms
        if rms > most * spread + absolute:
            yield f"differs by {rms:.3g} (root mean square), {rms / spread:.0%} of its spread; steps explain {most:.0%}"
        if not many:
            return
        norms = np.sqrt(self._totals["aa"] * self._totals["rr"])
        if norms > 0 and rms > absolute and (cosine := self._totals["ar"] / norms) < limits.cosine_of_many:
            least = limits.cosine_of_many
            yield f"has the cosine {cosine:.4f} over {self.items} inputs, less than the {least:g} that steps explain"
        yield from self._wrong_places(limits, spread, absolute)
        if self._clear_wrong > limits.clear_top1 * self._clear:
            yield f"has another largest entry in {self._clear_wrong} of {self._clear} inputs with a clear one"

    def _wrong_places(self, limits: Limits, spread: float, absolute: float) -> Iterator[str]:
        if not self._places:
            return
        error, size = (np.sqrt(self._places[name] / self.items) for name in ("ee", "rr"))
        # A sign that is wrong makes an error of twice the number itself, which rounding does to small numbers only.
        wrong = (error > limits.place * spread + absolute) | (
            (error > 1.5 * size) & (error > limits.place / 2 * spread + absolute)
        )
        if wrong.any():
            place = int(np.argmax(np.where(wrong, error, 0.0)))
            yield (
                f"differs at place {place} by {error[place]:.3g} (root mean square over {self.items} inputs), "
                f"{error[place] / spread:.0%} of its spread, which steps do not explain"
            )

    def _add_places(self, sums: dict[str, NDArray[np.float64]]) -> None:
        if self._places is None:
            return
        if not self._places:
            self._places = sums
        elif self._places["rr"].shape == sums["rr"].shape:
            self._places = {name: self._places[name] + values for name, values in sums.items()}
        else:
            # Outputs of other lengths have other places.
            self._places = None

    def _add_favourites(self, actual: NDArray[np.float64], wanted: NDArray[np.float64], spread: float) -> None:
        if wanted.ndim < 2 or wanted.shape[-1] < 2 or wanted.size == 0:
            return
        ahead = np.sort(wanted, axis=-1)[..., -2:]
        clear = ahead[..., 1] - ahead[..., 0] > spread
        other = np.argmax(actual, axis=-1) != np.argmax(wanted, axis=-1)
        self._clear += int(clear.sum())
        self._clear_wrong += int((clear & other).sum())
