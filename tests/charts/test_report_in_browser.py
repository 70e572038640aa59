"""The report and a chart's page in a real browser: charts are drawn, choices work, and nothing goes wrong unseen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ortbench.charts.gallery import draw_gallery
from ortbench.charts.report import build_report
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.study import Results
from ortbench.results.summary import Summary

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

EVIL = "<script>window.caught = 1</script>"


@dataclass
class Tab:
    """A page in the browser, and everything that it complained about or asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A warning of Vega's is a mistake in a specification.
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path) -> None:
        self.page.goto(path.as_uri())

    def drawn(self, chart: str) -> str:
        """Wait until a chart is drawn and return its texts."""
        figure = self.page.locator(f'figure:not([hidden]):has(h3:text-is("{chart}"))').first
        figure.scroll_into_view_if_needed()
        figure.locator("svg").wait_for()
        return " ".join(figure.locator("svg text").all_text_contents())

    def visible(self) -> list[str]:
        texts: list[str] = self.page.locator("figure:not([hidden]) h3").all_text_contents()
        return texts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        # A container's root has no sandbox to offer; the pages are our own.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


FACTORS = {"fp32": 1.0, "bf16": 0.5}


def summary(*precisions: str) -> Summary:
    lines = ["engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms,precision"]
    for precision in precisions or FACTORS:
        factor = FACTORS[precision]
        for size in (1, 4):
            for threads in (1, 2):
                for engine, speed in (("torch", 1.0), (EVIL, 2.0)):
                    latency = 10 * size / threads / speed * factor
                    lines.append(f"{engine},{size},{threads},{latency},{latency * 0.9},{latency * 1.1},{precision}")
    return summarize_csv_text("\n".join(lines), "x.csv", EVIL)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(build_report(Results(Path("x.csv"), summary()), "0"), encoding="utf-8")
    return file


@pytest.fixture
def tab(browser: Browser, report: Path) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    tab = Tab(page)
    tab.open(report)
    yield tab
    assert tab.errors == []
    assert [url for url in tab.requests if not url.startswith(("file:", "blob:"))] == []
    assert page.evaluate("window.caught") is None, "a name was run as a script"
    page.close()


def test_charts_are_drawn_with_their_figures(tab: Tab) -> None:
    texts = tab.drawn("Threads vs Latency, batch size 1")
    assert "5.00" in texts
    assert "Latency per batch (ms)" in texts
    assert "Speedup over torch" in tab.drawn("Speedup vs Batch size")


def test_a_hostile_name_stays_text(tab: Tab) -> None:
    assert EVIL in (tab.page.locator("h1").text_content() or "")
    assert EVIL in tab.page.locator("table").first.inner_text()
    assert EVIL[:12] in tab.drawn("The fastest engine")


def test_choices_change_charts_and_table(tab: Tab) -> None:
    assert "Threads vs Latency, batch size 4" not in tab.visible()
    rows = tab.page.locator("table tbody tr:not([hidden])")
    before = rows.count()
    assert {text.split()[0] for text in tab.page.locator("#choose-precision option").all_text_contents()} == {
        "all",
        "bf16",
        "fp32",
    }
    tab.page.select_option("#choose-batch_size", "4")
    assert "Threads vs Latency, batch size 4" in tab.visible()
    assert "Threads vs Latency, batch size 1" not in tab.visible()
    tab.page.select_option("#choose-precision", "bf16")
    assert rows.count() == before
    texts = tab.drawn("Threads vs Latency, batch size 4").split()
    assert "5.00" in texts
    assert "20.0" not in texts
    tab.page.select_option("#choose-precision", "")
    assert rows.count() == 2 * before


def test_tables_sort_by_number_both_ways_from_the_keyboard(tab: Tab) -> None:
    tab.page.select_option("#choose-batch_size", "")
    heading = tab.page.locator("table th button", has_text="latency ms").first

    def column() -> list[float]:
        cells = tab.page.locator("table tbody tr:not([hidden]) td:nth-child(5)").all_text_contents()
        return [float(text) for text in cells]

    heading.focus()
    tab.page.keyboard.press("Enter")
    assert column() == sorted(column())
    assert heading.locator("xpath=..").get_attribute("aria-sort") == "ascending"
    tab.page.keyboard.press("Enter")
    assert column() == sorted(column(), reverse=True)


def test_themes_change_the_page_and_the_charts(tab: Tab) -> None:
    tab.drawn("Speedup vs Batch size")
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.page.evaluate(background)
    tab.page.locator("[data-theme-choice=dark]").click()
    assert tab.page.evaluate(background) != light
    tab.page.wait_for_selector('figure[data-state="drawn"] svg text[fill="#ececec"]')


def test_results_can_be_taken_along(tab: Tab) -> None:
    with tab.page.expect_download() as download:
        tab.page.locator("[data-download='summary.json']").click()
    document = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert document["engines"] == ["torch", EVIL]


def test_a_phone_shows_it_without_scrolling_sideways(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.drawn("Speedup vs Batch size")
    # Charts are drawn again a moment after the size has changed.
    tab.page.wait_for_function("document.documentElement.scrollWidth === 390")


def test_on_paper_no_chart_is_cut_and_the_screen_is_as_before(tab: Tab) -> None:
    tab.drawn("Speedup vs Batch size")
    tab.page.emulate_media(media="print")
    # Of an A4 page 190 mm wide, at the 96 dots an inch of CSS.
    tab.page.set_viewport_size({"width": 718, "height": 1000})
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown = "[...document.querySelectorAll('figure:not([hidden])')]"
    tab.page.wait_for_function(f"{shown}.every((figure) => figure.querySelector('svg'))")
    right = "getBoundingClientRect().right"
    assert tab.page.evaluate(f"{shown}.every((figure) => figure.querySelector('svg').{right} <= figure.{right})")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 718
    tab.page.emulate_media(media="screen")
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    tab.drawn("Speedup vs Batch size")


def test_charts_are_drawn_again_after_printing(tab: Tab) -> None:
    tab.drawn("Speedup vs Batch size")
    tab.page.pdf()
    tab.page.wait_for_selector('figure[data-state="drawn"] svg')
    assert tab.page.evaluate("document.querySelector('figure svg').clientWidth") > 300


def test_text_has_contrast_in_both_themes(tab: Tab) -> None:
    # W3C's Web Content Accessibility Guidelines 2.2, success criterion 1.4.3: at least 4.5 to 1.
    for theme in ("light", "dark"):
        tab.page.locator(f"[data-theme-choice={theme}]").click()
        for name in ("--ink", "--muted", "--accent"):
            for background in ("--page", "--card"):
                colours = [_property(tab, name), _property(tab, background)]
                lighter, darker = sorted(map(_luminance, colours), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (theme, name, background)


def test_a_charts_own_page_draws_it(browser: Browser, tmp_path: Path) -> None:
    draw_gallery(summary("fp32"), tmp_path)
    for path in (next(tmp_path.glob("*-latency-1.html")), next((tmp_path / "decisions").glob("*-speedup.html"))):
        page = browser.new_page()
        tab = Tab(page)
        tab.open(path)
        page.locator("#chart svg.marks").wait_for()
        assert tab.errors == []
        assert all(url.startswith("file:") for url in tab.requests)
        page.close()


def _property(tab: Tab, name: str) -> str:
    text: str = tab.page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
    return text


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` as the guidelines define it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
