from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ortbench.models.inputs import Arrays, Part, make_inputs, take_part
from ortbench.models.inputs import parts_of as parts
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner import protocol
from ortbench.runner.sharing import even_shares, part_requests

REQUEST = protocol.Prepare(
    batch_size=5, reference_path="a.npz", reference="torch", batches=("a.npz", "b.npz"), wanted_inputs=64, limit_s=5.0
)


@given(st.integers(1, 2000), st.integers(1, 64))
def test_shares_are_even_and_nothing_is_lost(batch_size: int, instances: int) -> None:
    shares = even_shares(batch_size, instances)
    assert (sum(shares), len(shares)) == (batch_size, instances)
    assert max(shares) - min(shares) <= 1


def test_parts_follow_one_another() -> None:
    assert parts((3, 1, 1)) == [
        Part(first=0, items=3, of=5),
        Part(first=3, items=1, of=5),
        Part(first=4, items=1, of=5),
    ]


def test_the_instances_parts_are_the_whole_batch() -> None:
    source = ModelSource(
        name="m", inputs=(TensorSpec("x", ("batch", 3)), TensorSpec("y", (2, "batch")), TensorSpec("z", (4,)))
    )
    whole = make_inputs(source, 5)
    own = [make_inputs(source, 5, part=part) for part in parts((3, 2))]
    assert np.array_equal(np.concatenate([one["x"] for one in own], axis=0), whole["x"])
    assert np.array_equal(np.concatenate([one["y"] for one in own], axis=1), whole["y"])
    assert all(np.array_equal(one["z"], whole["z"]) for one in own)


def test_of_outputs_that_nothing_is_known_of_the_first_axis_is_the_batch() -> None:
    arrays: Arrays = {"y": np.arange(8).reshape(4, 2), "scalar": np.zeros((), dtype=np.float32)}
    taken = take_part(arrays, (), Part(first=1, items=2, of=4))
    assert taken["y"].tolist() == [[2, 3], [4, 5]]
    assert taken["scalar"] == 0


def test_in_split_each_gets_a_part_and_compares_it() -> None:
    requests = part_requests(REQUEST, "split", 2)
    assert [request.part for request in requests] == [Part(first=0, items=3, of=5), Part(first=3, items=2, of=5)]
    assert all(request.batches == REQUEST.batches for request in requests)
    uneven = part_requests(REQUEST, "split", 2, (1, 4))
    assert [request.part for request in uneven] == [Part(first=0, items=1, of=5), Part(first=1, items=4, of=5)]


def test_in_stream_each_gets_all_and_the_first_does_the_full_check() -> None:
    first, second = part_requests(REQUEST, "stream", 2)
    assert first == REQUEST
    assert (second.batch_size, second.reference_path, second.batches, second.part) == (5, "a.npz", (), None)
