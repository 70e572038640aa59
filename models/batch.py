"""Which dimension of a model is the batch: found by its name, by its place, or as it is told. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ortbench.errors import InputShapeError
from ortbench.models.dimensions import batch_rank, is_another, is_nameless, tells_nothing
from ortbench.models.spec import UNKNOWN_RANK, TensorSpec

# An input's name and one of its axes.
Place = tuple[str, int]
NONE = "none"
# As `batch_rank` gives them.
_WORD, _LETTER = 2, 1


@dataclass(frozen=True)
class Batch:
    """Where the batch stands in the inputs.

    Attributes:
        places: the axes that are the batch; empty where a call is one item.
        symbols: their names in the model.
        size: what the model fixes it at; None where it is open.
        left_out: axes of the same name that are fixed, as another number was given for them.
    """

    places: frozenset[Place] = frozenset()
    symbols: frozenset[str] = frozenset()
    size: int | None = None
    left_out: frozenset[Place] = frozenset()

    @property
    def label(self) -> str:
        """What `--batch-axis` would say: names of the model's own, `INPUT:AXIS` for nameless ones, or `none`."""
        named = sorted(symbol for symbol in self.symbols if not is_nameless(symbol))
        return ",".join(named or sorted(f"{name}:{axis}" for name, axis in self.places)) or NONE


def find_batch(
    inputs: Sequence[TensorSpec],
    numbers: Mapping[Place, int],
    asked: Sequence[int] | None = None,
    told: str | None = None,
) -> Batch:
    """Find the batch.

    It is the dimension that is called so (`batch_size`, `N`), wherever it stands; else the one name of first axes; else
    all nameless first axes together. Names of other things, such as `sequence_length`, are none. Where its place alone
    tells the batch, a dimension of more inputs could be it too. Where several could be meant, the numbers given decide
    if all but one are settled, or if one of them alone is among the batch sizes asked for. A nameless first axis of
    another input follows the batch, and so does the only nameless axis of an input where the number given for it is
    the batch's.

    Args:
        inputs: as the model declares them.
        numbers: what was given for single axes.
        asked: the batch sizes asked for; None where nothing was said.
        told: of `--batch-axis`.

    Raises:
        InputShapeError: several dimensions could be meant, or what is told does not exist.
    """
    inputs = [spec for spec in inputs if spec.shape != (UNKNOWN_RANK,)]
    symbols = _symbols(inputs)
    if told is not None:
        return _told(told, inputs, symbols, numbers, asked)
    found = _candidates(inputs)
    if len(found) > 1:
        found = _decide(found, symbols, numbers, asked)
    if not found:
        return _fixed_first_axis(inputs, asked)
    [chosen] = found
    anchors = {place for symbol in chosen for place in symbols[symbol]}
    if all(is_nameless(symbol) for symbol in chosen):
        _refuse_another_axis(inputs, anchors, numbers)
    size = _only_number(anchors, numbers)
    wanted = {size} if size is not None else set(asked or ())
    followers = {
        place
        for place in _possible_followers(inputs, {name for name, _ in anchors}, size)
        if numbers.get(place) in ({None} | wanted if place[1] == 0 else wanted)
    }
    return _agreeing(anchors | followers, anchors, chosen, numbers, asked)


def _symbols(inputs: Iterable[TensorSpec]) -> dict[str, set[Place]]:
    places: dict[str, set[Place]] = {}
    for spec in inputs:
        for axis, size in enumerate(spec.shape):
            if isinstance(size, str):
                places.setdefault(size, set()).add((spec.name, axis))
    return places


def _candidates(inputs: Sequence[TensorSpec]) -> list[frozenset[str]]:
    """Return what could be the batch: by a word, else by a letter, else by its place; each as a set of symbols."""
    every = list(dict.fromkeys(size for spec in inputs for size in spec.shape if isinstance(size, str)))
    first = list(dict.fromkeys(spec.shape[0] for spec in inputs if spec.shape))
    leading = [symbol for symbol in first if isinstance(symbol, str)]
    # A letter means the batch rather on a first axis: a matrix may well be M x N.
    for symbols, rank in ((every, _WORD), (leading, _LETTER), (every, _LETTER)):
        if named := [symbol for symbol in symbols if batch_rank(symbol) == rank]:
            return [frozenset({symbol}) for symbol in named]
    by_place = [symbol for symbol in leading if not tells_nothing(symbol) and not is_another(symbol)]
    found = [frozenset({symbol}) for symbol in by_place]
    if not found and (by_place := [symbol for symbol in leading if tells_nothing(symbol)]):
        # Generated names may differ for equal dimensions, but hardly within one input.
        apart = any(len(set(spec.shape) & set(by_place)) > 1 for spec in inputs)
        found = [frozenset({symbol}) for symbol in by_place] if apart else [frozenset(by_place)]
    return [*found, *_wider_shared(inputs, every, found)] if found else []


def _wider_shared(
    inputs: Sequence[TensorSpec], symbols: Iterable[str], found: Iterable[frozenset[str]]
) -> list[frozenset[str]]:
    """Return dimensions of more inputs than any first axis is of, as the batch is with the time first and a state."""
    known = {symbol for one in found for symbol in one}

    def reach(one: frozenset[str]) -> int:
        return sum(not one.isdisjoint(spec.shape) for spec in inputs)

    most = max(map(reach, found))
    others = [symbol for symbol in symbols if not (symbol in known or is_nameless(symbol) or is_another(symbol))]
    return [one for symbol in others if reach(one := frozenset({symbol})) > most]


def _decide(
    found: list[frozenset[str]],
    symbols: Mapping[str, set[Place]],
    numbers: Mapping[Place, int],
    asked: Sequence[int] | None,
) -> list[frozenset[str]]:
    """Choose among several by the numbers given, where these leave one."""
    given = {one: {numbers[place] for symbol in one for place in symbols[symbol] if place in numbers} for one in found}
    open_ones = [one for one in found if not given[one]]
    if len(open_ones) == 1:
        return open_ones
    fitting = [one for one in found if given[one] and given[one] <= set(asked or ())]
    if not open_ones and len(fitting) == 1:
        return fitting
    labels = [_label(one, symbols) for one in found]
    raise InputShapeError(
        f"The model's batch cannot be told: it could be [{', '.join(labels)}]. Say which with "
        f"{', '.join(f'--batch-axis {label}' for label in labels)}, or --batch-axis {NONE} where a call is one item."
    )


def _told(
    told: str,
    inputs: Sequence[TensorSpec],
    symbols: Mapping[str, set[Place]],
    numbers: Mapping[Place, int],
    asked: Sequence[int] | None,
) -> Batch:
    if told == NONE:
        return Batch()
    shapes = {spec.name: spec.shape for spec in inputs}
    anchors: set[Place] = set()
    sizes: set[int] = set()
    for part in [told] if told in symbols else told.split(","):
        name, _, axis = part.rpartition(":")
        if part in symbols:
            anchors |= symbols[part]
        elif re.fullmatch(r"\d+", axis) and int(axis) < len(shapes.get(name, ())):
            anchors.add((name, int(axis)))
            size = shapes[name][int(axis)]
            sizes |= {size} if isinstance(size, int) else set()
        else:
            known = [symbol for symbol in symbols if not is_nameless(symbol)]
            raise InputShapeError(
                f"Expected --batch-axis to be {', '.join([*known, 'INPUT:AXIS'])} or {NONE}, but got '{part}'; the "
                f"model's inputs are [{', '.join(shapes)}]."
            )
    chosen = frozenset(str(size) for name, axis in anchors if isinstance(size := shapes[name][axis], str))
    if len(sizes) > 1:
        raise InputShapeError(f"--batch-axis {told}: the model fixes these axes at different sizes, {sorted(sizes)}.")
    if sizes:
        return Batch(frozenset(anchors), chosen, size=sizes.pop())
    same_name = {place for symbol in chosen for place in symbols[symbol]}
    return _agreeing(anchors | same_name, anchors, chosen, numbers, asked)


def _refuse_another_axis(inputs: Sequence[TensorSpec], anchors: set[Place], numbers: Mapping[Place, int]) -> None:
    """Refuse nameless first axes as the batch where a state beside them has the number of another axis.

    Of a recurrent layer with the time first, `x=10x4x8` and `state=1x4x8`, the batch is 4 rather than 10.
    """
    shapes = {spec.name: spec.shape for spec in inputs}
    batch = {numbers[place] for place in anchors if place in numbers}
    states = {
        place: numbers[place]
        for place in _possible_followers(inputs, {name for name, _ in anchors}, 0)
        if place in numbers and numbers[place] not in batch
    }
    others = [
        (name, axis)
        for name in sorted({name for name, _ in anchors})
        for axis in range(1, len(shapes[name]))
        if isinstance(shapes[name][axis], str) and numbers.get((name, axis)) in states.values()
    ]
    if others:
        choices = [sorted(anchors), [*others, *sorted(states)]]
        typed = [",".join(f"{name}:{axis}" for name, axis in places) for places in choices]
        raise InputShapeError(
            f"The model's batch cannot be told: it could be [{' or '.join(typed)}], by the numbers given. Say which "
            f"with {' or '.join(f'--batch-axis {one}' for one in typed)}."
        )


def _possible_followers(inputs: Sequence[TensorSpec], having: set[str], size: int | None) -> set[Place]:
    """Return nameless first axes of inputs without the batch, and the only nameless axis where a number is given."""
    places: set[Place] = set()
    for spec in inputs:
        nameless = [axis for axis, symbol in enumerate(spec.shape) if isinstance(symbol, str) and tells_nothing(symbol)]
        if spec.name in having or not nameless:
            continue
        if nameless[0] == 0:
            places.add((spec.name, 0))
        elif len(nameless) == 1 and size is not None:
            places.add((spec.name, nameless[0]))
    return places


def _agreeing(
    places: set[Place],
    anchors: set[Place],
    symbols: frozenset[str],
    numbers: Mapping[Place, int],
    asked: Sequence[int] | None,
) -> Batch:
    """Keep those places for which the same number was given, if one; the rest is fixed at its own."""
    given = {numbers[place] for place in places if place in numbers}
    told = {numbers[place] for place in anchors if place in numbers}
    chosen = next((each for each in (given, told, told & set(asked or ())) if len(each) == 1), None)
    if given and chosen is None:
        listed = ", ".join(f"{numbers[place]} in '{place[0]}'" for place in sorted(places) if place in numbers)
        choices = " or ".join(
            f"--batch-axis {name}:{axis}" for name, axis in sorted(anchors) if (name, axis) in numbers
        )
        raise InputShapeError(f"The batch is given as {listed}. Say which of them it is with {choices}.")
    number = next(iter(chosen or ()), None)
    kept = frozenset(place for place in places if numbers.get(place, number) == number)
    return Batch(kept, symbols, left_out=frozenset(places) - kept)


def _only_number(places: Iterable[Place], numbers: Mapping[Place, int]) -> int | None:
    given = {numbers[place] for place in places if place in numbers}
    return given.pop() if len(given) == 1 else None


def _fixed_first_axis(inputs: Sequence[TensorSpec], asked: Sequence[int] | None) -> Batch:
    """Take fixed first axes for the batch only where `--batch-sizes` asks for exactly that size."""
    first = {spec.shape[0] for spec in inputs if spec.shape}
    if asked and len(asked) == 1 and first == set(asked):
        return Batch(frozenset((spec.name, 0) for spec in inputs if spec.shape), size=asked[0])
    return Batch()


def _label(chosen: frozenset[str], symbols: Mapping[str, set[Place]]) -> str:
    """Return what `--batch-axis` takes for these symbols."""
    nameless = sorted(place for symbol in chosen if is_nameless(symbol) for place in symbols[symbol])
    named = sorted(symbol for symbol in chosen if not is_nameless(symbol))
    return ",".join([*named, *(f"{name}:{axis}" for name, axis in nameless)])
