from __future__ import annotations

import io

from rich.console import Console

from ortbench.charts.best_chart import best_pictures, factor_rows
from ortbench.charts.best_table import best_tables, print_best
from ortbench.results.decomposition import best_against_best
from tests.results.test_decomposition import GRID, cells, finals, summary

FOUND = best_against_best(cells(), "torch", finals(GRID))


def test_the_picture_has_a_line_for_each_factor_in_the_colour_of_whose_it_is() -> None:
    rows = factor_rows(FOUND[0], "torch")
    assert [(row["factor"], row["engine"], row["ratio_label"]) for row in rows] == [
        ("allocator: tcmalloc", "torch", "1.25x"),
        ("split: 2 x 1 thread, split", "torch", "1.14x"),
        ("engine: ort", "ort", "1.75x"),
        ("together: ort", "ort", "2.50x"),
    ]


def test_there_is_a_picture_for_each_batch_size_and_objective_with_its_figures_in_words() -> None:
    pictures = list(best_pictures(summary(FOUND)))
    assert [picture.kind for picture in pictures] == ["whose-advantage-latency-4", "whose-advantage-throughput-4"]
    assert "2.5" in pictures[0].chart["description"]
    assert pictures[0].chart["title"]["subtitle"][-1] == (
        "95 % intervals, 6 launches in which all of it ran in the same rounds"
    )
    unpaired = list(best_pictures(summary(best_against_best(cells(), "torch"))))
    assert unpaired[0].chart["title"]["subtitle"][-1].startswith("not paired")


def test_the_terminal_shows_a_table_for_each_objective() -> None:
    file = io.StringIO()
    print_best(summary(FOUND), Console(file=file, width=180, highlight=False))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert lines[0] == "best against best: latency of a batch"
    [ort] = [line for line in lines if " ort " in line][:1]
    assert ort.split()[-4:] == ["2.50x", "[2.50,", "2.50]", "2.00x"]
    assert sum("measured in the same rounds, in 6 launches" in line for line in lines) == 2


def test_the_report_has_them_too_with_figures_to_sort_by() -> None:
    latency, throughput = best_tables(summary(FOUND))
    assert (latency.title, throughput.title) == (
        "Best against best: latency of a batch",
        "Best against best: throughput",
    )
    assert latency.rows[1].cells[-2].key is not None
    assert not latency.chosen
