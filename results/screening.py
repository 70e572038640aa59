"""Which configurations to look at first. Pure functions of the figures so far.

What was measured predicts what was not: the logarithm of the time of an item is taken as a sum of one effect for each
engine, allocator, layout, batch size and family, fitted by least squares and drawn towards zero (ridge). First every
value of every axis is seen once; then the families that are predicted to be fastest are looked at. A prediction orders;
it rules nothing out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ortbench.results.race import Setting

# Predicted to be worse than the best so far by more than this, a configuration waits until the others are done.
PROMISING = math.log(1.5)
_RIDGE = 0.1
# What is of one family only says less of others than what is of an axis.
_FAMILY_SHARE = 0.5


def families_of(settings: Sequence[Setting]) -> dict[str, list[Setting]]:
    """Group settings that share their processes, each group by rising batch size."""
    families: dict[str, list[Setting]] = {}
    for one in sorted(settings, key=lambda one: one.batch_size):
        families.setdefault(one.family, []).append(one)
    return {family: families[family] for family in dict.fromkeys(one.family for one in settings)}


def predict(settings: Sequence[Setting], figures: Mapping[str, float]) -> dict[str, float]:
    """Return name -> the logarithm of what it takes: as measured, else as the others say.

    Args:
        settings: all of them.
        figures: name -> the logarithm of what it took, of those measured; at least one.
    """
    import numpy as np

    measured = [one for one in settings if one.name in figures]
    effects = sorted({effect for one in settings for effect in _effects(one)})
    column = {effect: index for index, effect in enumerate(effects)}

    def row(one: Setting) -> list[float]:
        values = [0.0] * len(effects)
        for effect in _effects(one):
            values[column[effect]] = _FAMILY_SHARE if effect[0] == "family" else 1.0
        return values

    design = np.array([row(one) for one in measured])
    values = np.array([figures[one.name] for one in measured])
    mean = float(values.mean())
    squares = design.T @ design + _RIDGE * np.eye(len(effects))
    fitted = np.linalg.solve(squares, design.T @ (values - mean))
    predicted = {one.name: mean + float(np.dot(row(one), fitted)) for one in settings}
    return predicted | dict(figures)


def next_families(
    waiting: Mapping[str, Sequence[Setting]], seen: Sequence[Setting], predicted: Mapping[str, float], most: int
) -> list[str]:
    """Return the families to look at next.

    While there are values of an axis that nobody has shown, families that show the most of them; then those that are
    predicted to be fastest.

    Args:
        waiting: family -> its settings that were not tried.
        seen: every setting that was tried.
        predicted: name -> the logarithm of what it takes; empty before the first.
        most: how many there may be.
    """
    known = {effect for one in seen for effect in _axes(one)}
    chosen: list[str] = []
    while len(chosen) < most:
        new = {
            family: len({effect for one in settings for effect in _axes(one)} - known)
            for family, settings in waiting.items()
            if family not in chosen
        }
        if not new or not max(new.values()):
            break
        family = max(new, key=new.__getitem__)
        chosen.append(family)
        known |= {effect for one in waiting[family] for effect in _axes(one)}
    if chosen:
        return chosen
    # Where all that was tried failed nothing is predicted, and the order given holds.
    fastest = {family: min(predicted.get(one.name, 0.0) for one in settings) for family, settings in waiting.items()}
    return sorted(waiting, key=fastest.__getitem__)[:most]


def _axes(one: Setting) -> list[tuple[str, str]]:
    return [("engine", one.engine), ("allocator", one.allocator), ("layout", one.layout)]


def _effects(one: Setting) -> list[tuple[str, str]]:
    return [*_axes(one), ("batch size", str(one.batch_size)), ("family", one.family)]
