"""`ortbench doctor`: what disturbs measurements here, and how fine a difference this machine can resolve."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ortbench import api
from ortbench.comparison import CompareRequest
from ortbench.errors import ArmError
from ortbench.results.summary import Summary
from ortbench.results.trust import DISTRUST
from ortbench.runner.fitness import Finding, assess
from ortbench.runner.reading import read_machine
from ortbench.runner.study import Observer
from ortbench.units import format_overrun, parse_duration

# A machine that cannot tell 5 % is of no use for comparing engines.
WANTED_RESOLUTION = 0.05
_STATES = {"good": "[green]good[/]", "poor": "[yellow]poor[/]", "unknown": "unknown"}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What `ortbench doctor --json` prints.

    Attributes:
        resolution: the smallest difference that the study could show, as a fraction; None where it gave no interval.
        twin: the ratio of one engine to itself, and its interval.
        fit: whether the machine resolves 5 %, and an engine does not differ from itself.
        max_time_s: that the study was given.
        doubt: why verdicts of studies on this machine would be withheld; None where they would not.
    """

    findings: tuple[Finding, ...]
    seconds: float
    resolution: float | None
    twin: dict[str, Any] | None
    spoiled_rounds: float | None
    drift: float | None
    fit: bool
    doubt: str | None = None
    max_time_s: float | None = None


def examine(max_time: str, observer: Observer) -> Diagnosis:
    """Look at the machine, then compare ONNX Runtime with itself.

    Args:
        max_time: of that study, e.g. `30s`.
        observer: is told what happens.
    """
    findings = assess(read_machine(), os.environ)  # before the study adds to the load
    with tempfile.TemporaryDirectory(prefix="ortbench-doctor-") as scratch:
        model = Path(scratch) / "doctor.onnx"
        _write_model(model)
        request = CompareRequest(
            engines="ort",
            model=str(model),
            batch_sizes="1",
            # It shall use all its time: the question is how fine a difference can be told.
            target="0.01%",
            max_time=max_time,
            output=str(Path(scratch) / "results"),
        )
        comparison = api.compare(api.plan_comparison(request), observer)
    if comparison.interrupted:
        raise KeyboardInterrupt
    if bad := [arm for cell in comparison.summary.cells for arm in cell.arms if arm.status != "ok"]:
        raise ArmError(f"The study of ONNX Runtime against itself could not be made: {bad[0].reason}")
    return msgspec.structs.replace(
        diagnose(tuple(findings), comparison.summary, comparison.run.time_s["total"]),
        max_time_s=parse_duration(max_time, "--max-time"),
    )


def diagnose(findings: tuple[Finding, ...], summary: Summary, seconds: float) -> Diagnosis:
    """Draw the conclusion from findings and an A/A study. Pure."""
    twins = [arm.speedup for cell in summary.cells for arm in cell.arms if arm.twin and arm.speedup]
    doubt = next((note for note in summary.notes if note.startswith(DISTRUST)), None)
    return Diagnosis(
        findings=findings,
        seconds=round(seconds, 1),
        resolution=summary.resolution,
        twin={"ratio": twins[0].ratio, "ci95": twins[0].ci95} if twins else None,
        spoiled_rounds=summary.spoiled_rounds,
        drift=summary.drift,
        fit=summary.resolution is not None and summary.resolution <= WANTED_RESOLUTION and not doubt,
        doubt=doubt,
    )


def findings_table(diagnosis: Diagnosis) -> Table:
    """Show what was found."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("what", "here", "state"):
        table.add_column(heading)
    for finding in diagnosis.findings:
        table.add_row(finding.name, escape(finding.value), _STATES[finding.state])
    return table


def advice_lines(diagnosis: Diagnosis) -> list[str]:
    """Say what each finding does, the command that mends it, and the verdict."""
    lines = []
    for finding in diagnosis.findings:
        if finding.advice:
            lines.append(f"{finding.name}: {finding.advice}")
            lines += [f"    {finding.command}"] if finding.command else []
    return [*lines, "", *_verdict(diagnosis)]


def _verdict(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.resolution is None or diagnosis.twin is None:
        return ["The study of an engine against itself gave no interval; give it a longer --max-time."]
    ratio, (low, high) = diagnosis.twin["ratio"], diagnosis.twin["ci95"]
    if diagnosis.doubt:
        return [
            f"ONNX Runtime against itself reads {ratio:.4f}x [{low:.4f}, {high:.4f}], and it should be 1.",
            "This machine is not fit to compare engines: one engine differs from itself by more than chance explains.",
            "Studies here would withhold their verdicts. Mend what is poor above, or measure when it is quieter.",
        ]
    over = format_overrun(diagnosis.seconds, diagnosis.max_time_s or math.inf)
    told = f"{_finest(diagnosis.resolution)} in {diagnosis.seconds:.0f} s" + (f" ({over})" if over else "")
    return [
        f"ONNX Runtime against itself reads {ratio:.4f}x [{low:.4f}, {high:.4f}].",
        f"This machine tells {told}."
        if diagnosis.fit
        else f"This machine tells only {told}: not fit to compare engines, which takes "
        f"{WANTED_RESOLUTION:.0%}. Mend what is poor above, or measure when it is quieter.",
    ]


def _finest(resolution: float) -> str:
    """Word the smallest difference that can be told: in per cent, and as a factor where these say little."""
    if resolution < 1:
        return f"differences of {resolution:.1%} and more"
    return f"engines apart that differ {1 + resolution:.1f} times or more"


def _write_model(path: Path) -> None:
    """Write a model of a few convolutions: some milliseconds a call, like the small end of real ones."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    channels, size, layers = 64, 56, 6
    nodes, weights = [], []
    for layer in range(layers):
        kernel = generator.standard_normal((channels, channels, 3, 3), dtype=np.float32) / np.float32(24)
        weights.append(numpy_helper.from_array(kernel, f"w{layer}"))
        nodes.append(helper.make_node("Conv", [f"x{layer}", f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"x{layer + 1}"]))
    shape: list[str | int | None] = ["batch", channels, size, size]
    ends = [helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, shape) for index in (0, layers)]
    graph = helper.make_graph(nodes, "doctor", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
