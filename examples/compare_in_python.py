"""Compare two engines from Python, look at the figures, enforce a speedup, and write the report.

python examples/compare_in_python.py --model tiny --max-time 1m
"""

from __future__ import annotations

import argparse

import ortbench


def main() -> int:
    """Measure, print, check; return 0 where the requirement holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--max-time", default="5m")
    parser.add_argument("--output", default=None)
    given = parser.parse_args()

    results = ortbench.compare(
        engines="torch,ort",
        model=given.model,
        batch_sizes="1,4",
        max_time=given.max_time,
        output=given.output,
        say=print,
    )
    frame = results.frame()
    print(frame[["engine", "batch_size", "latency_ms", "speedup", "speedup_low", "speedup_high", "verdict"]])

    gate = ortbench.check(results, ["ort/torch >= 0.5"])
    for answer in gate.answers:
        print(answer.outcome, answer.requirement, answer.value, answer.interval)
    print("report:", ortbench.write_report(results))
    return gate.exit_status


if __name__ == "__main__":
    raise SystemExit(main())
