"""Measure what the instrument itself costs: per call, in a study's time, and of the CPU.

    python benchmarks/harness.py            # null engine and a default study: six minutes
    python benchmarks/harness.py --long     # a study of twenty minutes besides

The share of time inside counted calls is no goal: launches are planned for narrow intervals (docs/statistics.md).
Kept in benchmarks/results/harness.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ortbench.results.derive import summarize_folder
from ortbench.results.folder import read_run
from ortbench.runner.machine import describe_machine, machine_line, own_versions

RESULTS = Path(__file__).parent / "results" / "harness.json"


def study(*words: str) -> dict[str, Any]:
    """Run `ortbench compare` and return what its time went into, with the first engine's median latency."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "out"
        subprocess.run(
            [sys.executable, "-P", "-m", "ortbench", "compare", *words, "--output", str(folder), "--quiet"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        run, summary = read_run(folder), summarize_folder(folder)
    latency = summary.cells[0].arms[0].latency_ms
    assert latency
    return {
        "machine": machine_line(describe_machine()),
        "versions": own_versions(),
        "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
        "command": " ".join(["ortbench compare", *words]),
        "time_s": run.time_s,
        "share_inside_calls": run.time_s["inside_calls"] / run.time_s["total"],
        "parent_cpu_while_running": run.time_s["parent_cpu"] / run.time_s["inside_calls"],
        "median_ms": latency.median,
        "launches": summary.cells[0].arms[0].launches,
    }


def main() -> None:
    """Run, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    given = parser.parse_args()
    document: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    # A target that is never met: the studies shall use all their time.
    if given.long:
        document["twenty_minutes"] = study("--max-time", "20m", "--target", "0.01%")
    else:
        document["null"] = study("--engines", "null", "--model", "tiny", "--batch-sizes", "1", "--max-time", "20s")
        document["default"] = study("--target", "0.01%")
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
