"""What draws may die, hang or fail: it costs the picture that it was at."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ortbench.charts import painters
from ortbench.charts.drawing import Drawing
from ortbench.charts.painters import draw_all
from ortbench.errors import DrawingError

# A process that answers as the real one does, and does what a drawing's title says.
_SCRIPTED = """
import json, os, signal, sys, time
print(json.dumps({"ready": True}), flush=True)
for chart, path, script in json.load(sys.stdin):
    what = chart["title"]
    if what == "abort":
        sys.stderr.write("thread panicked at font\\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGABRT)
    elif what == "hang":
        time.sleep(600)
    elif what == "full":
        print(json.dumps({"errno": 28, "strerror": "No space left on device", "filename": path}), flush=True)
    elif what == "fail":
        print(json.dumps({"failed": "ValueError: a\\u001bb"}), flush=True)
    else:
        print(json.dumps({"drawn": True}), flush=True)
"""


@pytest.fixture
def _scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "scripted.py"
    program.write_text(_SCRIPTED, encoding="utf-8")
    monkeypatch.setattr(painters, "_COMMAND", (sys.executable, "-P", str(program)))


def drawings(*titles: str) -> list[Drawing]:
    return [Drawing({"title": title}, f"/nowhere/{number}-{title}") for number, title in enumerate(titles)]


def names(files: list[Path]) -> list[str]:
    return [file.stem for file in files if file.suffix == ".svg"]


@pytest.mark.usefixtures("_scripted")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("abort", "the process that draws was ended by SIGABRT (thread panicked at font)"),
        ("fail", "ValueError: a\\x1bb"),
    ],
)
def test_a_picture_that_fails_costs_itself_only(bad: str, reason: str) -> None:
    told: list[str] = []
    files = draw_all(drawings("good", bad, "good", "good", bad), 1, told.append)
    assert names(files) == ["0-good", "2-good", "3-good"]
    assert told == [f"2 charts of 5 could not be drawn: 1-{bad}: {reason}; and 1 other."]


@pytest.mark.usefixtures("_scripted")
def test_several_processes_share_the_pictures() -> None:
    told: list[str] = []
    titles = ["abort" if number in {3, 10} else "good" for number in range(20)]
    files = draw_all(drawings(*titles), 20, told.append)
    assert names(files) == [f"{number}-good" for number in range(20) if number not in {3, 10}]
    assert len(told) == 1


@pytest.mark.usefixtures("_scripted")
def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painters, "_PATIENCE_S", 3)
    told: list[str] = []
    assert names(draw_all(drawings("hang", "good"), 1, told.append)) == ["1-good"]
    assert told == ["1 chart of 2 could not be drawn: 0-hang: the process that draws gave no picture for 3 s."]


@pytest.mark.usefixtures("_scripted")
def test_where_every_picture_fails_it_is_said_once() -> None:
    with pytest.raises(DrawingError) as caught:
        draw_all(drawings(*["abort"] * 9), 1)
    assert str(caught.value) == ("No charts: the process that draws was ended by SIGABRT (thread panicked at font).")


@pytest.mark.usefixtures("_scripted")
def test_a_full_disk_is_the_systems_error() -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        draw_all(drawings("good", "full"), 1)
    assert caught.value.errno == 28


@pytest.mark.parametrize("command", [("/bin/sh", "-c", "kill -TRAP $$"), ("/bin/sh", "-c", "exit 3")])
def test_a_process_that_cannot_start_ends_it_at_once(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painters, "_COMMAND", command)
    with pytest.raises(
        DrawingError, match="No charts: the process that draws (was ended by SIGTRAP|ended with status 3)"
    ):
        draw_all(drawings("good", "good"), 1)


def chart(text: str) -> dict[str, Any]:
    return {
        "title": {"text": text, "subtitle": [text]},
        "description": text,
        "data": {"values": [{"x": text}]},
        "mark": "point",
        "encoding": {"x": {"field": "x", "type": "nominal"}},
    }


def test_text_that_no_drawing_can_hold_is_spelled_out(tmp_path: Path) -> None:
    odd = "a\x01\x1b\x00\ufffe\ud800\u202eb"
    paths = [str(tmp_path / "plain"), str(tmp_path / "odd")]
    files = draw_all([Drawing(chart("plain"), paths[0]), Drawing(chart(odd), paths[1])], 2)
    assert len(files) == 4
    drawing = (tmp_path / "odd.svg").read_text(encoding="utf-8")
    assert "a&lt;U+0001>&lt;U+001B>&lt;U+0000>&lt;U+FFFE>&lt;U+D800>&lt;U+202E>b" in drawing.replace("&gt;", ">")


def test_pictures_are_not_drawn_through_links(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious", encoding="ascii")
    (tmp_path / "x.svg").symlink_to("precious")
    draw_all([Drawing(chart("x"), str(tmp_path / "x"))], 1)
    assert (tmp_path / "precious").read_text(encoding="ascii") == "precious"
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<svg")


def test_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    begin = painters.Painter.begin

    def note(self: painters.Painter, share: list[Drawing]) -> None:
        started.append(self.pid)
        begin(self, share)

    monkeypatch.setattr(painters.Painter, "begin", note)
    monkeypatch.setattr(painters, "_COMMAND", ("/bin/sh", "-c", "exec sleep 600"))
    monkeypatch.setattr(painters, "_PATIENCE_S", 0.1)
    with pytest.raises(DrawingError):
        draw_all(drawings("good"), 1)
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
