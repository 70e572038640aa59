"""Which threads x instances a study measures, and in which modes. Pure functions of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortbench.errors import UsageError
from ortbench.models.inputs import indivisible
from ortbench.models.spec import ModelSource


@dataclass(frozen=True)
class Counts:
    """The values of both axes; see `layouts`."""

    threads: tuple[int, ...]
    instances: tuple[int, ...] = (1,)


def choose_counts(
    threads: Sequence[int] | None, instances: Sequence[int] | None, limit: int, *, full: bool, scaling: bool
) -> Counts:
    """Return the thread and instance counts to measure.

    Where only instances are given, the threads are those with which so many instances fill the machine.

    Args:
        threads: of `--threads`, or None.
        instances: of `--instances`, or None.
        limit: how many CPUs this process may use.
        full: `--full` was given.
        scaling: `--scaling` was given.

    Raises:
        UsageError: more were asked for than the machine has, or options exclude each other.
    """
    if full and threads:
        raise UsageError("Expected either --full or --threads, but got both; --full means every thread count.")
    if scaling and (threads or instances or full):
        given = "--threads" if threads else "--instances" if instances else "--full"
        raise UsageError(
            f"Expected either --scaling or {given}, but got both; --scaling chooses threads and instances."
        )
    for option, counts in (("--threads", threads), ("--instances", instances)):
        if too_many := [count for count in counts or () if count > limit]:
            raise UsageError(
                f"Expected {option} of at most {limit}, as many CPUs as this process may use here, but got "
                f"{too_many[0]}."
            )
    if scaling:
        # With each of them, the other one fills the machine.
        powers = powers_up_to(limit)
        both = tuple(sorted({*powers, *(limit // count for count in powers)}))
        return Counts(both, both)
    several = tuple(instances or (1,))
    if full:
        return _fitting(Counts(tuple(range(1, limit + 1)), several), limit)
    return _fitting(Counts(tuple(threads or dict.fromkeys(limit // count for count in several)), several), limit)


def powers_up_to(limit: int) -> tuple[int, ...]:
    """Return the powers of two up to `limit`, and `limit` itself."""
    powers = [1 << exponent for exponent in range(limit.bit_length()) if 1 << exponent <= limit]
    return tuple(dict.fromkeys([*powers, limit]))


def layouts(counts: Counts, limit: int) -> list[tuple[int, int]]:
    """Return every (threads, instances) that fits on so many CPUs; 0 for no limit."""
    return [
        (threads, instances)
        for threads in counts.threads
        for instances in counts.instances
        if not limit or threads * instances <= limit
    ]


def modes_for(source: ModelSource, batch_size: int, instances: int) -> tuple[str, ...]:
    """Return how so many instances can share a batch of that size.

    A batch is divided only where the model takes any batch size, and everybody gets an item.
    """
    if instances == 1:
        return ("single",)
    divisible = indivisible(source) is None and batch_size >= instances
    return ("split", "stream") if divisible else ("stream",)


def _fitting(counts: Counts, limit: int) -> Counts:
    """Return the counts, unless one of the instance counts fits with no thread count."""
    for instances in counts.instances:
        if min(counts.threads) * instances > limit:
            raise UsageError(
                f"{instances} instances of {min(counts.threads)} threads need {instances * min(counts.threads)} CPUs, "
                f"but this process may use {limit}. Leave --threads out, or give a smaller one."
            )
    return counts
