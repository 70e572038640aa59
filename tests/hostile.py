"""Text that nobody should print as it is, records full of it, and what must never come out."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import msgspec

from ortbench.results.folder import LAUNCHES_FILE, ROUNDS_FILE, RUN_FILE, write_json
from ortbench.results.schema import ArmKey, ArtifactRecord, CellKey, PlannedCell
from tests.results.factory import make_launches, make_rounds, make_run

# Colours, a terminal's clipboard, NUL, an 8-bit control sequence, marks of direction, a character of no width, one that
# no file of XML may hold, commands of CI systems, markup of rich's, and a mention.
HOSTILE = (
    "\x1b[31m\x1b]52;c;cHduZWQ=\x07\x00\x9b2J\u202e\u2066\u200b\ufffe\r\n"
    "::error::pwned\n##[error]x\n##vso[task.x]y\u2028[/nope][red]:smile: @team https://e.vil #1 <script>"
)
# What is typed at the beginning of a table's cell.
COMMAND = "::set-output name=p::1"


def name(text: str) -> str:
    """Return a hostile name that is like no other."""
    return f"{COMMAND} {text} {HOSTILE}"


def escapes(text: str) -> list[str]:
    """Return everything in `text` that should have been spelled out."""
    lines = text.split("\n")
    found = [f"a command: {line[:80]!r}" for line in lines if line.strip().startswith("::")]
    found += [f"a command: {line[:80]!r}" for line in lines if re.search(r"##\w*\[", line)]
    hidden = {one for one in text if not one.isprintable() and one != "\n" and unicodedata.category(one) != "Zs"}
    return found + [f"{one!r} as it is" for one in sorted(hidden)]


def hostile_csv() -> str:
    """Return a CSV of latencies in which every text is hostile."""
    import csv
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(
        [
            "engine",
            "batch_size",
            "threads",
            "latency_ms",
            "model",
            "allocator",
            "marks",
            "status",
            "reason",
            "more" + HOSTILE.replace("\x00", ""),
        ]
    )
    for engine, latency in (("a", 2.0), ("b", 1.0)):
        for size in (1, 4):
            row = [name(engine), size, 1, latency * size, name("m"), name("x"), name("k"), "ok", "", "z"]
            writer.writerow(row)
    writer.writerow([name("c"), 1, 1, "", name("m"), name("x"), "", "failed", name("why"), "z"])
    return text.getvalue()


def write_hostile_folder(folder: Path, *, created: str = "2026-01-31T12:00:00+00:00") -> Path:
    """Write a results folder in which every text that is not of a fixed set is hostile."""
    folder.mkdir()
    engines = (name("a"), name("b"))
    cell = PlannedCell(
        key=CellKey(model=name("m"), batch_size=1, threads=2, allocator="default"),
        arms=tuple(ArmKey(engine) for engine in (*engines, name("c"))),
        status="ok",
    )
    run = make_run(
        engines,
        created=created,
        command=("ortbench", name("typed")),
        model=name("m"),
        settings={name("setting"): name("value")},
        machine={"cpu": name("cpu"), "system": name("system"), name("more"): name("x")},
        versions={name("library"): name("1")},
        environment={name("variable"): name("x")},
        git_commit=name("commit"),
        artifact=ArtifactRecord(path=name("path"), sha256=name("sum")),
        cells=(cell,),
        notes=(name("note"),),
    )
    rounds = make_rounds({engines[0]: [[2.0] * 6] * 3, engines[1]: [[1.0] * 6] * 3})
    parity = {"ok": True, "max_abs_error": 1e-6, name("more"): name("x")}
    placement = {"assigned": {name("provider"): 3, name("other"): 1}, "unit": "nodes", "requested": name("p")}
    evidence = {name("what"): name("proof")}
    launches = make_launches(engines, 3, parity=parity, evidence=evidence, placement=placement)
    launches += make_launches((name("c"),), 1, status="failed", reason=name("why"))
    write_json(folder / RUN_FILE, run)
    for file, lines in ((ROUNDS_FILE, rounds), (LAUNCHES_FILE, launches)):
        (folder / file).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return folder
