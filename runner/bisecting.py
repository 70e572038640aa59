"""Really running an engine on parts of a model, to find where it begins to differ. In a worker of its own."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ortbench.engines.base import Engine, LoadRequest
from ortbench.engines.onnx_graph import graph_nodes, load_graph, truncated
from ortbench.engines.registry import find_engine
from ortbench.errors import ArmError, OrtbenchError
from ortbench.models.parity import Tolerance, compare_outputs
from ortbench.models.spec import UNKNOWN_RANK, TensorSpec
from ortbench.runner import job_messages
from ortbench.runner.bisection import first_difference, worded
from ortbench.runner.checking import run_batch
from ortbench.units import format_seconds

if TYPE_CHECKING:
    from onnx import ModelProto

_UNOPTIMISED = {"graph_optimization_level": "disable"}
_PLAIN = "ONNX Runtime without graph optimisations"


def bisect(request: job_messages.Bisect) -> str:
    """Say where the engine begins to differ, in words that continue a sentence.

    An engine that runs the ONNX file is compared with ONNX Runtime on the CPU without optimisations, both on the
    model cut off at one tensor after the other. Of eager PyTorch every layer is compared with the same on the CPU.

    Raises:
        ArmError: the time is over.
        OrtbenchError: an engine cannot run.
    """
    if request.request.artifact is not None:
        return _bisect_artifact(request)
    expected: dict[str, Any] = {}
    if not _intermediates(request, _plain_torch(request.request), expected.__setitem__):
        return "it cannot be bisected: this engine does not show its intermediate tensors"
    return first_layer(request, expected)


def first_layer(request: job_messages.Bisect, expected: dict[str, Any], engine: Engine | None = None) -> str:
    """Compare an engine's layers with the expected ones, in the order in which they run."""
    differing: list[str] = []

    def compare(name: str, array: Any) -> None:
        if not differing and name in expected and _differ(array, expected[name], request.tolerance):
            differing.append(name)

    if not _intermediates(request, request.request, compare, engine):
        return "it cannot be bisected: this engine does not show its intermediate tensors"
    if not differing:
        return "no layer differs from eager PyTorch on the CPU by more than that"
    return f"the first layer whose output differs is '{differing[0]}'"


def _intermediates(request: job_messages.Bisect, load: LoadRequest, visit: Any, engine: Engine | None = None) -> bool:
    if engine is None:
        engine = find_engine(request.engine).create()
        engine.load(load)
    run_batch(engine, load.source, request.batch_size, request.index)
    return engine.intermediates(visit)


def _plain_torch(request: LoadRequest) -> LoadRequest:
    return msgspec.structs.replace(request, target="cpu", precision="fp32", options={})


def _bisect_artifact(request: job_messages.Bisect) -> str:
    assert request.request.artifact is not None, "only engines that run the file are bisected over it"
    model = load_graph(Path(request.request.artifact))
    probe = _Probe(request, model, time.perf_counter() + request.limit_s)
    last = next((value.name for value in model.graph.output if probe.differs(value.name)), None)
    if last is None:
        return f"it agrees with {_PLAIN}, so the model file itself differs from the reference, or a cut hides the fault"
    found, node = first_difference(graph_nodes(model), last, probe.differs)
    unseen = f"; {len(probe.unseen)} tensors could not be compared" if probe.unseen else ""
    return worded(found, node) + unseen


@dataclass
class _Probe:
    """Asks about one tensor after the other whether the engine differs there."""

    request: job_messages.Bisect
    model: ModelProto
    deadline: float
    unseen: list[str] = field(default_factory=list)

    def differs(self, tensor: str) -> bool:
        """Cut the model off at `tensor` and run both; a cut that cannot be run counts as agreeing."""
        if time.perf_counter() > self.deadline:
            raise ArmError(f"the first tensor that differs was not found within {format_seconds(self.request.limit_s)}")
        with tempfile.TemporaryDirectory(dir=self.request.scratch) as folder:
            path = Path(folder) / "cut.onnx"
            path.write_bytes(truncated(self.model, tensor).SerializeToString())
            own = msgspec.structs.replace(
                self.request.request,
                artifact=str(path),
                source=msgspec.structs.replace(
                    self.request.request.source, outputs=(TensorSpec(tensor, (UNKNOWN_RANK,)),)
                ),
            )
            plain = msgspec.structs.replace(own, target="cpu", precision="fp32", options=_UNOPTIMISED)
            try:
                wanted, actual = self._output("ort", plain), self._output(self.request.engine, own)
            except (OrtbenchError, RuntimeError, ValueError) as error:
                self.unseen.append(f"{tensor}: {error}")
                return False
        return _differ(actual, wanted, self.request.tolerance)

    def _output(self, name: str, load: LoadRequest) -> Any:
        engine = find_engine(name).create()
        engine.load(load)
        run_batch(engine, load.source, self.request.batch_size, self.request.index)
        [array] = (engine.outputs() or {}).values()
        return np.array(array)


def _differ(actual: Any, wanted: Any, tolerance: Tolerance) -> bool:
    return not compare_outputs({"tensor": actual}, {"tensor": wanted}, "", tolerance).ok
