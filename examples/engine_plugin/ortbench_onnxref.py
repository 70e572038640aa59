"""ONNX's own reference evaluator as an engine: written in NumPy for clearness, not for speed.

`ENTRY` describes it without importing anything heavy, since ortbench reads it whenever engines are listed.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, Placement
from ortbench.engines.entry import EngineEntry
from ortbench.engines.options import Option

ENTRY = EngineEntry(
    name="onnxref",
    about="ONNX's reference evaluator in NumPy: slow, and clear",
    targets=("cpu",),
    module="ortbench_onnxref",
    class_name="ReferenceEngine",
    libraries=("onnx.reference",),
    options=(Option("verbose", "int", default=0, help="how much the evaluator tells of each node, 0 to 4"),),
    needs_artifact=True,
    runs_onnx_files=True,
)


class ReferenceEngine(Engine):
    """Node after node, each a NumPy function."""

    _result: list[Any]

    @classmethod
    def probe(cls, target: str) -> Availability:  # noqa: ARG003 - it has one target
        """It runs wherever onnx is installed."""
        return Availability(version=importlib.metadata.version("onnx"), device="CPU")

    def load(self, request: LoadRequest) -> None:
        """Read the model and check that every operator has an implementation."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        model = onnx.load(str(request.artifact))
        self._evaluator = ReferenceEvaluator(model, verbose=int(request.options.get("verbose", 0)))
        self._nodes = len(model.graph.node)
        self._threads = request.threads

    def bind(self, inputs: Arrays) -> None:
        """Keep the arrays: NumPy needs no other form."""
        self._inputs = dict(inputs)

    def run(self) -> None:
        """Evaluate the graph once."""
        self._result = self._evaluator.run(None, self._inputs)

    def outputs(self) -> Arrays | None:
        """Return what the last run gave, by name."""
        return dict(zip(self._evaluator.output_names, self._result, strict=True))

    def evidence(self) -> Evidence:
        """Every node runs in NumPy; how many threads that uses, NumPy does not say."""
        return Evidence(
            versions={"onnx": importlib.metadata.version("onnx"), "numpy": importlib.metadata.version("numpy")},
            placement=Placement(requested="NumPy", assigned={"NumPy": self._nodes}),
        )
