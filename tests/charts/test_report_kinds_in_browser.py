"""Every kind of study as a page in a real browser: no chart is missing and nothing is complained of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from ortbench.charts.report import build_report
from tests.charts.kinds import KINDS
from tests.charts.test_report_in_browser import CHROMIUM, Tab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
# What is drawn in a chart, without axes and legends, which a chart of nothing has too.
MARKS = ".role-mark path, .role-mark line, .role-mark rect, .role-mark text"
SHOWN = "[...document.querySelectorAll('figure:not([hidden])')]"
# One screen after the other, as a reader does, each for as long as it takes to be painted. A page that the browser does
# not paint, as a headless one need not be, is not waited for.
SCROLLED_WHOLE = """async () => {
  for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight) {
    scrollTo(0, top);
    await new Promise((painted) => {
      requestAnimationFrame(() => requestAnimationFrame(painted));
      setTimeout(painted, 500);
    });
  }
}"""
SETTLED = f"{SHOWN}.every((figure) => ['drawn', 'failed'].includes(figure.dataset.state))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vega")


def open_page(browser: Browser, html: str, folder: Path, viewport: ViewportSize = WIDE) -> Tab:
    """Open a report as somebody with a dark desktop sees it."""
    file = folder / "report.html"
    file.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport=viewport, color_scheme="dark")
    tab = Tab(page)
    tab.open(file)
    return tab


def empty_cards(page: Page) -> list[str]:
    """Return the titles of the cards that are shown and have no marks."""
    titles: list[str] = page.evaluate(
        f"{SHOWN}.filter((figure) => !figure.querySelector('{MARKS}'))"
        ".map((figure) => figure.querySelector('h3').textContent + ': ' + figure.querySelector('.drawing').textContent)"
    )
    return titles


# Each kind is seen dark and light, wide and narrow. Drawing is most of the time, so only every other kind is dark on a
# wide page, and the rest on a narrow one: a colour does not depend on the width.
@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [(kind, *((WIDE, NARROW) if place % 2 else (NARROW, WIDE))) for place, kind in enumerate(KINDS)],
    ids=list(KINDS),
)
def test_every_chart_is_drawn_without_a_complaint(
    kind: str, first: ViewportSize, second: ViewportSize, browser: Browser, cache: Path, tmp_path: Path
) -> None:
    tab = open_page(browser, build_report(KINDS[kind](), "0", cache), tmp_path, first)
    # A picture of the whole page is taken without scrolling.
    tab.page.wait_for_function(SETTLED)
    assert empty_cards(tab.page) == [], "dark"
    for choice in tab.page.locator("select[data-choice]:not([disabled])").all():
        choice.select_option("")
    tab.page.set_viewport_size(second)
    tab.page.locator("[data-theme-choice=light]").click()
    tab.page.evaluate(SCROLLED_WHOLE)
    tab.page.wait_for_function(f"document.documentElement.scrollWidth === {second['width']}")
    tab.page.wait_for_function(SETTLED)
    assert tab.page.locator("figure:not([hidden])").count() == tab.page.locator("figure").count()
    assert empty_cards(tab.page) == [], "light"
    assert tab.errors == []
    tab.page.close()


def test_a_card_whose_chart_cannot_be_drawn_says_so(browser: Browser, cache: Path, tmp_path: Path) -> None:
    html = build_report(KINDS["CSV of one engine"](), "0", cache)
    broken = html.replace('"type": "bar"', '"type": "no such mark"')
    assert broken != html
    tab = open_page(browser, broken, tmp_path)
    tab.page.wait_for_function(SETTLED)
    [failed, *_] = tab.page.locator('figure[data-state="failed"]:not([hidden])').all()
    text = failed.locator(".drawing").inner_text()
    assert text.startswith("This chart could not be drawn (")
    assert "reading 'filled'" in text
    assert tab.errors, "an error that nobody sees is on the console as well"
    tab.page.close()
