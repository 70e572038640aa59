"""Answers of the small commands, each as a JSON document and as a table for people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ortbench.engines.registry import BROKEN_PLUGINS, REGISTRY, ResolvedEngine, resolve_engine
from ortbench.engines.spec import EngineSpec
from ortbench.export.artifact import Artifact, Manifest
from ortbench.export.cache import CacheEntry, Kind, cache_root, clear_cache, list_cache
from ortbench.models.catalog import CATALOG
from ortbench.models.shape_hints import format_shape
from ortbench.runner.available import probe_engines
from ortbench.units import format_bytes, format_significant

Document = dict[str, Any]


def artifact_document(artifact: Artifact) -> Document:
    """Return what `ortbench export --json` prints."""
    return {
        "path": str(artifact.path),
        "reused": artifact.reused,
        "manifest": msgspec.to_builtins(artifact.manifest),
    }


def artifact_lines(artifact: Artifact) -> list[str]:
    """Return path, opset, size and parity of an artifact."""
    manifest = artifact.manifest
    original = "the file" if manifest.identity.exporter == "file" else "PyTorch"
    parities = [f"{parity.max_abs_error:.1e} at batch size {size}" for size, parity in manifest.parity.items()]
    flops = f"{manifest.flops_per_item / 1e9:.2f} GFLOP an item" if manifest.flops_per_item else "not counted"
    return [
        f"path     {artifact.path}",
        f"lane     {manifest.identity.precision}" + _accuracy(manifest),
        f"opset    {manifest.identity.opset} ({manifest.identity.exporter} exporter)",
        f"size     {format_bytes(manifest.size_bytes)}, {flops}",
        f"parity   differs from {original} by at most {', '.join(parities)}",
        f"weights  {manifest.identity.weights}" + (f", seed {manifest.identity.seed}"),
        "reused from before" if artifact.reused else "newly exported",
    ]


def _accuracy(manifest: Manifest) -> str:
    """Say how near an artifact of fewer bits comes to the fp32 model."""
    if manifest.identity.precision == "fp32" or not manifest.parity:
        return ""
    parities = manifest.parity.values()
    cosine = min(parity.cosine or 0.0 for parity in parities)
    return f", cosine with the fp32 model {cosine:.5f}"


def engines_document() -> Document:
    """Probe every engine and target; return what `ortbench engines --json` prints."""
    return targets_document(
        [resolve_engine(EngineSpec(entry.name, target)) for entry in REGISTRY.values() for target in entry.targets]
    )


def targets_document(engines: list[ResolvedEngine]) -> Document:
    """Probe these engines' targets; return what `ortbench engines --json` prints of them."""
    answers = probe_engines(engines)
    return {
        # Engines that installed packages declare, and that cannot be used.
        "broken": dict(BROKEN_PLUGINS),
        "engines": [
            {
                "engine": engine.label,
                "about": engine.entry.about,
                "fake": engine.entry.fake,
                "available": answer.available,
                "options": [
                    {"name": option.name, "kind": option.kind, "default": option.default, "help": option.help}
                    | ({"choices": list(option.choices)} if option.choices else {})
                    | ({"known": list(option.known)} if option.known else {})
                    for option in engine.entry.options
                ],
                **msgspec.to_builtins(answer),
            }
            for engine, answer in zip(engines, answers, strict=True)
        ],
    }


def engines_table(document: Document) -> Table:
    """Show every engine: available or not, version, device, and what would add it."""
    table = report_table("engine", "available", "version", "device", "what it is, or what would add it")
    for name, reason in document["broken"].items():
        table.add_row(escape(name), "[red]no[/]", "", "", escape(reason))
    for row in document["engines"]:
        missing = f"{row['reason']}; to add it: {row['remedy']}"
        state = "[green]yes[/]" if row["available"] else "[red]no[/]"
        about = row["about"] if row["available"] else missing
        table.add_row(escape(row["engine"]), state, row["version"] or "", row["device"] or "", escape(about))
    return table


def models_document() -> Document:
    """Return what `ortbench models --json` prints."""
    return {
        "models": [
            {
                "model": spec.name,
                "about": spec.about,
                "inputs": [msgspec.to_builtins(tensor) for tensor in spec.inputs],
                "outputs": [msgspec.to_builtins(tensor) for tensor in spec.outputs],
                "weights": ["random", "pretrained"] if spec.pretrained else ["random"],
            }
            for spec in CATALOG.values()
        ]
    }


def models_table(document: Document) -> Table:
    """Show the catalog."""
    table = report_table("model", "inputs", "weights", "about")
    for row in document["models"]:
        shapes = ", ".join(f"{tensor['name']} {format_shape(tuple(tensor['shape']))}" for tensor in row["inputs"])
        table.add_row(row["model"], shapes, ", ".join(row["weights"]), row["about"])
    table.caption = "Any .onnx file works too: --model path/to/file.onnx"
    return table


def cache_document(*, clear: bool) -> Document:
    """List the cache, clearing it first where asked to; return what `ortbench cache --json` prints."""
    entries = clear_cache() if clear else list_cache()
    return {
        "cache": str(cache_root()),
        "cleared": clear,
        "size_bytes": sum(entry.size_bytes for entry in entries),
        "entries": [msgspec.to_builtins(entry) for entry in entries],
    }


def cache_table(document: Document) -> Table:
    """Show what is in the cache, or what was deleted."""
    entries = [msgspec.convert(entry, CacheEntry) for entry in document["entries"]]
    table = report_table("kind", "what", "size", "folder")
    for entry in entries:
        table.add_row(entry.kind, escape(_cached(entry)), format_bytes(entry.size_bytes), escape(entry.folder))
    counts = Counter(entry.kind for entry in entries)
    counted = ", ".join(
        f"{counts[kind]} {plural}" for kind, plural in _PLURALS.items() if counts[kind] or kind == "model"
    )
    verb = "deleted" if document["cleared"] else "in"
    table.caption = f"{counted}; {format_bytes(document['size_bytes'])} {verb} {document['cache']}"
    return table


_PLURALS: dict[Kind, str] = {
    "model": "exported models",
    "environment": "engine environments",
    "build": "builds of engines",
    "package": "copies of ortbench for other interpreters",
    "inputs": "sets of images",
    "bytecode": "folders of bytecode",
    "script": "scripts of the report",
}


def _cached(entry: CacheEntry) -> str:
    """Say what a folder of the cache holds."""
    if entry.kind not in ("environment", "model"):
        return Path(entry.folder).name
    if entry.environment:
        return f"{entry.environment.requirements[0]}, Python {entry.environment.versions.get('python')}"
    if entry.manifest is None:
        return "(damaged)"
    identity, flops = entry.manifest.identity, entry.manifest.flops_per_item
    counted = f", {format_significant(flops / 1e9)} GFLOP an item" if flops else ""
    made = f"{identity.precision}, opset {identity.opset}, {identity.exporter}"
    return f"{identity.model}, {made}, {identity.weights} weights{counted}"


def report_table(*columns: str) -> Table:
    """Return an empty table of these columns, in the commands' common look."""
    table = Table(box=SIMPLE_HEAD, caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
