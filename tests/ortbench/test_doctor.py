from __future__ import annotations

import json

import msgspec
import pytest

from ortbench.doctor import Diagnosis, advice_lines, diagnose
from ortbench.results.summary import ArmSummary, CellSummary, Speedup, Summary
from ortbench.results.trust import DISTRUST
from ortbench.runner.fitness import Finding
from tests.conftest import CommandLine

POOR = Finding(name="SMT", value="on", state="poor", advice="A neighbour takes half.", command="echo off")


def summary(resolution: float | None) -> Summary:
    reach = 1 + (resolution or 0.0)
    bounds = (2 - reach, reach) if resolution is not None else None
    twin = ArmSummary(
        engine="ort",
        twin=True,
        speedup=Speedup(baseline="ort", ratio=1.0, ci95=bounds, verdict="inconclusive"),
    )
    cell = CellSummary(model="m", batch_size=1, threads=2, arms=(ArmSummary(engine="ort"), twin))
    return Summary(
        model="m", baseline="ort", engines=("ort",), paired=True, machine={}, cells=(cell,), resolution=resolution
    )


@pytest.mark.parametrize(("resolution", "fit"), [(0.01, True), (0.05, True), (0.051, False), (None, False)])
def test_a_machine_is_fit_when_it_resolves_five_percent(resolution: float | None, fit: bool) -> None:
    assert diagnose((), summary(resolution), 30.0).fit is fit


def test_the_advice_is_plain_and_the_verdict_last() -> None:
    assert advice_lines(diagnose((POOR, Finding(name="turbo", value="off")), summary(0.02), 30.04)) == [
        "SMT: A neighbour takes half.",
        "    echo off",
        "",
        "ONNX Runtime against itself reads 1.0000x [0.9800, 1.0200].",
        "This machine tells differences of 2.0% and more in 30 s.",
    ]


def test_a_machine_that_is_not_fit_is_told_what_to_do() -> None:
    assert advice_lines(diagnose((), summary(0.08), 30.0))[-1] == (
        "This machine tells only differences of 8.0% and more in 30 s: not fit to compare engines, which takes 5%. "
        "Mend what is poor above, or measure when it is quieter."
    )
    assert advice_lines(diagnose((), summary(None), 30.0))[-1] == (
        "The study of an engine against itself gave no interval; give it a longer --max-time."
    )


def test_a_study_that_took_longer_than_it_was_given_says_so_and_a_factor_is_no_percentage() -> None:
    diagnosis = msgspec.structs.replace(diagnose((), summary(1.5), 20.2), max_time_s=10.0)
    assert advice_lines(diagnosis)[-1].startswith(
        "This machine tells only engines apart that differ 2.5 times or more in 20 s (10 s over --max-time (10 s)): "
        "not fit"
    )


def test_a_machine_on_which_an_engine_differs_from_itself_is_not_fit_however_narrow_the_interval() -> None:
    note = f"{DISTRUST} it reads 1.02x in 6 launches, which chance does not explain"
    diagnosis = diagnose((), msgspec.structs.replace(summary(0.04), notes=("something else", note)), 30.0)
    assert (diagnosis.fit, diagnosis.doubt) == (False, note)
    assert advice_lines(diagnosis)[1:] == [
        "ONNX Runtime against itself reads 1.0000x [0.9600, 1.0400], and it should be 1.",
        "This machine is not fit to compare engines: one engine differs from itself by more than chance explains.",
        "Studies here would withhold their verdicts. Mend what is poor above, or measure when it is quieter.",
    ]


def test_the_real_thing_looks_measures_and_decides(ortbench: CommandLine) -> None:
    outcome = ortbench("doctor", "--max-time", "6s", "--json", "--quiet")
    document = json.loads(outcome.stdout)
    assert [finding["name"] for finding in document["findings"]][:3] == ["cores", "SMT", "quota"]
    reach = document["resolution"]
    assert document["twin"]["ratio"] > 0
    if reach is not None:  # a very busy machine makes one launch only
        low, high = document["twin"]["ci95"]
        assert low <= document["twin"]["ratio"] <= high
    assert document["fit"] is (reach is not None and reach <= 0.05 and document["doubt"] is None)
    assert outcome.status == (0 if document["fit"] else 1)
    assert Diagnosis.__struct_fields__ == tuple(document)


def test_a_wrong_time_is_refused(ortbench: CommandLine) -> None:
    outcome = ortbench("doctor", "--max-time", "soon")
    assert outcome.status == 2
    assert "Expected --max-time to be a duration such as 90s" in outcome.stderr
