"""How long `ortbench plan`'s search takes for a table of 16 threads by 1024 items, every place of it measured.

    python benchmarks/planner.py

Three made-up tables: instances of any speed, ones that gain by being fat, ones that gain by being thin. Both objectives
are solved for every number of threads and every batch. Kept in benchmarks/results/planner.json.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ortbench.results.plan import Profile, fastest_plan
from ortbench.results.plan_throughput import widest_plan
from ortbench.runner.machine import describe_machine, machine_line, own_versions

RESULTS = Path(__file__).parent / "results" / "planner.json"
THREADS, ITEMS = 16, 1024
TIMES = 5


def table(latency_ms: Callable[[int, int], float]) -> Profile:
    """Return a full table."""
    return {
        (threads, items): latency_ms(threads, items)
        for threads in range(1, THREADS + 1)
        for items in range(1, ITEMS + 1)
    }


def tables() -> dict[str, Profile]:
    """Return the tables by name."""
    chance = random.Random(1)  # noqa: S311 - figures are made up, no secret
    return {
        "any": table(lambda threads, items: items / threads * chance.uniform(1, 10)),
        "fat": table(lambda threads, items: items / threads * (1 + 10 / (threads * items))),
        "thin": table(lambda threads, items: items / threads**0.7 + 5),
    }


def measure(search: Callable[[Profile, int, int], object], profile: Profile) -> dict[str, float]:
    """Return the median time in ms, and the peak of what Python and numpy allocate in MB."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        search(profile, THREADS, ITEMS)
        took.append((time.perf_counter() - began) * 1e3)
    tracemalloc.start()
    search(profile, THREADS, ITEMS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"median_ms": round(statistics.median(took), 1), "peak_mb": round(peak / 1e6, 1)}


def main() -> None:
    """Run, keep and print."""
    profiles = tables()
    searches = {"latency": fastest_plan, "throughput": widest_plan}
    document: dict[str, Any] = {
        "machine": machine_line(describe_machine()),
        "versions": own_versions(),
        "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
        **{
            objective: {name: measure(search, profile) for name, profile in profiles.items()}
            for objective, search in searches.items()
        },
        "process_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
