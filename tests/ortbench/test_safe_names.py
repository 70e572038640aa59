from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.charts.drawing import Drawing
from ortbench.charts.gallery import draw_gallery
from ortbench.results.csv_input import summarize_csv_text
from ortbench.safe_names import LONGEST, safe_name, safe_names


@pytest.mark.parametrize(
    "text", ["..", ".", "", "../x", "...", "/", "-", "\x00", "NUL", "con.txt", "x" * 500, "é", ".bashrc", "a."]
)
def test_an_odd_name_is_a_plain_one_with_a_digest(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) <= LONGEST
    assert not name.startswith(".")
    assert not name.endswith(".")
    assert "/" not in name
    assert name != text


def test_a_plain_name_stays_as_it_is() -> None:
    for text in ("resnet50", "r50_v1.5", "a-b", "console"):
        assert safe_name(text) == text


@given(st.text())
def test_a_name_never_leaves_its_folder(text: str) -> None:
    name = safe_name(text)
    assert name not in {"", ".", ".."}
    assert (Path("/folder") / name).resolve().parent == Path("/folder")
    assert len(name.encode()) <= LONGEST


@given(st.lists(st.text(alphabet="aA.- é/", max_size=4), unique=True), st.sets(st.sampled_from(["a", "decisions"])))
def test_distinct_names_stay_distinct_whatever_the_file_system_does_with_case(
    texts: list[str], taken: set[str]
) -> None:
    names = list(safe_names(texts, taken).values())
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == len(texts)
    assert not set(folded) & taken


@pytest.mark.parametrize("column", ["allocator", "precision", "load"])
@pytest.mark.parametrize("value", ["..", "decisions", "x" * 400])
def test_a_gallery_stays_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, value: str
) -> None:
    drawn: list[str] = []

    def keep(drawings: Iterable[Drawing], expected: int) -> list[Path]:
        drawn.extend(each.path for each in drawings)
        return [Path()] * expected

    monkeypatch.setattr("ortbench.charts.gallery.draw_all", keep)
    monkeypatch.setattr("ortbench.charts.gallery.vega_script", lambda _: "")
    text = f"engine,batch_size,threads,latency_ms,{column}\nort,1,1,5,{value}\nort,1,1,5,other\n"
    folder = tmp_path / "a" / "charts"
    draw_gallery(summarize_csv_text(text, "r.csv", "m" * 300 + "/.."), folder)
    assert len(drawn) > 4
    assert len(set(drawn)) == len(drawn)
    for path in drawn:
        assert Path(path).resolve().is_relative_to(folder)
        assert Path(path).parent != folder, "each combination has a folder of its own"
        assert len(Path(path).name.encode()) < 250
    assert [child.name for child in (tmp_path / "a").iterdir()] == ["charts"]
