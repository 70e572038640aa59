"""What stands in run.json before anything has run: settings, machine, versions, artifacts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ortbench.comparison import PlannedComparison
from ortbench.export.artifact import Artifact
from ortbench.export.exporter import DEFAULT_OPSET, ExportRequest
from ortbench.export.onnx_file import default_opset, model_sha256
from ortbench.results.schema import ArtifactRecord, Run
from ortbench.runner.input_words import input_notes
from ortbench.runner.machine import (
    describe_machine,
    git_commit,
    missing_features,
    own_versions,
    relevant_environment,
)
from ortbench.runner.planning import StudyPlan


def export_request(plan: StudyPlan, precision: str) -> ExportRequest:
    """Return what has to be exported for one lane."""
    return ExportRequest(source=plan.source, opset=DEFAULT_OPSET, precision=precision)


def artifact_records(plan: StudyPlan, artifacts: Sequence[Artifact]) -> dict[str, ArtifactRecord]:
    """Return the ONNX files by precision; a user's own file first, as it is what the others are made of."""
    records: dict[str, ArtifactRecord] = {}
    if plan.source.path is not None:
        # What its maker quantised or halved is in that lane, too, as it is.
        records = dict.fromkeys(("fp32", *plan.source.facts.lanes), _own_file(Path(plan.source.path)))
    for artifact in artifacts:
        manifest = artifact.manifest
        records[manifest.identity.precision] = ArtifactRecord(
            path=str(artifact.path),
            sha256=manifest.sha256,
            opset=manifest.identity.opset,
            flops_per_item=manifest.flops_per_item,
        )
    return records


def _own_file(path: Path) -> ArtifactRecord:
    return ArtifactRecord(path=str(path), sha256=model_sha256(path), opset=default_opset(path))


def new_run(planned: PlannedComparison) -> Run:
    """Return run.json's content before anything has run."""
    plan = planned.plan
    fakes = [engine.label for engine in plan.engines if engine.entry.fake]
    notes = [f"{label} is a fake: its figures are no engine's" for label in fakes]
    notes += input_notes(plan.source, plan.shapes)
    notes += [f"this system lacks {feature}" for feature in missing_features()]
    return Run(
        created=dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        command=planned.command,
        model=plan.settings.model,
        engines=plan.settings.engines,
        baseline=plan.settings.baseline,
        seed=plan.settings.seed,
        settings=msgspec.to_builtins(plan.settings),
        machine=describe_machine(),
        versions=own_versions() | planned.available.versions,
        environment=relevant_environment(),
        git_commit=git_commit(Path.cwd()),
        cells=plan.cells,
        notes=tuple(notes),
        inputs={spec.name: spec.shape for spec in plan.source.inputs},
        outputs={spec.name: spec.shape for spec in plan.source.outputs},
        batch_axis=plan.shapes.batch.label if plan.shapes else None,
    )
