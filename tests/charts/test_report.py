from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ortbench.charts.report import build_report
from ortbench.charts.vega import vega_script
from ortbench.errors import ResultsError
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.study import Results
from tests.charts.test_gallery import study


def report(results: Results, cache: Path) -> str:
    return build_report(results, "1.2.3", cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vega")


def test_a_full_study_fits_into_three_megabytes_with_every_chart_once(cache: Path) -> None:
    page = report(Results(Path("x.csv"), study(engines=3, threads=16, batch_sizes=9)), cache)
    assert len(page) < 3_000_000
    # 36 of the gallery and one for each engine, a speedup chart for each thread count, scaling for each batch size,
    # the front and the heat map.
    assert page.count("<figure ") == 36 + 3 + 16 + 9 + 2
    assert page.count("(() => {const") == 1, "Vega stands in it once"


def test_everything_from_the_results_is_escaped(cache: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    text = f'engine,batch_size,threads,latency_ms\n"{evil}",1,1,5\n"b",1,1,4\n'
    page = report(Results(Path(f"{evil}.csv".replace("/", "")), summarize_csv_text(text, "x.csv", evil)), cache)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert evil in json.loads(data)["downloads"]["results.csv"]


def test_the_page_asks_the_network_for_nothing(cache: Path) -> None:
    page = report(Results(Path("x.csv"), study()), cache)
    without_vega = page.replace(vega_script(cache), "")
    # What remains are the names of a schema, which nobody fetches.
    addresses = re.findall(r"https?://[^\"' ]+", without_vega)
    assert all(address.startswith("https://vega.github.io/schema/vega-lite/") for address in addresses)
    assert "default-src 'none'" in page


def test_charts_carry_their_figures_in_words(cache: Path) -> None:
    page = report(Results(Path("x.csv"), study()), cache)
    assert "e1: threads 1 5.00 (4.50 to 5.50)" in page


def test_nothing_to_report_is_an_error(cache: Path) -> None:
    text = "engine,batch_size,threads,latency_ms,status\na,1,1,,failed\n"
    with pytest.raises(ResultsError, match="no arm has a latency"):
        report(Results(Path("x.csv"), summarize_csv_text(text, "x.csv", "x")), cache)


def test_vega_is_kept_for_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = vega_script(tmp_path)
    assert first == vega_script()
    monkeypatch.setattr("ortbench.charts.vega._bundle", lambda: pytest.fail("it was put together again"))
    assert vega_script(tmp_path) == first


def test_where_instances_vary_the_page_lets_one_choose_them(cache: Path) -> None:
    rows = "".join(
        f"{engine},1,1,{instances},{mode},{ms}\n"
        for engine, ms in (("a", 5), ("b", 4))
        for instances, mode in ((1, "single"), (2, "stream"))
    )
    text = f"engine,batch_size,threads,instances,mode,latency_ms\n{rows}"
    page = report(Results(Path("x.csv"), summarize_csv_text(text, "x.csv", "m")), cache)
    assert 'data-choice="instances"' in page
    assert page.count('data-instances="2 stream"') > 2  # charts, and rows of the table
    assert "Best against best: throughput" in page
    assert 'data-choice="instances"' not in report(Results(Path("x.csv"), study()), cache)
