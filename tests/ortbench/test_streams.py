"""Streams that are closed, broken, full or poor in characters, and signals that are ignored."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ortbench.streams import GuardedStream, answer_json, answer_lines, guarded_streams, say, undelivered
from tests.conftest import run_in

CSV = "engine,batch_size,threads,latency_ms\nort,1,1,5\ntorch,1,1,6\n"
PROGRAM = [sys.executable, "-P", "-m", "ortbench"]


class Full(io.StringIO):
    """A stream that takes so many characters and then fails."""

    def __init__(self, error: Exception, room: int = 0) -> None:
        super().__init__()
        self._error, self._room = error, room

    def write(self, text: str) -> int:
        if self.tell() + len(text) > self._room:
            raise self._error
        return super().write(text)


NO_ROOM = OSError(28, "No space left on device")


@pytest.mark.parametrize("error", [NO_ROOM, BrokenPipeError(32, "Broken pipe"), ValueError("closed file")])
def test_a_stream_that_fails_swallows_the_rest(error: Exception) -> None:
    below = Full(error, room=4)
    stream = GuardedStream(below)
    for text in ("one\n", "two\n", "six\n"):
        assert stream.write(text) == 4
    assert below.getvalue() == "one\n"
    assert stream.failure is error


def test_only_what_was_wanted_counts_as_lost() -> None:
    stream = GuardedStream(Full(BrokenPipeError(32, "Broken pipe")))
    stream.write("x")
    assert undelivered(stream) is None
    stream = GuardedStream(Full(NO_ROOM))
    stream.write("x")
    assert undelivered(stream) == "No space left on device"


def test_a_stream_that_was_closed_before_the_start_takes_anything() -> None:
    stream = GuardedStream(None)
    stream.write("x")
    assert not stream.isatty()
    assert undelivered(stream) is None
    with pytest.raises(io.UnsupportedOperation):
        stream.fileno()


@pytest.mark.parametrize(
    "pieces", [["::error::x\n"], [":", ":error::x\n"], ["  ", "::error::x"], ["a\n::error"], ["##[x]"]]
)
def test_a_command_is_none_however_it_is_written(pieces: list[str]) -> None:
    below = io.StringIO()
    stream = GuardedStream(below)
    for piece in pieces:
        stream.write(piece)
    assert not any(line.strip().startswith("::") for line in below.getvalue().splitlines())
    assert "##[" not in below.getvalue()


def test_a_line_stays_one_line_and_streams_are_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with guarded_streams():
        answer_lines(["a\nb"])
        answer_json('{"a": "\u202e"}')
        say("c\rd")
    assert sys.stdout is before
    captured = capsys.readouterr()
    assert captured.out == 'a\\nb\n{"a": "\\u202e"}\n'
    assert captured.err == "c\\rd\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NO_ROOM, 3, "Error: the answer could not be printed: No space left on device.\n"),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
    ],
)
def test_an_answer_that_did_not_arrive(tmp_path: Path, error: Exception, status: int, said: str) -> None:
    (tmp_path / "x.csv").write_text(CSV, encoding="ascii")
    from ortbench.cli import run

    errors = io.StringIO()
    with contextlib.redirect_stdout(Full(error)), contextlib.redirect_stderr(errors):
        assert run(["show", str(tmp_path / "x.csv")]) == status
    assert errors.getvalue() == said


def test_a_failed_gate_stays_one_where_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(CSV, encoding="ascii")
    from ortbench.cli import run

    with contextlib.redirect_stdout(Full(NO_ROOM)), contextlib.redirect_stderr(io.StringIO()):
        assert run(["check", str(tmp_path / "x.csv"), "--require", "latency(ort) <= 1ms"]) in {1, 3}


def ended(command: list[str], folder: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=folder, check=False, timeout=120, **options)


def test_head_reads_one_line_of_a_table_and_the_status_is_0(tmp_path: Path) -> None:
    rows = "".join(f"ort,{size},1,{size}\n" for size in range(1, 3000))
    (tmp_path / "x.csv").write_text(f"engine,batch_size,threads,latency_ms\n{rows}", encoding="ascii")
    with subprocess.Popen(
        [*PROGRAM, "show", "x.csv"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_and_closed_streams_of_the_real_program(tmp_path: Path, model_file: Path) -> None:
    (tmp_path / "x.csv").write_text(CSV, encoding="ascii")
    shell = ["sh", "-c", '"$@" >/dev/full', "sh", *PROGRAM, "show", "x.csv"]
    full = ended(shell, tmp_path, stderr=subprocess.PIPE)
    assert (full.returncode, full.stderr) == (3, b"Error: the answer could not be printed: No space left on device.\n")
    # Nothing can be said, but everything is measured; no file of the study becomes standard output.
    words = [
        "compare",
        "--model",
        str(model_file),
        "--engines",
        "null",
        "--batch-sizes",
        "1",
        "--max-time",
        "1s",
        "--no-charts",
    ]
    shell = ["sh", "-c", '"$@" >&- 2>&- <&-', "sh", *PROGRAM, *words, "--output", "out"]
    assert ended(shell, tmp_path).returncode == 0
    assert run_in(tmp_path, "show", "out").status == 0
    lines = (tmp_path / "out" / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith('{"') for line in lines)
    shell = ["sh", "-c", '"$@" 2>/dev/full', "sh", *PROGRAM, *words, "--output", "more"]
    assert ended(shell, tmp_path, stdout=subprocess.PIPE).returncode == 0
    assert (tmp_path / "more" / "summary.json").exists()


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM])
def test_an_ignored_signal_stays_ignored(ignored: signal.Signals) -> None:
    program = (
        "import os, signal; from ortbench import __main__; __main__._take_signals();"
        f"os.kill(os.getpid(), {int(ignored)}); print('alive')"
    )

    def ignore() -> None:
        signal.signal(ignored, signal.SIG_IGN)

    def heed() -> None:
        # Whoever started the tests may have it ignored.
        signal.signal(ignored, signal.SIG_DFL)

    done = subprocess.run(
        [sys.executable, "-P", "-c", program], preexec_fn=ignore, capture_output=True, check=False, timeout=60
    )
    assert done.stdout == b"alive\n", done.stderr
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], preexec_fn=heed, capture_output=True, check=False, timeout=60
    )
    assert b"KeyboardInterrupt" in done.stderr


def test_a_library_that_ends_the_program_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        sys.exit(0)

    monkeypatch.setattr("ortbench.results.source.load_summary", end)
    outcome = run_in(tmp_path, "show", "x.csv")
    assert outcome.status == 70
    assert "ortbench itself failed" in outcome.stderr


@pytest.mark.parametrize("error", [EOFError("too short"), BrokenPipeError(32, "Broken pipe"), RecursionError("deep")])
def test_a_fault_is_one_whatever_typer_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("ortbench.results.source.load_summary", fail)
    outcome = run_in(tmp_path, "show", "x.csv")
    assert outcome.status == 70
    assert "ortbench itself failed in ortbench.commands.looking:" in outcome.stderr
    assert outcome.stderr.rstrip("\n").splitlines()[-1].startswith("Error: ")
    assert "Traceback" in run_in(tmp_path, "show", "x.csv", "--debug").stderr


def test_a_fault_while_measuring_is_logged_in_the_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_file: Path
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("lost \x1b[31m")

    monkeypatch.setattr("ortbench.runner.study.Study._measure_launches", fail)
    words = ["--engines", "null", "--batch-sizes", "1", "--max-time", "1s", "--no-charts", "--output", "out"]
    outcome = run_in(tmp_path, "compare", "--model", model_file, *words)
    assert outcome.status == 70
    assert "The traceback is in 'out/faults.log'; please report it with the command and the version" in outcome.stderr
    log = (tmp_path / "out" / "faults.log").read_text(encoding="utf-8")
    assert "KeyError" in log
    assert "Traceback" in log
    assert "\x1b" not in log


def test_a_chart_that_fails_costs_neither_the_report_nor_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_file: Path
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("ortbench.charts.gallery.draw_gallery", fail)
    monkeypatch.setattr("ortbench.charts.report.build_report", lambda *_: "page")
    words = ["--engines", "null", "--batch-sizes", "1", "--max-time", "1s", "--output", "out"]
    outcome = run_in(tmp_path, "compare", "--model", model_file, *words)
    assert outcome.status == 0
    assert "No charts: ortbench itself failed in " in outcome.stderr
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == "page"
    assert outcome.stdout.splitlines()[-1] == "out"


def test_nothing_printed_changes_where_the_streams_are_guarded_twice() -> None:
    below = io.StringIO()
    with contextlib.redirect_stdout(below), guarded_streams(), guarded_streams():
        print("x")  # noqa: T201 - this is what is tested
    assert below.getvalue() == "x\n"
