"""Look through a model for NaN, Inf and denormals, inside a worker: its weights, and what it computes on the way."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ortbench.engines.base import Engine, LoadRequest
from ortbench.engines.onnx_graph import graph_nodes, load_graph, showing
from ortbench.engines.registry import find_engine
from ortbench.models.loading import load_module
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.models.special_values import SpecialValues, count_special_values, total
from ortbench.runner import job_messages
from ortbench.runner.checking import run_batch

# As many intermediate tensors of an ONNX file as are in memory at a time.
_SHOWN_AT_ONCE = 32


def inspect(engine: Engine, load: LoadRequest, request: job_messages.Inspect) -> job_messages.Inspected:
    """Count them in the weights, and in the intermediate tensors of batch 0 as the loaded engine computes them."""
    weights = total(count_special_values(name, array) for name, array in _weights(load.source))
    if load.artifact is not None:
        found = total(_of_file(load, Path(load.artifact), request))
        return job_messages.Inspected(weights=weights, intermediates=found)
    counts: list[SpecialValues] = []
    run_batch(engine, load.source, request.batch_size, 0)
    shown = engine.intermediates(lambda name, array: counts.append(count_special_values(name, array)))
    return job_messages.Inspected(weights=weights, intermediates=total(counts) if shown else None)


def _weights(source: ModelSource) -> Iterator[tuple[str, Any]]:
    if source.path is None:
        yield from ((name, tensor.numpy()) for name, tensor in load_module(source).state_dict().items())
        return
    from onnx import numpy_helper

    for tensor in load_graph(Path(source.path)).graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)


def _of_file(load: LoadRequest, path: Path, request: job_messages.Inspect) -> Iterator[SpecialValues]:
    """Make some intermediate tensors at a time the model's outputs, until all were seen or the time is over."""
    model, began = load_graph(path), time.perf_counter()
    final = {value.name for value in model.graph.output}
    names = [name for node in graph_nodes(model) for name in node.outputs if name not in final]
    for start in range(0, len(names), _SHOWN_AT_ONCE):
        some = names[start : start + _SHOWN_AT_ONCE]
        if time.perf_counter() - began > request.limit_s:
            return
        with tempfile.TemporaryDirectory() as folder:
            shown = Path(folder) / "shown.onnx"
            shown.write_bytes(showing(model, some).SerializeToString())
            outputs = tuple(TensorSpec(name, ()) for name in some)
            source = msgspec.structs.replace(load.source, outputs=outputs)
            engine = find_engine("ort").create()
            engine.load(msgspec.structs.replace(load, artifact=str(shown), source=source))
        run_batch(engine, source, request.batch_size, 0)
        yield from (count_special_values(name, array) for name, array in (engine.outputs() or {}).items())
