"""An explanation as text and in the report."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console

from ortbench.charts.explain_rows import class_grid, operator_grid, placement_grid, sentences
from ortbench.charts.explain_table import print_explanation
from ortbench.charts.report import build_report
from ortbench.charts.report_explain import explanation_tables
from ortbench.results.explanation import EngineExplanation, Explanation, Profile, share
from ortbench.results.folder import EXPLAIN_FILE, write_json
from ortbench.results.study import Results
from tests.charts.test_gallery import study
from tests.results.test_explanation import CELLS

TORCH = EngineExplanation(
    engine="torch",
    status="ok",
    latency_ms=10.5,
    versions={"torch": "2.14"},
    threads=2,
    boundary="host",
    evidence={"layout": "NCHW", "precision": {"parameters": "float32"}, "emulated": None},
    placement={"requested": "cpu", "assigned": {"cpu": 6}, "unit": "parameters"},
    profile=Profile(
        call_ms=10.0,
        calls=9,
        operators=(share("aten::mkldnn_convolution", 6.0, 53), share("aten::native_batch_norm", 3.0, 53)),
    ),
)
ORT = EngineExplanation(
    engine="ort:cuda",
    status="ok",
    latency_ms=6.0,
    versions={"onnxruntime": "1.32"},
    placement={
        "requested": "CUDAExecutionProvider",
        "assigned": {"CPUExecutionProvider": 2, "CUDAExecutionProvider": 98},
        "unit": "nodes",
        "flops": {"CUDAExecutionProvider": 999, "CPUExecutionProvider": 1},
        "operators": {"CUDAExecutionProvider": {"FusedConv": 53, "MaxPool": 1}, "CPUExecutionProvider": {"Shape": 2}},
        "fusions": {"FusedConv": 33},
    },
    profile=Profile(call_ms=5.0, calls=20, operators=(share("FusedConv", 4.5, 53),)),
)
DEAD = EngineExplanation(engine="dead", status="failed", reason="it was killed by SIGSEGV")
MUTE = EngineExplanation(engine="mute", status="ok", latency_ms=1.0, profile=Profile(reason="it cannot say"))
WHOLE = Explanation(model="m", baseline="torch", cell=CELLS[3], engines=(TORCH, ORT, DEAD, MUTE))


def printed(explanation: Explanation) -> str:
    out = StringIO()
    print_explanation(explanation, Console(file=out, width=120, highlight=False), Path("the results"))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_engines_stand_side_by_side_with_what_makes_the_difference() -> None:
    grid = class_grid(WHOLE)
    assert list(grid.headings) == ["ms of one call", "torch", "ort:cuda", "ort:cuda - torch"]
    assert [[cell.text for cell in row] for row in grid.rows] == [
        ["normalisation", "3.00", "0", "-3.00"],
        ["convolution", "6.00", "4.50", "-1.50"],
    ]
    assert [[cell.text for cell in row] for row in grid.totals] == [
        ["operators together", "9.00", "4.50", "-4.50"],
        ["outside operators", "1.00", "0.500", "-0.500"],
        ["one call, not profiled", "10.0", "5.00", "-5.00"],
        ["one call, in the study", "10.5", "6.00", "-4.50"],
    ]


def test_placement_is_told_by_nodes_and_by_work() -> None:
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in placement_grid(WHOLE).rows}
    assert rows["ran on"][:2] == [
        "cpu: 6 of 6 parameters, 100%",
        "CUDAExecutionProvider: 98 of 100 nodes, 98%, CPUExecutionProvider: 2 of 100 nodes, 2%",
    ]
    assert rows["FLOPs"][1] == "CUDAExecutionProvider: 99.9%, CPUExecutionProvider: 0.1%"
    assert rows["operators"][1] == "53 FusedConv, 2 Shape, 1 MaxPool"
    assert rows["fused"][1] == "33 FusedConv"
    assert rows["precision"][0] == "parameters float32"
    assert rows["inputs in"][0] == "main memory"
    assert "emulated" not in rows


def test_sentences_say_what_differs_and_how_much_is_explained() -> None:
    assert sentences(WHOLE) == [
        "ort:cuda takes 5.00 ms less than torch in a call: normalisation -3.00, convolution -1.50, "
        "outside operators -0.500",
        "torch: the operators add up to 9.00 ms, 90% of a call, which took 10.0 ms without the profiler (median of 9), "
        "10.5 ms in the study",
        "ort:cuda: the operators add up to 4.50 ms, 90% of a call, which took 5.00 ms without the profiler "
        "(median of 20), 6.00 ms in the study",
        "A fused operator counts in the class that does most of its work. Profilers take time themselves, most where "
        "operators are short, so a sum may exceed its call.",
        "dead failed: it was killed by SIGSEGV",
        "mute has no profile: it cannot say",
    ]


def test_a_sum_far_from_its_call_is_doubted() -> None:
    profile = Profile(call_ms=10.0, calls=9, operators=(share("Conv", 2.0, 1),))
    engine = msgspec.structs.replace(TORCH, profile=profile)
    [line, _] = sentences(msgspec.structs.replace(WHOLE, engines=(engine,)))
    assert line.endswith("; this profile explains little")


def test_the_longest_operators_are_listed_for_each_engine() -> None:
    many = Profile(call_ms=99.0, calls=5, operators=tuple(share(f"Op{n}", 20.0 - n, 1) for n in range(20)))
    engine = msgspec.structs.replace(ORT, profile=many)
    rows = operator_grid(msgspec.structs.replace(WHOLE, engines=(TORCH, engine))).rows
    assert [cell.text for cell in rows[0]] == [
        "torch",
        "aten::mkldnn_convolution",
        "convolution",
        "53",
        "6.00",
        "66.7%",
    ]
    assert len(rows) == 2 + 8


def test_everything_is_printed() -> None:
    text = printed(WHOLE)
    for words in ("m at b4-t2, baseline torch", "what ran", "where the time goes", "the longest operators", "mute has"):
        assert words in text
    assert "ortbench compare" not in text


def test_where_nothing_was_profiled_the_command_is_told() -> None:
    bare = [msgspec.structs.replace(engine, profile=None) for engine in (TORCH, ORT)]
    text = printed(msgspec.structs.replace(WHOLE, engines=tuple(bare)))
    assert text.splitlines()[-1] == (
        "No profile was made of this cell. "
        "`ortbench compare --study 'the results' --output 'the results' --resume --explain b4-t2` makes one."
    )
    assert "where the time goes" not in text


def test_the_report_has_the_tables_where_a_profile_is(tmp_path: Path) -> None:
    results = Results(tmp_path, study())
    assert "Where the time goes" not in build_report(results, "1.2.3")
    write_json(tmp_path / EXPLAIN_FILE, WHOLE)
    page = build_report(results, "1.2.3")
    for words in ("Where the time goes: batch size 4, threads 2", "aten::mkldnn_convolution", "mute has no profile"):
        assert words in page
    assert [table.chosen for table in explanation_tables(WHOLE)] == [False] * 3


def test_where_nothing_ran_there_is_no_table() -> None:
    skipped = EngineExplanation(engine="torch", status="skipped", reason="there was no time")
    text = printed(msgspec.structs.replace(WHOLE, engines=(skipped,)))
    assert "what ran" not in text
    assert "torch skipped: there was no time" in text


def test_a_profile_that_contradicts_the_study_says_so_and_tells_no_difference() -> None:
    slow = msgspec.structs.replace(ORT, latency_ms=0.0111)
    told = sentences(msgspec.structs.replace(WHOLE, engines=(TORCH, slow)))
    assert not any(" in a call:" in line for line in told)
    [note] = [line for line in told if "contradicts" in line]
    assert note.startswith(
        "ort:cuda: this profile contradicts the study: beside it a call took 5.00 ms, and 0.0111 ms in the study, "
        "so 450 times longer."
    )
    quick = msgspec.structs.replace(TORCH, latency_ms=20.0)
    assert any("2.0 times shorter" in line for line in sentences(msgspec.structs.replace(WHOLE, engines=(quick, ORT))))
    assert not any("contradicts" in line for line in sentences(WHOLE))
    assert any(" in a call:" in line for line in sentences(WHOLE))
