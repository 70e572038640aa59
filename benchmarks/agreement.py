"""Does ortbench read the same latency as a tool of the engine's own world, for the same engine and settings?

    uv run --with polygraphy python benchmarks/agreement.py

Two processes take turns, one slice each, parked by SIGSTOP in between, as arms of a study do: ortbench's worker, and
`benchmarks/other_tool.py`, in which torch.utils.benchmark (for torch) or Polygraphy's ONNX Runtime runner (for ort)
does the timing. Ratios are paired by round, over several launches. Kept in benchmarks/results/agreement.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engines
from ortbench.exporting import export
from ortbench.models.catalog import find_model
from ortbench.results.schema import ArmKey, CellKey, SlicePlan
from ortbench.results.statistics import estimate_over_launches
from ortbench.runner import protocol
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.cpus import choose_cpus, thread_limit
from ortbench.runner.launch import Launch
from ortbench.runner.machine import describe_machine, machine_line, own_versions
from ortbench.runner.process import worker_environment
from ortbench.runner.slices import Known

HERE = Path(__file__).parent
MODEL = "resnet50"
# Slices of one call on both sides: the first call after a pause is not like those that follow it.
ONE_CALL = Known(SlicePlan(lead_in=0, calls=1))
TOOLS = {"torch": "torch.utils.benchmark", "ort": "polygraphy"}


class OtherTool:
    """The other tool's process: one number in, so many calls; one number out, their mean in seconds."""

    def __init__(self, engine: str, artifact: str) -> None:
        """Start it on the same CPUs and with the same thread counts as ortbench's worker."""
        cpus = ",".join(map(str, choose_cpus(thread_limit())))
        self._process = subprocess.Popen(
            ["taskset", "-c", cpus, sys.executable, "-P", str(HERE / "other_tool.py"), engine, artifact],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(thread_limit()),
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        self._process.send_signal(signal.SIGSTOP)

    def slice_s(self, calls: int) -> float:
        """Return the mean of so many calls."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.send_signal(signal.SIGCONT)
        print(calls, file=self._process.stdin, flush=True)
        seconds = float(self._process.stdout.readline())
        self._process.send_signal(signal.SIGSTOP)
        return seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def one_launch(engine: str, artifact: str, number: int, rounds: int) -> list[float]:
    """Return log(other tool / ortbench) of each round of fresh processes."""
    [resolved] = resolve_engines(engine)
    key, cell = ArmKey(engine), CellKey(model=MODEL, batch_size=1, threads=thread_limit())
    source = find_model(MODEL).source("random", 0)
    request = LoadRequest(source=source, artifact=artifact, target="cpu", threads=cell.threads)
    ratios = []
    with Launch(number) as launch, OtherTool(engine, artifact) as other:
        launch.start([ArmPlan(key, resolved, request)])
        launch.prepare(cell, [key], ReferenceOutputs("none", None), {key: ONE_CALL})
        for index in range(rounds):
            first = other.slice_s(1) if index % 2 else None
            outcome = launch.run_slice(cell, key, index + 1)
            assert isinstance(outcome, protocol.Samples), outcome
            other_s = other.slice_s(1) if first is None else first
            ratios.append(math.log(other_s / (statistics.fmean(outcome.samples_ns) / 1e9)))
    return ratios


def main() -> None:
    """Compare both engines with their tools; keep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", choices=TOOLS, help="one engine; the other's last result stays")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "agreement.json")
    given = parser.parse_args()
    artifact = export(model=MODEL, weights=None, seed=0, opset="18", exporter="dynamo", output=None)
    document: dict[str, Any] = {"tools": {}}
    if given.output.exists():
        document = json.loads(given.output.read_text(encoding="utf-8"))
    for engine, tool in TOOLS.items() if given.only is None else [(given.only, TOOLS[given.only])]:
        path = str(artifact.path)
        estimate = estimate_over_launches(
            [one_launch(engine, path, number, given.rounds) for number in range(1, given.launches + 1)]
        )
        assert estimate
        document["tools"][tool] = {
            "machine": machine_line(describe_machine()),
            "versions": own_versions(),
            "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
            "engine": engine,
            "ratio": estimate.value,
            "ci95": estimate.interval(),
            "launches": given.launches,
            "rounds": given.rounds,
        }
        print(tool, document["tools"][tool], flush=True)
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
