"""Each arm's share of the attainable peak, derived from the record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ortbench.results.attainable import arm_share, roof_lines, roof_notes
from ortbench.results.derive import summarize
from ortbench.results.loadgen import ArmLoad
from ortbench.results.markdown import to_markdown
from ortbench.results.roofline import ABOVE, Peaks, Roofline, Work
from ortbench.results.schema import CellKey, Run
from ortbench.results.summary import ArmSummary, Latency, Summary
from ortbench.results.tidy import tidy_rows
from tests.results.factory import make_launches, make_rounds, make_run

# One item is 1 GFLOP; of a batch of 1 there are 10 operations for each byte, of 3 there are 15.
WORK = Work(flops_per_item=1_000_000_000, weight_bytes=50_000_000, activation_bytes_per_item=50_000_000)
PEAKS = Peaks(threads=2, gflop_per_s=200, gbyte_per_s=10, product="numpy, 512 x 512", stream="copy")
ROOFLINE = Roofline(
    work={"fp32": WORK, "int8": WORK}, peaks=(PEAKS, Peaks(threads=1, instances=2, gflop_per_s=100, gbyte_per_s=5))
)


def cell(**fields: Any) -> CellKey:
    return CellKey(**{"model": "m", "batch_size": 1, "threads": 2, **fields})


def arm(**fields: Any) -> ArmSummary:
    return ArmSummary(**{"engine": "ort", "latency_ms": Latency(median=20), "throughput_per_s": 30.0, **fields})


def share(key: CellKey, of: ArmSummary, roofline: Roofline | None = ROOFLINE) -> float | None:
    found = arm_share(roofline, key, of)
    return found.share if found else None


def test_a_batch_is_judged_by_its_latency() -> None:
    assert share(cell(), arm()) == pytest.approx(50 / 100)
    # Of a batch of three in 20 ms there are 150 GFLOP/s, and memory allows 15 x 10.
    assert share(cell(batch_size=3), arm()) == pytest.approx(1.0)


def test_a_divided_batch_reads_the_weights_once_an_instance() -> None:
    found = arm_share(ROOFLINE, cell(batch_size=2, threads=1, instances=2, mode="split"), arm())
    assert found is not None
    assert found.intensity == 10
    assert found.achieved_gflop_per_s == pytest.approx(100)
    assert found.attainable_gflop_per_s == 50


def test_streams_are_judged_by_what_they_finish_together() -> None:
    found = arm_share(ROOFLINE, cell(threads=1, instances=2, mode="stream"), arm())
    assert found is not None
    assert found.intensity == 10
    assert found.achieved_gflop_per_s == pytest.approx(30)


def test_what_a_request_waited_is_not_held_against_the_engine() -> None:
    load = ArmLoad(runs=1, valid_runs=1, call_ms=10)
    assert share(cell(load="poisson@20/s"), arm(load=load)) == pytest.approx(100 / 100)


@pytest.mark.parametrize(
    ("key", "of"),
    [
        (cell(threads=1), arm()),
        (cell(precision="int8"), arm()),
        (cell(), arm(evidence={"precision": {"lane": "int8"}})),
        (cell(), arm(status="invalid")),
        (cell(), arm(latency_ms=None)),
        (cell(), arm(engine="ort:cuda")),
    ],
    ids=["no such layout", "another lane", "its own lane", "invalid", "no latency", "no roof there"],
)
def test_where_a_roof_is_not_the_arms_own_there_is_no_share(key: CellKey, of: ArmSummary) -> None:
    int8 = msgspec.structs.replace(WORK, arithmetic="int8")
    known = msgspec.structs.replace(ROOFLINE, work={"fp32": WORK, "int8": int8}, without_roof={"ort:cuda": "why"})
    assert share(key, of, known) is None


def test_without_work_or_roofs_there_is_no_share() -> None:
    assert share(cell(), arm(), None) is None
    assert share(cell(), arm(), Roofline()) is None
    nothing = Work(flops_per_item=0, weight_bytes=0, activation_bytes_per_item=0)
    assert share(cell(), arm(), Roofline(work={"fp32": nothing}, peaks=(PEAKS,))) is None


def test_notes_say_why_a_share_is_not_known() -> None:
    int8 = msgspec.structs.replace(WORK, arithmetic="int8")
    known = Roofline(
        work={"fp32": WORK, "int8": int8},
        peaks=(PEAKS,),
        without_roof={"ort:cuda": "it runs on cuda, whose roof is not measured"},
        left_out="no roofs were measured for the rest",
    )
    assert roof_notes(known, ["fp32", "int8"]) == [
        "no roofs were measured for the rest",
        "no share of the peak for ort:cuda: it runs on cuda, whose roof is not measured",
        "no share of the peak in int8: no roof is measured for its arithmetic",
    ]
    assert roof_notes(Roofline(reason="the work of this model cannot be counted: why"), ["fp32"]) == [
        "the work of this model cannot be counted: why"
    ]
    # A study that is too short for roofs needs no more words.
    assert roof_notes(Roofline(left_out="no time"), ["fp32"]) == roof_notes(None, ["fp32"]) == []


def study(latency_ms: float, roofline: Roofline | None = ROOFLINE) -> Summary:
    run = make_run(roofline=roofline)
    rounds = make_rounds({"torch": [[40.0, 40.0]], "ort": [[latency_ms, latency_ms]]})
    return summarize(run, rounds, make_launches(["torch", "ort"], 1))


def test_the_summary_has_roofs_shares_and_words() -> None:
    found = study(20)
    assert found.peaks == ROOFLINE.peaks
    [torch, ort] = found.cells[0].arms
    assert torch.roofline is not None
    assert ort.roofline is not None
    assert torch.roofline.share == pytest.approx(0.25)
    assert ort.roofline.share == pytest.approx(0.5)
    roofs = "roofs: 2 threads 200 GFLOP/s (numpy, 512 x 512), 10.0 GB/s (copy); "
    roofs += "2 instances of 1 thread 100 GFLOP/s, 5.00 GB/s"
    assert roof_lines(found) == [roofs]
    assert "| of peak |" in to_markdown(found)
    assert "| 50% |" in to_markdown(found)
    rows = tidy_rows(found)
    assert [row["share_of_peak"] for row in rows] == [pytest.approx(0.25), pytest.approx(0.5)]
    figures = [rows[1][name] for name in ("gflop_per_s", "attainable_gflop_per_s", "flop_per_byte")]
    assert figures == pytest.approx([50, 100, 10])


def test_what_is_above_its_roof_is_explained_below_the_table() -> None:
    [_, above] = roof_lines(study(5))
    assert above == f"above the roof: ort 200% at batch size 1, threads 2: {ABOVE['memory']}"


def test_many_layouts_are_not_all_told() -> None:
    many = tuple(Peaks(threads=count, gflop_per_s=1, gbyte_per_s=1) for count in range(1, 9))
    [line, *_] = roof_lines(study(20, msgspec.structs.replace(ROOFLINE, peaks=many)))
    assert line.endswith("3 threads 1.00 GFLOP/s, 1.00 GB/s; 5 more in run.json")


def test_a_record_from_before_there_were_roofs_is_read() -> None:
    document = msgspec.to_builtins(make_run())
    del document["roofline"]
    run = msgspec.convert(document, Run)
    assert run.roofline is None
    found = summarize(run, make_rounds({"torch": [[1.0]], "ort": [[1.0]]}), [])
    assert (found.peaks, roof_lines(found), found.cells[0].arms[0].roofline) == ((), [], None)
