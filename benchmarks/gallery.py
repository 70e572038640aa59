"""How long the gallery of a full study takes: 36 charts and one per engine, each as PNG, SVG and HTML.

    python benchmarks/gallery.py

Draws a made-up study of two engines, 1 to 16 threads and batch sizes 1 to 256 with `ortbench charts`, its first run
with an empty cache and the others as usual, with the pictures that help to decide besides. The wall time is of this
machine on two CPUs; where something else runs, `cpu_s / 2` says what it would be at least without.
Kept in benchmarks/results/gallery.json.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ortbench.runner.machine import describe_machine, machine_line, own_versions

RESULTS = Path(__file__).parent / "results" / "gallery.json"
ENGINES = {"torch": 1.0, "ort": 1.7}
CPUS = 2
TIMES = 5


def full_study() -> str:
    """Return a CSV of made-up latencies with bounds."""
    lines = ["engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms"]
    for engine, speed in ENGINES.items():
        for threads in range(1, 17):
            for size in (2**power for power in range(9)):
                latency = 100 * size / threads**0.8 / speed
                lines.append(f"{engine},{size},{threads},{latency:.4g},{latency * 0.98:.4g},{latency * 1.03:.4g}")
    return "\n".join(lines) + "\n"


def draw(source: Path, folder: Path) -> dict[str, float]:
    """Draw the gallery once; return its wall time and the CPU time of all its processes, in s."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-P", "-m", "ortbench", "charts", str(source), "--output", str(folder)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Run, keep and print."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ORTBENCH_CACHE"] = f"{scratch}/cache"
        source, folder = Path(scratch) / "full.csv", Path(scratch) / "charts"
        source.write_text(full_study(), encoding="utf-8")
        first, *others = [draw(source, folder) for _ in range(1 + TIMES)]
        charts = sorted(path.stem for path in folder.glob("*.png"))
        assert len(charts) == 36 + len(ENGINES)
        assert all((folder / f"{chart}.{ending}").stat().st_size for chart in charts for ending in ("svg", "html"))
    document: dict[str, Any] = {
        "machine": machine_line(describe_machine()),
        "versions": own_versions(),
        "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
        "charts": len(charts),
        "first": first,
        "others": others,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
