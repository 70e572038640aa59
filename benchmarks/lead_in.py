"""Do ortbench's slices, with their lead-in, read what calls in a row take?

    python benchmarks/lead_in.py                          # every engine and length of call, quiet: under eight minutes
    python benchmarks/lead_in.py --busy                   # beside a process that keeps one CPU busy
    python benchmarks/lead_in.py --engines ort --calls 1,10 --seconds 20

For each engine and length a process holds the model, and takes turns with another one, parked by SIGSTOP as arms of a
study are. Slices are made up by ortbench's own rules from a pilot, and timed by its own code. Beside each slice, within
seconds and in the same process, the plain loop below calls the library without a pause; its second half counts. Printed
is the ratio of the two medians over rounds, with its 95 % interval. Each engine and length takes about `--seconds`
from when its processes are ready, so that compiling and a busy machine do not lengthen it much. Exit status 1: an
interval lies wholly outside of ±1 %, or an engine failed. Kept in benchmarks/results/lead_in.json after each row.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import math
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from ortbench.engines.base import Engine, LoadRequest
from ortbench.engines.registry import find_engine, resolve_engines
from ortbench.models.inputs import make_inputs
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.results.schema import ArmKey, RoundRecord, SlicePlan
from ortbench.results.statistics import estimate_over_launches
from ortbench.runner import protocol
from ortbench.runner.cpus import choose_cpus, thread_limit
from ortbench.runner.lead_in import FEWEST_ROWS
from ortbench.runner.machine import describe_machine, machine_line, own_versions
from ortbench.runner.process import worker_environment
from ortbench.runner.slices import STRETCH_NS, pilot_arm, pilot_slices, settled_slices, stretch_calls
from ortbench.runner.usage import timed_slice

RESULTS = Path(__file__).parent / "results" / "lead_in.json"
ENGINES = ("torch", "torchscript", "compile", "openvino", "ort")
# Name -> channels, side of the image, convolutions: calls of about so many ms on two CPUs.
# Calls much shorter than the first would show the 0.2 µs that the harness adds to each call of ort.
SIZES = {"0.05": (16, 20, 1), "1": (64, 28, 1), "10": (64, 56, 3), "60": (64, 112, 4)}
PLAIN_NS = 300_000_000
# Beside a busy process calls may take many times what they took when they were counted out.
MOST_PLAIN_NS, FEWEST_PLAIN = 1_000_000_000, 6
PILOT_ROUNDS = 8
FEWEST_ROUNDS = 8
# Compiling the largest model takes less; a process that says nothing for so long hangs.
PATIENCE_S = 180.0
ALLOWED = math.log(1.01)


def module_of(size: str) -> Any:
    """Return a seeded stack of convolutions."""
    import torch

    channels, _, depth = SIZES[size]
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for _ in range(depth):
        layers += [torch.nn.Conv2d(channels, channels, 3, padding=1), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval()


def source_of(size: str) -> ModelSource:
    """Describe it as ortbench describes models."""
    channels, side, _ = SIZES[size]
    shape = ("batch", channels, side, side)
    return ModelSource(name="stack", inputs=(TensorSpec("x", shape),), outputs=(TensorSpec("y", shape),))


def export(size: str, path: Path) -> None:
    """Write the same weights as ONNX."""
    import torch

    channels, side, _ = SIZES[size]
    example = torch.zeros(1, channels, side, side)
    with warnings.catch_warnings():
        # The older exporter is quicker, and needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(module_of(size), (example,), str(path), input_names=["x"], output_names=["y"], dynamo=False)


def load(name: str, size: str, artifact: str) -> Engine:
    """Return ortbench's engine with the model in it."""
    from ortbench.engines import torch_base

    def made(request: LoadRequest) -> Any:  # noqa: ARG001 - every request is for this module
        return module_of(size)

    torch_base.load_on_device = made
    engine: Engine = find_engine(name).create(resolve_engines(name)[0].options)
    source = source_of(size)
    engine.load(LoadRequest(source=source, artifact=artifact, target="cpu", threads=thread_limit()))
    engine.bind(make_inputs(source, 1))
    return engine


def library_call(engine: Any, name: str) -> Callable[[], Any]:
    """Return the library's own call, without anything of ortbench's around it."""
    if name == "ort":
        session, binding, options = engine._session, engine._binding, engine._run_options  # noqa: SLF001 - the library's own
        return lambda: session.run_with_iobinding(binding, options)
    if name == "openvino":
        [request] = engine._requests  # noqa: SLF001 - the library's own
        return lambda: request.infer(share_outputs=True)
    module, inputs = engine._call, engine._inputs  # noqa: SLF001 - the library's own
    return lambda: module(*inputs)


def plain_loop(call: Callable[[], Any], calls: int) -> list[int]:
    """Time calls in a row; fewer where they take very long together.

    The result is kept until the next one is there, as a program keeps it that uses it. Dropped at once, its memory
    would be taken again by the next call, which is another measurement.
    """
    clock, samples, result = time.perf_counter_ns, list[int](), None
    end = clock() + MOST_PLAIN_NS
    for _ in range(calls):
        if clock() > end and len(samples) >= FEWEST_PLAIN:
            break
        began = clock()
        result = call()
        samples.append(clock() - began)
    del result
    return samples


def serve(name: str, size: str, artifact: str) -> None:
    """Hold a model and answer: `slice LEAD_IN CALLS`, or `plain CALLS`, each with the calls in ns."""
    engine = load(name, size, artifact)
    call = library_call(engine, name)
    plain_loop(call, 20)
    answer({"call_ns": statistics.median(plain_loop(call, 5))})
    for line in sys.stdin:
        kind, *numbers = line.split()
        if kind == "plain":
            answer({"samples": plain_loop(call, int(numbers[0]))})
            continue
        samples = timed_slice(engine, protocol.Slice(lead_in=int(numbers[0]), calls=int(numbers[1])))
        answer({"lead_in": samples.lead_in_ns, "samples": samples.samples_ns})


def answer(document: dict[str, Any]) -> None:
    """Write one line."""
    print(json.dumps(document), flush=True)


class Held:
    """A process that holds a model, parked but while it is asked."""

    def __init__(self, name: str, size: str, artifact: Path) -> None:
        """Start it as ortbench starts its workers."""
        cpus = ",".join(map(str, choose_cpus(thread_limit())))
        words = [sys.executable, "-P", __file__, "--serve", name, size, str(artifact)]
        self._process = subprocess.Popen(
            ["taskset", "-c", cpus, *words],  # noqa: S607 - util-linux's
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(thread_limit()),
            text=True,
        )
        self.call_ns = 0.0

    def ready(self) -> Self:
        """Wait until the model is loaded, and park it."""
        self.call_ns = float(self._read()["call_ns"])
        self._process.send_signal(signal.SIGSTOP)
        return self

    def ask(self, *words: object) -> dict[str, Any]:
        """Wake it, ask it, park it."""
        assert self._process.stdin
        self._process.send_signal(signal.SIGCONT)
        print(*words, file=self._process.stdin, flush=True)
        found = self._read()
        self._process.send_signal(signal.SIGSTOP)
        return found

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        watch = threading.Timer(PATIENCE_S, self._process.kill)
        watch.start()
        try:
            while line := self._process.stdout.readline():
                # Libraries print what they like.
                if line.startswith("{"):
                    found: dict[str, Any] = json.loads(line)
                    return found
        finally:
            watch.cancel()
        raise ChildProcessError(f"its process died, or said nothing for {PATIENCE_S:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def pilot(subject: Held, other: Held, engine: str, end_s: float) -> SlicePlan:
    """Return how the subject's slices are made up, by ortbench's rules; past `end_s` it asks for no further slice."""
    first = pilot_slices(subject.call_ns)
    stretches, lines = [], []
    for _ in range(FEWEST_ROWS):
        other.ask("plain", 1)
        stretches.append(subject.ask("plain", max(2, stretch_calls(STRETCH_NS, subject.call_ns)))["samples"])
    for number in range(1, PILOT_ROUNDS + 1):
        if time.monotonic() > end_s:
            break
        other.ask("plain", max(1, round(20e6 / other.call_ns)))
        found = subject.ask("slice", first.lead_in, first.calls)
        lines.append(
            RoundRecord(
                cell="b1",
                launch=1,
                round=number,
                position=0,
                engine=engine,
                started_s=0.0,
                lead_in_ns=tuple(found["lead_in"]),
                samples_ns=tuple(found["samples"]),
            )
        )
    [plan] = settled_slices("b1", {ArmKey(engine): pilot_arm(lines, stretches)}, engine, 0.0)
    return plan


def ratios(subject: Held, other: Held, plan: SlicePlan, rounds: int, end_s: float) -> list[float]:
    """Return log(slice / calls in a row) of each round; which of the two comes first is drawn.

    Past `end_s` on `time.monotonic` no round begins but the fewest.
    """
    chance, found = random.Random(0), list[float]()  # noqa: S311 - nothing secret
    calls = max(FEWEST_PLAIN, round(PLAIN_NS / subject.call_ns))
    while len(found) < rounds and (len(found) < FEWEST_ROUNDS or time.monotonic() < end_s):
        medians: dict[str, float] = {}
        for kind in chance.sample(("slice", "plain"), 2):
            other.ask("plain", max(1, round(20e6 / other.call_ns)))
            if kind == "plain":
                samples = subject.ask("plain", calls)["samples"]
                medians[kind] = statistics.median(samples[len(samples) // 2 :])
            else:
                medians[kind] = statistics.median(subject.ask("slice", plan.lead_in, plan.calls)["samples"])
        found.append(math.log(medians["slice"] / medians["plain"]))
    return found


def compared(engine: str, size: str, artifact: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Return one row of the results."""
    with Held(engine, size, artifact) as subject, Held("torch" if engine == "ort" else "ort", size, artifact) as other:
        # Both load at once, and the other is parked before anything of the subject's is timed.
        other.ready()
        subject.ready()
        end_s = time.monotonic() + seconds
        plan = pilot(subject, other, engine, time.monotonic() + seconds / 2)
        found = ratios(subject, other, plan, rounds, end_s)
    # Everything is in one process, so that rounds are what repeats, and each counts as a launch of a study does.
    estimate = estimate_over_launches([[ratio] for ratio in found])
    assert estimate
    bounds = estimate.log_interval()
    assert bounds
    return {
        "engine": engine,
        "call_ms": plan.call_ns / 1e6,
        "lead_in": plan.lead_in,
        "calls": plan.calls,
        "rounds": len(found),
        "ratio": estimate.value,
        "ci95": [math.exp(bound) for bound in bounds],
        "agree": agreement(*bounds),
    }


def agreement(low: float, high: float) -> str:
    """Say whether an interval on the log scale lies inside of what is allowed, outside, or neither."""
    if low > ALLOWED or high < -ALLOWED:
        return "no"
    return "yes" if low >= -ALLOWED and high <= ALLOWED else "too wide to tell"


def told(row: dict[str, Any]) -> str:
    """Return a row of the Markdown table."""
    low, high = row["ci95"]
    return (
        f"| {row['engine']} | {row['call_ms']:.3g} | {row['lead_in']} + {row['calls']} "
        f"| {row['ratio']:.4f} | [{low:.4f}, {high:.4f}] | {row['agree']} |"
    )


def busy_process() -> subprocess.Popen[bytes]:
    """Start a process that keeps one CPU busy."""
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


def run(
    engines: Sequence[str],
    sizes: Sequence[str],
    rounds: int,
    seconds: float,
    keep: Callable[[list[dict[str, Any]]], None],
) -> bool:
    """Compare, print and keep row by row; say whether all agree."""
    rows: list[dict[str, Any]] = []
    failed = False
    print(
        "| engine | call ms | lead-in + calls | slice / calls in a row | 95 % | agree |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            artifact = Path(folder) / f"{size}.onnx"
            export(size, artifact)
            for engine in engines:
                try:
                    rows.append(compared(engine, size, artifact, rounds, seconds))
                except (ChildProcessError, BrokenPipeError) as error:
                    failed = True
                    print(f"| {engine} | {size} | failed: {error} | | | |", flush=True)
                    continue
                print(told(rows[-1]), flush=True)
                keep(rows)
    return not failed and not any(row["agree"] == "no" for row in rows)


def keep_in(path: Path, given: argparse.Namespace) -> Callable[[list[dict[str, Any]]], None]:
    """Return what puts rows into the results beside those of the other kind, quiet or busy."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    about = {
        "machine": machine_line(describe_machine()),
        "versions": own_versions(),
        "when": dt.datetime.now().astimezone().isoformat(timespec="minutes"),
        "seconds": given.seconds,
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }

    def keep(rows: list[dict[str, Any]]) -> None:
        document["busy" if given.busy else "quiet"] = {**about, "rows": rows}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    return keep


def main() -> int:
    """Compare, keep and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--calls", default=",".join(SIZES), help="lengths of a call in ms, of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=40, help="at most")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each engine and length")
    parser.add_argument("--busy", action="store_true", help="beside a process that keeps one CPU busy")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.serve:
        serve(*given.serve)
        return 0
    engines, sizes = given.engines.split(","), given.calls.split(",")
    if unknown := [*(set(engines) - set(ENGINES)), *(set(sizes) - set(SIZES))]:
        parser.error(f"unknown: {', '.join(unknown)}; engines are {', '.join(ENGINES)}, calls {', '.join(SIZES)}")
    # Processes are parked, so that they would outlive this one were they not killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    beside = busy_process() if given.busy else None
    try:
        agree = run(engines, sizes, given.rounds, given.seconds, keep_in(given.output, given))
    finally:
        if beside is not None:
            beside.kill()
    return int(not agree)


if __name__ == "__main__":
    sys.exit(main())
