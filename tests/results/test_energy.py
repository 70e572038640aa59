from __future__ import annotations

import msgspec
import pytest

from ortbench.results.derive import summarize
from ortbench.results.energy import joules_per_item
from ortbench.results.schema import RoundRecord
from tests.results.factory import make_launches, make_rounds, make_run


def slices(*launches: tuple[int | None, ...]) -> list[RoundRecord]:
    """Return slices of one call each, with their energy in uJ."""
    made = make_rounds({"ort": [[1.0] * len(energies) for energies in launches]})
    energies = [energy for launch in launches for energy in launch]
    return [msgspec.structs.replace(line, energy_uj=energy) for line, energy in zip(made, energies, strict=True)]


def test_energy_by_item_is_the_median_over_launches() -> None:
    lines = slices((2_000_000, 4_000_000), (8_000_000,), (100_000_000,))
    assert joules_per_item(lines, 4) == pytest.approx(8 / 4)


def test_slices_without_energy_do_not_dilute_the_others() -> None:
    assert joules_per_item(slices((None, 4_000_000)), 2) == pytest.approx(2)


@pytest.mark.parametrize("lines", [[], slices((None, None)), slices((0, 0))])
def test_without_a_reading_there_is_no_figure(lines: list[RoundRecord]) -> None:
    assert joules_per_item(lines, 1) is None


def test_the_summary_has_it_for_each_arm() -> None:
    rounds = slices((3_000_000, 5_000_000), (4_000_000, 4_000_000))
    summary = summarize(make_run(["ort"]), rounds, make_launches(["ort"], 2))
    [arm] = summary.cells[0].arms
    assert arm.joules_per_item == pytest.approx(4)


def test_energy_is_of_the_lead_in_too_and_so_is_divided_by_its_items() -> None:
    [line] = slices((6_000_000,))
    assert joules_per_item([msgspec.structs.replace(line, lead_in_ns=(1, 1))], 4) == pytest.approx(6 / 12)
