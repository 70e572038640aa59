"""What an input that was filled by the seed may have to hold: by its name, and by what the graph does with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.models.spec import BATCH, ModelSource, TensorSpec

if TYPE_CHECKING:
    from onnx import GraphProto

# What passes indices on as they are, or in another shape.
_PASSING = frozenset({"Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Clip", "Expand"})
# By words in the input's name: what it is called, and what --values would say.
_NAMED = (
    (r"sr|fs|(sample|sampling)_?rate", "a sample rate", "16000"),
    (r"(.*_)?(time_?steps?|t)", "a time step", "0..999"),
    (r".*mask.*", "a mask", "ones"),
    (r".*(length|len|lens|num|count|size).*", "a length or a count", "1"),
)
_SHOWN = 4


def values_hint(source: ModelSource) -> str:
    """Return a sentence on what to say about inputs that seeded values may not suit; empty where there are none."""
    if source.inputs_file is not None:
        return ""
    seeded = [spec for spec in source.inputs if spec.values is None and not spec.dtype.startswith("float")]
    if not seeded:
        return ""
    rows = gathered_rows(Path(source.path)) if source.path else {}
    told = [_suggestion(spec, rows) for spec in seeded]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return (
        " Its inputs were filled by the seed, integers with 0 or 1. Where one must hold other values, say so: "
        f"{'; '.join(told[:_SHOWN])}{more}."
    )


def _suggestion(spec: TensorSpec, rows: Mapping[str, int]) -> str:
    kind = f"{spec.dtype} scalar" if spec.shape == () else spec.dtype
    meaning, values = _meaning(spec, rows)
    return f"--values {shlex.quote(f'{spec.name}={values}')} ('{spec.name}' is {_article(kind)} {kind}{meaning})"


def _meaning(spec: TensorSpec, rows: Mapping[str, int]) -> tuple[str, str]:
    if spec.dtype == "bool":
        return "", "false"
    alone = BATCH not in spec.shape and all(size == 1 for size in spec.shape)
    for pattern, what, values in _NAMED:
        if re.fullmatch(pattern, spec.name.lower()) and (alone or not pattern.startswith("sr")):
            return f", by its name {what}", values
    if spec.name in rows:
        return f", an index into {rows[spec.name]} rows", f"0..{rows[spec.name] - 1}"
    return "", "0..9"


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeio" else "a"


def gathered_rows(path: Path) -> dict[str, int]:
    """Return how many rows the table has that an input indexes, by the input's name.

    Only tables that are weights are found, indexed by the input itself or by a copy of it in another shape or type.
    """
    import onnx

    graph = onnx.load_model(str(path), load_external_data=False).graph
    tables = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    return _follow(graph, tables)


def _follow(graph: GraphProto, tables: Mapping[str, int]) -> dict[str, int]:
    origin = {value.name: value.name for value in graph.input if value.name not in tables}
    rows: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _PASSING and node.input and node.input[0] in origin:
            origin[node.output[0]] = origin[node.input[0]]
        if node.op_type != "Gather" or any(one.name == "axis" and one.i for one in node.attribute):
            continue
        table, indices = node.input[0], node.input[1]
        if table in tables and indices in origin:
            name = origin[indices]
            rows[name] = min(tables[table], rows.get(name, tables[table]))
    return rows
