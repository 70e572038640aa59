"""Read a model's graph before and after ONNX Runtime's optimisation: `python -m ortbench.engines.ort_graph`.

The optimised graph can only be had by having ONNX Runtime write it to a file, which takes as long as loading; parsing
it takes memory. Neither may count for the arm, so a process of its own does it once, and what it found is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.engines.flops import node_flops
from ortbench.engines.ort_placement import GraphFacts, operator_name, read_placement_log
from ortbench.engines.ort_providers import PLUGIN, PROVIDERS
from ortbench.models.spec import ModelSource
from ortbench.verified import read_verified, write_verified

_TIMEOUT_S = 120.0
_VERBOSE = 0
_WEIGHTS = "weights"


def graph_facts(request: LoadRequest, artifact_sha256: str, version: str) -> GraphFacts | None:
    """Return what can be read of the graph, from `request.cache` where it was read before.

    Args:
        request: the arm's.
        artifact_sha256: of the model's file.
        version: of ONNX Runtime.

    Returns:
        None where the graph cannot be read: nothing is claimed of it then.
    """
    shapes = msgspec.to_builtins(request.source.inputs)
    key = msgspec.json.encode([artifact_sha256, version, request.target, request.precision, request.options, shapes])
    name = f"ort-graph-{hashlib.sha256(key).hexdigest()[:16]}.json"
    kept = Path(request.cache) / name if request.cache else None
    if kept is not None and (content := read_verified(kept)) is not None:
        return msgspec.json.decode(content, type=GraphFacts)
    facts = _ask(request)
    if kept is not None and facts is not None:
        # Where it cannot be kept it is found out again at the next time.
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            # Two arms may find out the same at the same time; each file is whole when it gets its name.
            write_verified(kept, msgspec.json.encode(facts))
    return facts


def _ask(request: LoadRequest) -> GraphFacts | None:
    command = [sys.executable, "-P", "-m", "ortbench.engines.ort_graph"]
    with tempfile.TemporaryDirectory(prefix="ortbench-graph-") as folder:
        question = msgspec.json.encode(request)
        try:
            done = subprocess.run(
                [*command, folder], input=question, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
            facts = msgspec.json.decode(done.stdout, type=GraphFacts)
        except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
            return None
        # The log goes to the process's standard error, from C++.
        return msgspec.structs.replace(facts, placed=read_placement_log(done.stderr.decode(errors="replace")))


def examine(request: LoadRequest, folder: Path) -> GraphFacts:
    """Read the graph in this process; ONNX Runtime writes its log to standard error and its graphs to `folder`."""
    import onnx

    from ortbench.engines.ort import session_options

    assert request.artifact is not None
    graph = onnx.load(request.artifact, load_external_data=False).graph
    original = Counter(node.op_type for node in graph.node)
    options = session_options(request)
    for name, size in _one_item(graph, request.source).items():
        options.add_free_dimension_override_by_name(name, size)
    flops, total = _basic_flops(request.artifact, options, folder)
    graph_that_runs = _optimised_graph(request, folder)
    return GraphFacts(
        original=dict(original),
        dimensions=tuple(_open_dimensions(graph)),
        optimised=None if graph_that_runs is None else dict(Counter(_name(node) for node in graph_that_runs.node)),
        weights=None if graph_that_runs is None else _weight_types(graph_that_runs),
        flops=flops,
        total_flops=total,
    )


def _open_dimensions(graph: Any) -> dict[str, None]:
    sizes = (size for value in graph.input for size in value.type.tensor_type.shape.dim)
    return dict.fromkeys(size.dim_param for size in sizes if size.dim_param)


def _one_item(graph: Any, source: ModelSource) -> dict[str, int]:
    """Return what the open dimensions are for one item: the batch is 1, the others as the study settled them."""
    settled = {spec.name: spec.shape for spec in source.inputs}
    return {
        size.dim_param: known if isinstance(known, int) else 1
        for value in graph.input
        for size, known in zip(value.type.tensor_type.shape.dim, settled.get(value.name, ()), strict=False)
        if size.dim_param
    }


def _basic_flops(artifact: str, options: Any, folder: Path) -> tuple[dict[str, int] | None, int | None]:
    """Return operations by node name, and their sum, of the graph as it is when the providers divide it."""
    import onnxruntime

    levels = onnxruntime.GraphOptimizationLevel
    if options.graph_optimization_level != levels.ORT_DISABLE_ALL:
        options.graph_optimization_level = levels.ORT_ENABLE_BASIC
    graph = _saved_graph(artifact, options, ["CPUExecutionProvider"], folder / "basic.onnx")
    counted = None if graph is None else node_flops(graph)
    if graph is None or counted is None:
        return None, None
    named = {node.name: counted[node.output[0]] for node in graph.node if node.output and node.output[0] in counted}
    return {name: count for name, count in named.items() if name}, sum(counted.values())


def _optimised_graph(request: LoadRequest, folder: Path) -> Any:
    """Return the graph that runs; None where a provider compiled parts of it to its own."""
    from ortbench.engines.ort import session_options, session_providers

    if request.target == PLUGIN or PROVIDERS[request.target].compiles:
        return None
    providers = session_providers(request)
    options = session_options(request)
    options.log_severity_level = _VERBOSE
    return _saved_graph(request.artifact or "", options, providers, folder / "optimised.onnx")


def _weight_types(graph: Any) -> dict[str, int]:
    from onnx import helper

    names = (helper.tensor_dtype_to_np_dtype(tensor.data_type).name for tensor in graph.initializer)
    return dict(Counter(name for name in names if "float" in name or name in ("int8", "uint8")))


def _saved_graph(artifact: str, options: Any, providers: list[Any], path: Path) -> Any:
    """Have ONNX Runtime write the graph, weights apart; return it, or None where it cannot be written."""
    import onnx.shape_inference
    import onnxruntime

    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS + path.stem)
    try:
        onnxruntime.InferenceSession(artifact, options, providers=providers, enable_fallback=0)
        # ONNX Runtime writes the shapes of inputs and outputs only, next to those that stood in the file before.
        return onnx.shape_inference.infer_shapes(onnx.load(str(path), load_external_data=False)).graph
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no other common base
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads this process's output
        return None


def _name(node: Any) -> str:
    activations = [attribute.s.decode() for attribute in node.attribute if attribute.name == "activation"]
    return operator_name(node.domain, node.op_type, len(node.input), activations[0] if activations else None)


if __name__ == "__main__":
    found = examine(msgspec.json.decode(sys.stdin.buffer.read(), type=LoadRequest), Path(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.json.encode(found))
