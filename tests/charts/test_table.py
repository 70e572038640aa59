from __future__ import annotations

import io

import pytest
from rich.console import Console

from ortbench.charts.console import answer_console
from ortbench.charts.table import footer, print_summary
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.summary import ArmSummary, CellSummary, Cold, Latency, Speedup, Summary
from tests.results.factory import make_launches, make_rounds, make_run


def printed(summary: Summary, width: int = 180) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_summary(summary, console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_the_table_as_a_whole() -> None:
    rounds = make_rounds({"torch": [[80, 82], [79, 80], [81, 80]], "ort": [[40, 40], [41, 40], [40, 42]]})
    parity = {"ok": True, "max_abs_error": 4e-5}
    launches = [
        *make_launches(["torch", "ort"], 3, parity=parity, pss_mib=431.2, memory_mib=690.0),
        *make_launches(["null"], 1, status="failed", reason="null hung: no answer within 10 s"),
    ]
    summary = summarize(make_run(["torch", "ort", "null"]), rounds, launches)
    assert (
        printed(summary)
        == """\
m, baseline torch, batch size 1, threads 2

                   latency  inferences             speedup                      PSS
 engine          ms [95 %]          /s              [95 %]  verdict   parity    MiB
 ──────────────────────────────────────────────────────────────────────────────────
 torch   80.4 [78.5, 82.2]        12.4                      baseline  ok 4e-05  431
 ort     40.5 [39.3, 41.7]        24.7  1.98x [1.90, 2.07]  faster    ok 4e-05  431
 null                                                       failed

first use

  engine   batch size   threads   import s   load s   first call ms   until steady s   peak MiB
 ───────────────────────────────────────────────────────────────────────────────────────────────
  torch             1         2       1.00    0.500            9.00             1.51        690
  ort               1         2       1.00    0.500            9.00             1.51        690
  null              1         2       1.00    0.500            9.00             1.51

null failed at batch size 1, threads 2: null hung: no answer within 10 s
interval: of 3 launches, by Student's t
target: 1 speedup is known less well than was wanted; a longer --max-time would help"""
    )


def test_the_target_is_for_the_engines_that_are_compared_and_not_for_the_twin() -> None:
    def told(*engines: str) -> list[str]:
        arms = tuple(
            ArmSummary(
                engine=engine,
                twin=engine == "torch",
                latency_ms=Latency(median=1),
                speedup=Speedup(baseline="torch", ratio=1, ci95=None, verdict="inconclusive"),
                target_met=False,
            )
            for engine in engines
        )
        cell = CellSummary(model="m", batch_size=1, threads=2, arms=arms)
        summary = Summary(model="m", baseline="torch", engines=engines, paired=True, machine={}, cells=(cell,))
        return [line for line in footer(summary) if line.startswith("target: ")]

    wanted = "known less well than was wanted; a longer --max-time would help"
    assert told("torch") == []
    assert told("torch", "ort") == [f"target: 1 speedup is {wanted}"]
    assert told("torch", "ort", "compile") == [f"target: 2 speedups are {wanted}"]


def test_how_intervals_of_few_launches_were_made_is_said() -> None:
    def lines(*rounds: int) -> list[str]:
        torch, ort = (
            [[80.0, 82.0] * count for count in rounds],
            [[40.0, 40.0, 44.0, 44.0] * count for count in rounds],
        )
        launches = {"torch": torch, "ort": [own[: 2 * count] for own, count in zip(ort, rounds, strict=True)]}
        summary = summarize(make_run(), make_rounds(launches), make_launches(["torch", "ort"], len(rounds)))
        return [line for line in footer(summary) if line.startswith("interval: ")]

    assert lines(2, 4, 40) == ["interval: of 3 launches, by Student's t; one of few rounds weighs less"]
    assert lines(*[4] * 7) == []
    assert lines(2, *[40] * 7) == ["interval: of 8 launches, by Student's t; one of few rounds weighs less"]


def test_where_one_launch_was_all_that_fitted_what_would_give_an_interval_is_said() -> None:
    rounds = make_rounds({"torch": [[80, 82]], "ort": [[40, 40]]})
    summary = summarize(make_run(time_for_intervals_s=71.0), rounds, make_launches(["torch", "ort"], 1))
    assert "interval: there is none after one launch; `--max-time 80s` would give one" in footer(summary)


def test_below_the_table_stands_what_the_run_can_tell() -> None:
    twin = ArmSummary(
        engine="torch",
        twin=True,
        speedup=Speedup(baseline="torch", ratio=1.001, ci95=(0.99, 1.012), verdict="inconclusive"),
    )
    cell = CellSummary(model="m", batch_size=1, threads=2, arms=(ArmSummary(engine="torch"), twin))
    summary = Summary(
        model="m",
        baseline="torch",
        engines=("torch",),
        paired=True,
        machine={},
        cells=(cell,),
        resolution=0.012,
        spoiled_rounds=0.034,
        drift=0.25,
        notes=("a note",),
    )
    assert footer(summary) == [
        "resolution: torch against itself at batch size 1, threads 2 reads 1.0010x [0.9900, 1.0120]",
        "resolution: this run tells differences of 1.2% and more",
        "machine: other programs or limits spoiled 3.4% of the rounds",
        "machine: its own speed moved by 25% between slow and fast spells",
        "note: a note",
    ]


def test_columns_appear_only_where_something_varies() -> None:
    text = "engine,batch_size,threads,latency_ms,precision,allocator\na,1,1,5,fp32,default\na,1,1,4,bf16,tcmalloc\n"
    table = printed(summarize_csv_text(text, "x.csv", "x"))
    assert "precision" in table
    assert "allocator" in table
    assert "instances" not in table


def test_brackets_in_a_name_are_no_markup() -> None:
    text = 'engine,batch_size,threads,latency_ms\n"torch[channels_last=true]",1,1,5\n[bold]x[/],1,1,5\n'
    table = printed(summarize_csv_text(text, "x.csv", "x"))
    assert "torch[channels_last=true]" in table
    assert "[bold]x[/]" in table


def test_a_pipe_gets_whole_lines_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    text = "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms\na,1,1,5,4,6\nb,1,1,1,0.9,1.1\n"
    print_summary(summarize_csv_text(text, "x.csv", "x"), answer_console())
    lines = capsys.readouterr().out.splitlines()
    assert not any("\x1b" in line for line in lines)
    assert any("b" in line and "5.00x [3.64, 6.67]" in line and "faster" in line for line in lines)
    assert len([line for line in lines if line.startswith("note: ")]) == 1


def test_a_usual_study_fits_into_a_hundred_columns() -> None:
    arms = (
        ArmSummary(
            engine="torch",
            latency_ms=Latency(median=1240.0, ci95=(1200.0, 1280.0)),
            throughput_per_s=12.4,
            parity={"ok": True, "max_abs_error": 4e-5},
            pss_mib=431.2,
        ),
        ArmSummary(
            engine="torchscript",
            latency_ms=Latency(median=80.0, ci95=(78.1, 81.9)),
            throughput_per_s=12.4,
            speedup=Speedup(baseline="torch", ratio=1.98, ci95=(1.9, 2.07), verdict="inconclusive"),
            parity={"ok": True, "max_abs_error": 4e-5},
            pss_mib=431.2,
        ),
    )
    cells = tuple(CellSummary(model="m", batch_size=size, threads=2, arms=arms) for size in (1, 16))
    summary = Summary(
        model="m", baseline="torch", engines=("torch", "torchscript"), paired=True, machine={}, cells=cells
    )
    assert max(len(line.rstrip()) for line in printed(summary).splitlines()) <= 100


def test_first_use_is_shown_of_one_process_with_the_most_threads() -> None:
    arm = ArmSummary(engine="torch", cold=Cold(import_s=1.0, load_s=2.0, first_call_ms=3.0, time_to_steady_s=4.0))
    places = [(1, 1), (2, 1), (1, 2)]
    cells = tuple(
        CellSummary(model="m", batch_size=1, threads=threads, instances=instances, arms=(arm,))
        for threads, instances in places
    )
    text = printed(Summary(model="m", baseline="torch", engines=("torch",), paired=True, machine={}, cells=cells))
    table = text.partition("first use; that of the other cells is in summary.json")[2].splitlines()
    assert [line.split() for line in table if "torch" in line] == [["torch", "1", "2", "1.00", "2.00", "3.00", "4.00"]]
