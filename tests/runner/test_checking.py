from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest
from ortbench.models.inputs import make_inputs
from ortbench.models.npz import write_named
from ortbench.models.parity import FP32
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner import protocol
from ortbench.runner.checking import check_batches, run_batch
from ortbench.runner.proving import check_limit_s

SOURCE = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 3)),))


class Doubling(Engine):
    """Gives twice its input, but for batches from `wrong_from` on, which it gets wrong."""

    def __init__(self, wrong_from: int | None = None) -> None:
        self.bound = 0
        self._wrong_from = wrong_from

    @classmethod
    def probe(cls, target: str) -> Availability:
        raise NotImplementedError

    def load(self, request: LoadRequest) -> None:
        raise NotImplementedError

    def evidence(self) -> Evidence:
        raise NotImplementedError

    def bind(self, inputs: Arrays) -> None:
        self.inputs = inputs["x"]
        self.bound += 1

    def run(self) -> None:
        shift = self._wrong_from is not None and self.bound > self._wrong_from
        self.result = self.inputs.astype(np.float64) * 2 + shift

    def outputs(self) -> Arrays:
        return {"y": self.result}


def request(folder: Path, count: int, batch_size: int = 2, limit_s: float = 1e9) -> protocol.Prepare:
    paths = []
    for index in range(count):
        x = make_inputs(SOURCE, batch_size, index)["x"]
        paths.append(str(folder / f"{index}.npz"))
        write_named(Path(paths[-1]), {"y": x.astype(np.float64) * 2})
    return protocol.Prepare(
        batch_size=batch_size,
        reference_path=paths[0],
        reference="torch",
        batches=tuple(paths),
        wanted_inputs=6,
        limit_s=limit_s,
    )


def test_every_batch_is_compared_and_the_first_is_bound_again(tmp_path: Path) -> None:
    engine = Doubling()
    run_batch(engine, SOURCE, 2, 0)
    parity = check_batches(engine, SOURCE, request(tmp_path, 3), FP32)
    assert (parity.ok, parity.full, parity.inputs, parity.note) == (True, True, 6, None)
    np.testing.assert_array_equal(engine.inputs, make_inputs(SOURCE, 2)["x"])
    assert parity.seconds is not None


def test_an_error_in_a_later_batch_is_found_and_the_batch_named(tmp_path: Path) -> None:
    engine = Doubling(wrong_from=2)
    run_batch(engine, SOURCE, 2, 0)
    parity = check_batches(engine, SOURCE, request(tmp_path, 3), FP32)
    assert (parity.ok, parity.failed_batch, parity.max_abs_error) == (False, 2, 1.0)


def test_when_the_time_is_over_the_number_compared_is_on_record(tmp_path: Path) -> None:
    engine = Doubling()
    run_batch(engine, SOURCE, 2, 0)
    ticks = itertools.count()
    parity = check_batches(engine, SOURCE, request(tmp_path, 3, limit_s=1), FP32, lambda: float(next(ticks)))
    assert (parity.ok, parity.inputs) == (True, 4)
    assert parity.note == "only 4 of 6 inputs were compared: the time for it was over"


def test_a_reference_that_had_no_time_for_all_is_told_likewise(tmp_path: Path) -> None:
    engine = Doubling()
    run_batch(engine, SOURCE, 2, 0)
    parity = check_batches(engine, SOURCE, request(tmp_path, 1), FP32)
    assert parity.note == "only 2 of 6 inputs were compared: the time for it was over"
    assert engine.bound == 1


@pytest.mark.parametrize(("groups", "arms", "expected"), [(1, 4, 15.0), (2, 4, 7.5), (100, 9, 5.0)])
def test_the_time_of_all_checks_is_a_share_of_the_study_but_each_gets_five_seconds(
    groups: int, arms: int, expected: float
) -> None:
    assert check_limit_s(300.0, groups, arms) == expected
