"""Twenty studies of an engine against itself beside twenty comparisons done one engine after the other.

The true ratio is 1 in all of them. Run it on a machine that does nothing else:

    python benchmarks/a_a_studies.py --count 20 --seconds 40

The two kinds take turns, so that both see the same hour. Everything is kept in benchmarks/results/a_a_studies.json;
no study is left out or run again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engines
from ortbench.exporting import export
from ortbench.models.catalog import find_model
from ortbench.results.schema import ArmKey, CellKey
from ortbench.runner import protocol
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.cpus import thread_limit
from ortbench.runner.launch import Launch
from ortbench.runner.machine import describe_machine, machine_line, own_versions

RESULTS = Path(__file__).parent / "results" / "a_a_studies.json"
MODEL = "resnet50"


def paired(seconds: float) -> dict[str, Any]:
    """Compare ONNX Runtime with its twin in one ortbench study; return the estimate and its interval."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["compare", "--engines", "ort", "--model", MODEL, "--batch-sizes", "1"]
        # A target that is never met: every study shall use all its time.
        words += ["--max-time", f"{seconds:g}s", "--target", "0.01%", "--output", f"{folder}/out", "--json", "--quiet"]
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "ortbench", *words], check=True, capture_output=True, text=True
        )
    summary = json.loads(answer.stdout)
    [twin] = [arm for arm in summary["cells"][0]["arms"] if arm["twin"]]
    low, high = twin["speedup"]["ci95"]
    return {
        "ratio": twin["speedup"]["ratio"],
        "low": low,
        "high": high,
        "half_width": (high - low) / 2 / twin["speedup"]["ratio"],
        "covers_1": low <= 1 <= high,
        "launches": twin["launches"],
        "rounds": twin["rounds"],
        "drift": summary["drift"],
    }


def one_after_the_other(artifact: Path, seconds: float) -> dict[str, Any]:
    """Run the engine in one process for half the time, then in another; return the ratio of the medians."""
    began = time.perf_counter()
    medians = [_alone(artifact, began + seconds * part / 2) for part in (1, 2)]
    return {"ratio": medians[0] / medians[1]}


def _alone(artifact: Path, until: float) -> float:
    source = find_model(MODEL).source("random", 0)
    [engine] = resolve_engines("ort")
    key, cell = ArmKey("ort"), CellKey(model=MODEL, batch_size=1, threads=thread_limit())
    request = LoadRequest(source=source, artifact=str(artifact), target="cpu", threads=cell.threads)
    samples: list[int] = []
    with Launch(1) as launch:
        launch.start([ArmPlan(key, engine, request)])
        launch.prepare(cell, [key], ReferenceOutputs("none", None), {})
        for number in itertools.takewhile(lambda _: time.perf_counter() < until, itertools.count(1)):
            outcome = launch.run_slice(cell, key, number)
            assert isinstance(outcome, protocol.Samples), outcome
            samples += outcome.samples_ns
    return statistics.median(samples)


def report(document: dict[str, Any]) -> str:
    """Return the results as a Markdown table with their summary above it."""
    studies, others = document["paired"], document["one_after_the_other"]
    ratios = [study["ratio"] for study in studies]
    apart = [other["ratio"] for other in others]
    lines = [
        f"{document['machine']}; {document['when']}; {document['seconds']:g} s each.",
        "",
        f"Paired: {sum(study['covers_1'] for study in studies)} of {len(studies)} intervals cover 1, median half-width "
        f"{statistics.median(study['half_width'] for study in studies):.2%}; estimates from {min(ratios):.4f} to "
        f"{max(ratios):.4f}, standard deviation {statistics.stdev(ratios):.2%}.",
        "",
        f"One after the other: ratios from {min(apart):.4f} to {max(apart):.4f}, standard deviation "
        f"{statistics.stdev(apart):.2%}.",
        "",
        "| study | paired | 95 % interval | half-width | launches | rounds | covers 1 | one after the other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, (study, other) in enumerate(zip(studies, others, strict=True), start=1):
        lines.append(
            f"| {number} | {study['ratio']:.4f} | [{study['low']:.4f}, {study['high']:.4f}] "
            f"| {study['half_width']:.2%} | {study['launches']} | {study['rounds']} "
            f"| {'yes' if study['covers_1'] else 'no'} | {other['ratio']:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run, keep and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    artifact = export(model=MODEL, weights=None, seed=0, opset="18", exporter="dynamo", output=None)
    document: dict[str, Any] = {
        "machine": machine_line(describe_machine()),
        "versions": own_versions(),
        "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
        "seconds": given.seconds,
        "paired": [],
        "one_after_the_other": [],
    }
    for _ in range(given.count):
        document["paired"].append(paired(given.seconds))
        document["one_after_the_other"].append(one_after_the_other(artifact.path, given.seconds))
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(document["paired"][-1], document["one_after_the_other"][-1], flush=True)
    print(report(document))


if __name__ == "__main__":
    main()
