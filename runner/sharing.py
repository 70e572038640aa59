"""How a batch is shared among the instances of an arm. Pure functions of data."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ortbench.models.inputs import parts_of
from ortbench.runner import protocol


def even_shares(batch_size: int, instances: int) -> tuple[int, ...]:
    """Return how many items each instance gets: as evenly as can be, the larger shares first."""
    each, rest = divmod(batch_size, instances)
    return tuple(each + (index < rest) for index in range(instances))


def share_items(mode: str, batch_size: int, instances: int, items: Sequence[int] = ()) -> tuple[int, ...]:
    """Return how many items each instance's calls have.

    Args:
        mode: `split` divides the batch; otherwise everybody has a batch of that size.
        batch_size: of the cell.
        instances: how many.
        items: what each has instead, whatever the mode; empty for the rule.
    """
    if items:
        return tuple(items)
    return even_shares(batch_size, instances) if mode == "split" else (batch_size,) * instances


def part_requests(
    request: protocol.Prepare, mode: str, instances: int, items: Sequence[int] = ()
) -> list[protocol.Prepare]:
    """Return what each instance is asked to make ready.

    Who gets a part of the batch compares its outputs with that part of the reference's. Where each gets all of it
    the full check is the first one's, since the others run the very same.

    Args:
        request: of the whole batch.
        mode: of the cell.
        instances: how many.
        items: how many each gets, the batch in all; empty for as evenly as can be in `split`, all of it in `stream`.
    """
    if mode == "split" or items:
        shares = parts_of(share_items(mode, request.batch_size, instances, items))
        return [msgspec.structs.replace(request, part=share) for share in shares]
    quick = msgspec.structs.replace(request, batches=(), wanted_inputs=0, limit_s=0.0)
    return [request, *[quick] * (instances - 1)]
