"""`python -m tests.fuzz --count 20000`: the long run, resumable; prints a Markdown table in the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.cases import CASES
from tests.fuzz.harness import run_cases

_STEP = 200


def main() -> int:
    """Run what is left to be run, and print what came of all of it; exit status 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(CASES), help=f"of [{', '.join(CASES)}]; all by default")
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-time", type=float, default=3600.0, help="seconds, after which it can be gone on with")
    parser.add_argument("--state", type=Path, help="file in which it is kept how far this is")
    given = parser.parse_args()
    known = json.loads(given.state.read_text(encoding="utf-8")) if given.state and given.state.exists() else {}
    deadline = time.monotonic() + given.max_time
    for kind in given.kinds:
        found = known.setdefault(
            f"{kind}-{given.seed}", {"cases": 0, "answers": {}, "counts": {}, "faults": {}, "seconds": 0.0}
        )
        while found["cases"] < given.count and time.monotonic() < deadline:
            first = found["cases"]
            began = time.monotonic()
            outcome = run_cases(kind, CASES[kind], range(first, min(first + _STEP, given.count)), given.seed)
            found["seconds"] += time.monotonic() - began
            found["cases"] += outcome.cases
            for name, counter in (("answers", outcome.answers), ("counts", outcome.counts)):
                for key, count in counter.items():
                    found[name][key] = found[name].get(key, 0) + count
            found["faults"] = {**{key: list(value) for key, value in outcome.faults.items()}, **found["faults"]}
            if given.state:
                given.state.write_text(json.dumps(known, indent=1), encoding="utf-8")
    print(table(known))  # noqa: T201 - the answer
    return int(any(found["counts"] for found in known.values()))


def table(known: dict[str, Any]) -> str:
    """Return the Markdown table, and below it each fault with the number of its first case."""
    lines = ["| what | seed | cases | answered | refused in one message | faults |", "|---|---|---|---|---|---|"]
    traces = []
    for name, found in known.items():
        kind, _, seed = name.rpartition("-")
        refused = found["answers"].get("refused", 0)
        answered = sum(found["answers"].values()) - refused
        faults = ", ".join(f"{what}: {count}" for what, count in found["counts"].items()) or "none"
        lines.append(f"| {kind} | {seed} | {found['cases']} | {answered} | {refused} | {faults} |")
        traces += [f"{kind}, case {number}: {what}\n{trace}" for what, (number, trace) in found["faults"].items()]
    return "\n".join([*lines, "", *traces])


if __name__ == "__main__":
    sys.exit(main())
