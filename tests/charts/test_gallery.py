from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ortbench.charts.frames import chart_frames
from ortbench.charts.gallery import draw_gallery, file_names, gallery_charts
from ortbench.charts.marks import Series, crowded, label_sides
from ortbench.charts.theme import PALETTE
from ortbench.errors import ResultsError
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.summary import Summary
from ortbench.safe_names import safe_name


def study(engines: int = 2, threads: int = 2, batch_sizes: int = 2, extra: str = "") -> Summary:
    """Make up a study as a CSV; latency grows with the batch and falls with threads and the engine's number."""
    lines = ["engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms,status,precision"]
    for engine in range(engines):
        for count in range(1, threads + 1):
            for size in range(batch_sizes):
                latency = 10 * 2**size / count / (engine + 1)
                lines.append(f"e{engine},{2**size},{count},{latency},{latency * 0.9},{latency * 1.1},ok,fp32")
    return summarize_csv_text("\n".join(lines) + "\n" + extra, "m.csv", "my model")


def charts(summary: Summary) -> dict[str, dict[str, Any]]:
    return {name: chart for frame in chart_frames(summary) for name, chart in gallery_charts(summary, frame)}


def points(chart: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart["datasets"]["points"]
    return found


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]


def test_a_full_study_has_36_charts_and_one_per_engine() -> None:
    names = list(charts(study(engines=3, threads=4, batch_sizes=9)))
    assert len(names) == len(set(names)) == 36 + 3
    assert "my-model-latency-1" in names
    assert "my-model-throughput-256" in names
    assert "my-model-latency-comparison-16" in names
    assert "my-model-throughput-e1-perBS" in names


@pytest.mark.parametrize(
    ("text", "name"), [("ort[a=1,b=2]", "ort-a-1-b-2-"), ("r50_v1.5", "r50_v1.5"), ("a//b c", "a-b-c")]
)
def test_file_names_keep_letters_digits_dots_and_underscores(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_single_chart_shows_the_engine_under_study_which_is_the_last() -> None:
    drawn = charts(study())
    assert {row["engine"] for row in points(drawn["my-model-latency-1"])} == {"e1"}
    assert {row["engine"] for row in points(drawn["my-model-latency-comparison-1"])} == {"e0", "e1"}


def test_an_engine_keeps_its_colour_in_every_chart() -> None:
    for name, chart in charts(study(engines=3)).items():
        if "perBS" not in name:
            scale = chart["layer"][0]["encoding"]["color"]["scale"]
            assert scale == {"domain": ["e0", "e1", "e2"], "range": list(PALETTE[:3])}


def test_points_carry_values_and_intervals() -> None:
    [row] = [r for r in points(charts(study())["my-model-latency-1"]) if r["threads"] == 2]
    assert (row["latency"], row["latency_low"], row["latency_high"]) == pytest.approx((2.5, 2.25, 2.75))
    assert row["latency_label"] == "2.50"
    assert "throughput" not in row, "a report holds many charts: each has its own figures only"
    [row] = [r for r in points(charts(study())["my-model-throughput-1"]) if r["threads"] == 2]
    assert (row["throughput"], row["throughput_low"], row["throughput_high"]) == pytest.approx(
        (400, 400 / 1.1, 400 / 0.9)
    )


def test_throughput_has_its_own_interval_and_not_the_latencys() -> None:
    columns = "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms,throughput_per_s"
    known = f"{columns},throughput_low_per_s,throughput_high_per_s\ne0,1,1,10,9,11,80,70,95\n"
    for text, expected in ((known, (80, 70, 95)), (f"{columns}\ne0,1,1,10,9,11,80\n", (80, 80, 80))):
        [row] = points(charts(summarize_csv_text(text, "m.csv", "m"))["m-throughput-1"])
        assert (row["throughput"], row["throughput_low"], row["throughput_high"]) == expected


def test_titles_and_axes_say_what_is_shown() -> None:
    chart = charts(study())["my-model-latency-comparison-2"]
    assert chart["title"]["text"] == "Threads vs Latency, batch size 2"
    assert chart["title"]["subtitle"] == ["my model · e0 vs e1", "vertical lines: low to high, as given"]
    encoding = chart["layer"][0]["encoding"]
    assert encoding["y"]["title"] == "Latency per batch (ms)"
    assert encoding["x"]["title"] == "Threads"
    per_batch = charts(study())["my-model-throughput-e0-perBS"]["layer"][0]["encoding"]
    assert per_batch["y"]["title"] == "Throughput (inferences/s)"
    assert per_batch["x"]["scale"]["base"] == 2


def test_an_invalid_point_is_hollow_and_the_caption_says_so() -> None:
    summary = study(extra="bad,1,1,50,,,invalid,fp32\nbad,1,2,25,,,invalid,fp32\n")
    chart = charts(summary)["my-model-latency-comparison-1"]
    assert [row["engine"] for row in points(chart) if not row["valid"]] == ["bad", "bad"]
    assert chart["title"]["subtitle"][1].endswith("hollow: invalid or failed, not to be compared")
    hollow = [layer for layer in chart["layer"] if layer.get("transform") == [{"filter": "!datum.valid"}]]
    assert [layer["mark"]["filled"] for layer in hollow] == [False]


def test_another_precision_goes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    files = draw_gallery(study(threads=1, batch_sizes=1, extra="e0,1,1,5,,,ok,bf16\n"), tmp_path)
    assert tmp_path / "bf16" / "my-model-throughput-e0-perBS.png" in files
    assert tmp_path / "my-model-throughput-e0-perBS.png" in files


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Path]]:
    """The files of two galleries, by how many thread counts they show."""
    return {count: draw_gallery(study(threads=count), tmp_path_factory.mktemp("drawn")) for count in (1, 3)}


@pytest.mark.parametrize("threads", [1, 3])
def test_charts_are_written_as_png_svg_and_html_with_every_value(drawn: dict[int, list[Path]], threads: int) -> None:
    files = drawn[threads]
    tmp_path = files[0].parent
    own = [file for file in files if file.parent == tmp_path and file.name != "vega.js"]
    assert len(own) == 3 * (4 * 2 + 2)
    assert {file.suffix for file in own} == {".png", ".svg", ".html"}
    assert all(file.stat().st_size > 1000 for file in files)
    assert (tmp_path / "my-model-latency-1.png").read_bytes().startswith(b"\x89PNG")
    written = texts((tmp_path / "my-model-latency-comparison-2.svg").read_text(encoding="utf-8"))
    assert {"20.0", "10.0"} <= set(written)
    assert "Threads vs Latency, batch size 2" in written


def test_with_many_series_only_the_greatest_and_the_least_are_labelled() -> None:
    rows = [{"threads": count, "throughput": float(count)} for count in range(1, 17)]
    assert label_sides(rows, "throughput", Series("threads", range(1, 17), "", "")) == {1: "below", 16: "above"}
    assert label_sides(rows[:3], "throughput", Series("threads", [1, 2, 3], "", "")) == {
        1: "below",
        2: "below",
        3: "above",
    }


def test_a_figure_is_one_text_whose_outline_lies_below_it(drawn: dict[int, list[Path]]) -> None:
    tmp_path = drawn[3][0].parent
    drawing = (tmp_path / "my-model-latency-1.svg").read_text(encoding="utf-8")
    figures = [text for text in drawing.split("<text ")[1:] if ">2.50<" in text]
    assert len(figures) == 1
    assert 'stroke="white"' in figures[0]
    assert 'paint-order="stroke"' in figures[0]
    assert 'aria-label="Threads vs Latency, batch size 1. e1: threads 1 5.00 (4.50 to 5.50)' in drawing
    # In a browser Vega would draw the outline over the figure, so the page has both.
    page = (tmp_path / "my-model-latency-1.html").read_text(encoding="utf-8")
    assert page.count('"stroke": "white"') == 2


def test_latencies_far_apart_have_a_logarithmic_axis_and_throughput_begins_at_zero() -> None:
    drawn = charts(study(engines=2, threads=16))
    wide = drawn["my-model-latency-comparison-1"]["layer"][0]["encoding"]["y"]
    assert (wide["scale"]["type"], wide["title"]) == ("log", "Latency per batch (ms), log scale")
    assert drawn["my-model-throughput-comparison-1"]["layer"][0]["encoding"]["y"]["scale"] == {"zero": True}


def test_a_figure_that_would_cover_another_below_it_is_left_out() -> None:
    rows = [
        {"engine": engine, "threads": 1, "batch_size": 1, "latency": latency}
        for engine, latency in (("a", 10.0), ("b", 4.2), ("c", 4.0))
    ]
    assert crowded(rows, "latency", ["b", "c"]) == {1}
    assert crowded([rows[0], rows[1] | {"latency": 6.0}, rows[2]], "latency", ["b", "c"]) == set()


def test_markup_in_a_name_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\\"
    text = f'engine,batch_size,threads,latency_ms\n"{evil}",1,1,5\n"{evil}",1,2,4\n'
    draw_gallery(summarize_csv_text(text, "x.csv", evil), tmp_path)
    for path in tmp_path.glob("*.svg"):
        drawing = path.read_text(encoding="utf-8")
        assert "<script>" not in drawing
        assert any("<script>" in line for line in texts(drawing))


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    text = "engine,batch_size,threads,latency_ms,status\na,1,1,,failed\n"
    with pytest.raises(ResultsError, match="no arm has a latency"):
        draw_gallery(summarize_csv_text(text, "x.csv", "x"), tmp_path / "charts")
    assert not (tmp_path / "charts").exists()


def test_engines_that_differ_in_odd_characters_only_have_files_of_their_own() -> None:
    engines = ["ort", "ort[a=b]", "ort[a:b]", "ort[a/b]", "ort:cuda"]
    assert list(file_names(engines).values()) == ["ort", "ort-a-b", "ort-a-b-2", "ort-a-b-3", "ort-cuda"]
