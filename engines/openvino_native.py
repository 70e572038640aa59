"""OpenVINO itself, not as ONNX Runtime's provider: precision pinned, threads and streams explicit."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, OperatorTime, Placement
from ortbench.engines.ort_sessions import check_undivided, join_outputs, share_batch
from ortbench.errors import ArmError
from ortbench.models.files import remembered_sha256
from ortbench.models.inputs import indivisible, parts_of, take_part
from ortbench.models.spec import has_batch

if TYPE_CHECKING:
    from ortbench.engines.openvino_profile import Counters

_DEVICES = {"cpu": "CPU", "gpu": "GPU"}
# Left alone, OpenVINO computes an fp32 model in bf16 on processors that can.
# In int8 the quantised operators say so themselves, and the hint is for the rest.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
# Nodes that compute nothing: constants, the graph's ends, and views of memory.
_PASSIVE_TYPES = frozenset({"Const", "Input", "Output", "Parameter", "Result", "Constant"})


class OpenVinoEngine(Engine):
    """A compiled model and as many requests as there are streams; a batch is divided among them.

    Attributes:
        count_performance: set before loading where counters shall be kept of every node.
    """

    count_performance = False

    @classmethod
    def probe(cls, target: str) -> Availability:
        """Ask OpenVINO for the device; that it is installed at all is known without importing it."""
        if importlib.util.find_spec("openvino") is None:
            return Availability(reason="OpenVINO is not installed", remedy="pip install openvino")
        import openvino

        version = str(openvino.__version__).partition("-")[0]
        core, device = openvino.Core(), _DEVICES[target]
        if device not in core.available_devices:
            return Availability(
                version=version,
                reason=f"OpenVINO finds no {device} here, only: {', '.join(core.available_devices)}",
                remedy="an Intel GPU and its driver",
            )
        return Availability(version=version, device=str(core.get_property(device, "FULL_DEVICE_NAME")))

    def load(self, request: LoadRequest) -> None:
        """Read the model; with open batch size it is compiled here, otherwise for each batch size in `bind`.

        Raises:
            ArmError: OpenVINO cannot read or compile it.
        """
        import openvino

        assert request.artifact is not None, "the registry says that this engine needs an artifact"
        self._request = request
        self._core = openvino.Core()
        self._device = _DEVICES[request.target]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._streams = int(request.options.get("streams", 1))
        if not 1 <= self._streams <= request.threads:
            raise ArmError(f"expected 1 to {request.threads} streams, as many as threads, but got {self._streams}")
        try:
            self._model = self._core.read_model(request.artifact)
        except RuntimeError as error:
            raise ArmError(f"OpenVINO cannot read {request.artifact}: {error}") from error
        self._outputs = [output.get_any_name() for output in self._model.outputs]
        if request.options.get("dynamic"):
            self._compile()

    def bind(self, inputs: Arrays) -> None:
        """Compile for this batch size unless it was left open, and give every request its share of the batch."""
        self._inputs = inputs
        self._shares = self._divide(inputs)
        if not self._request.options.get("dynamic"):
            shapes = {name: array.shape for name, array in self._shares[0].items()}
            if len({tuple(share[name].shape for name in share) for share in self._shares}) > 1:
                raise ArmError(
                    f"{self._streams} streams cannot share a batch of {sum(self._items)} evenly; "
                    "choose another batch size, or openvino[dynamic=true]"
                )
            # Another batch of the same size needs no compiling.
            if shapes != self._shapes:
                self._reshape(shapes)
                self._compile()
                self._shapes = shapes
        self._requests = []
        for share in self._shares:
            request = self._compiled.create_infer_request()
            for name, array in share.items():
                # The array's memory itself is the input: it must live as long as the request.
                request.set_tensor(name, _shared_tensor(array))
            self._requests.append(request)

    def run(self) -> None:
        """Run every share at once and wait for all; the outputs stay in the request's own memory."""
        if len(self._requests) == 1:
            # Without sharing, every call copies all outputs into new arrays, which no other engine does. Text is copied
            # either way. `start_async` makes none either, but hands over to another thread, 10 us a call.
            self._requests[0].infer(share_outputs=True)
            return
        for request in self._requests:
            request.start_async()
        for request in self._requests:
            request.wait()

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Profile a second compilation: see `openvino_profile.py`."""
        from ortbench.engines.openvino_profile import profile_calls

        return profile_calls(type(self)(), self._request, self._inputs, calls)

    def counters(self) -> list[Counters]:
        """Return what each request's counters say."""
        from ortbench.engines.openvino_profile import executed

        return [executed(request.profiling_info) for request in self._requests]

    def outputs(self) -> Arrays | None:
        """Return the shares' outputs, joined again."""
        parts = [
            {name: np.array(request.get_tensor(name).data) for name in self._outputs} for request in self._requests
        ]
        check_undivided(self._request.source, parts, self._items)
        return join_outputs(self._request.source, parts, self._items)

    def evidence(self) -> Evidence:
        """Threads, precision and device as the compiled model reports them, and what each node computes in."""
        import openvino

        asked = str(self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        return Evidence(
            versions={"openvino": str(openvino.__version__).partition("-")[0]},
            boundary="host",
            threads=int(self._compiled.get_property("INFERENCE_NUM_THREADS")) if self._device == "CPU" else None,
            placement=self._placement(),
            precision={"hint": asked, **_node_precisions(self._compiled.get_runtime_model())},
            layout="NCHW",
            artifact_sha256=remembered_sha256(Path(str(self._request.artifact))),
        )

    def _reshape(self, shapes: dict[str, tuple[int, ...]]) -> None:
        try:
            self._model.reshape(shapes)
        except RuntimeError as error:
            # A branch that is never taken must fit these shapes too, once they are fixed.
            raise ArmError(
                f"OpenVINO cannot fix the model's shapes, which openvino[dynamic=true] leaves open: {error}"
            ) from error

    def _compile(self) -> None:
        config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[self._request.precision],
            "EXECUTION_MODE_HINT": "ACCURACY",
            "NUM_STREAMS": str(self._streams),
        }
        if self.count_performance:
            config["PERF_COUNT"] = True
        if self._device == "CPU":
            # Affinity is the worker's, set before anything was imported.
            config |= {"INFERENCE_NUM_THREADS": self._request.threads, "ENABLE_CPU_PINNING": False}
        try:
            self._compiled = self._core.compile_model(self._model, self._device, config)
        except RuntimeError as error:
            raise ArmError(f"OpenVINO cannot compile the model: {error}") from error

    def _divide(self, inputs: Arrays) -> list[dict[str, np.ndarray[Any, Any]]]:
        """Divide a batch among the streams, as far as it has items; whole where the model has no batch.

        Raises:
            ArmError: the model has a batch that cannot be divided.
        """
        source = self._request.source
        if self._streams > 1 and has_batch(source) and (reason := indivisible(source)):
            raise ArmError(f"streams have nothing to divide: {reason}")
        self._items = share_batch(source, inputs, self._streams)
        return [
            {name: np.asarray(array, order="C") for name, array in take_part(inputs, source.inputs, part).items()}
            for part in parts_of(self._items)
        ]

    def _placement(self) -> Placement:
        devices = [str(device) for device in self._compiled.get_property("EXECUTION_DEVICES")]
        operators = Counter(
            kind for node in self._compiled.get_runtime_model().get_ops() if (kind := _kind(node)) not in _PASSIVE_TYPES
        )
        device = "+".join(devices)
        return Placement(
            requested=self._device,
            assigned={device: sum(operators.values())},
            operators={device: dict(operators)},
        )


def _shared_tensor(array: np.ndarray[Any, Any]) -> Any:
    import openvino

    return openvino.Tensor(array, shared_memory=True)


def _kind(node: Any) -> str:
    info = node.get_rt_info()
    return str(info["layerType"].astype(str)) if "layerType" in info else str(node.get_type_name())


def _node_precisions(model: Any) -> dict[str, str]:
    """Return how many nodes compute in each type, e.g. `{"f32": "57 nodes"}`; constants and the graph's ends not."""
    counts: Counter[str] = Counter()
    for node in model.get_ops():
        info = node.get_rt_info()
        if _kind(node) not in _PASSIVE_TYPES and "runtimePrecision" in info:
            counts[str(info["runtimePrecision"].astype(str))] += 1
    return {name: f"{count} nodes" for name, count in counts.items()}
