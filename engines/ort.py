"""ONNX Runtime through its execution providers, with the provider that ran each node on record."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ortbench.engines.base import CAN_PARK, Arrays, Availability, Engine, Evidence, LoadRequest, Placement
from ortbench.engines.cuda import GPU_REMEDY, missing_gpu_reason
from ortbench.errors import ArmError, ArmInvalid

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# fp32 means fp32: ONNX Runtime's CUDA provider has TF32 on unless told otherwise.
_PROVIDER_OPTIONS = {"cpu": {}, "cuda": {"use_tf32": "0"}}
_OPTIMIZATION_LEVELS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
_ALLOW_SPINNING = "session.intra_op.allow_spinning"
_RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
_FORBID_FALLBACK = "session.disable_cpu_ep_fallback"
_ERRORS_ONLY = 3


class OrtEngine(Engine):
    """One InferenceSession, its inputs and outputs bound where the provider computes."""

    @classmethod
    def probe(cls, target: str) -> Availability:
        """Ask the wheel for the provider, then make it run one node: a GPU wheel lists CUDA without a GPU."""
        try:
            import onnxruntime
        except ImportError as error:
            return Availability(reason=f"ONNX Runtime cannot be imported: {error}", remedy="pip install onnxruntime")
        version = str(onnxruntime.__version__)
        if target == "cpu":
            return Availability(version=version, device="CPU")
        provider = _PROVIDERS[target]
        if provider not in onnxruntime.get_available_providers():
            return Availability(
                version=version,
                reason=f"this build of ONNX Runtime has no {provider}",
                remedy=f"pip uninstall onnxruntime && pip install onnxruntime-gpu, on {GPU_REMEDY}",
            )
        reason = missing_gpu_reason() or _refusal(provider)
        if reason:
            return Availability(version=version, reason=reason, remedy=GPU_REMEDY)
        return Availability(version=version, device="NVIDIA GPU")

    def load(self, request: LoadRequest) -> None:
        """Create the session with explicit threads; refuse it if it dropped the provider asked for.

        Raises:
            ArmInvalid: ONNX Runtime fell back to another provider.
            ArmError: it could not load the model.
        """
        import onnxruntime

        assert request.artifact is not None, "the registry says that this engine needs an artifact"
        self._request = request
        self._provider = _PROVIDERS[request.target]
        if request.target == "cuda":
            onnxruntime.preload_dlls()
        providers: list[Any] = [(self._provider, _PROVIDER_OPTIONS[request.target])]
        if request.target != "cpu":
            # Shape computations belong on the CPU; whether the rest went there too is read from the record.
            providers.append("CPUExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(request.artifact, session_options(request), providers)
        except Exception as error:  # onnxruntime's exceptions have no common base but Exception
            raise ArmError(f"ONNX Runtime cannot load {request.artifact}: {error}") from error
        if self._provider not in self._session.get_providers():
            raise ArmInvalid(
                f"asked for {self._provider}, but ONNX Runtime fell back to {', '.join(self._session.get_providers())}"
            )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def bind(self, inputs: Arrays) -> None:
        """Put the inputs where the provider computes, and let it allocate the outputs there, once."""
        import onnxruntime

        device = "cuda" if self._request.target == "cuda" else "cpu"
        self._binding = self._session.io_binding()
        # CPU values are not copied: the arrays must live as long as the binding.
        self._arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        for name, array in self._arrays.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)
            self._binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            self._binding.bind_output(name, device)

    def run(self) -> None:
        """Run the session on what is bound."""
        self._session.run_with_iobinding(self._binding)

    def synchronize(self) -> None:
        """Wait for outputs on the device; the CPU provider returns when it is done."""
        if self._request.target == "cuda":
            self._binding.synchronize_outputs()

    def outputs(self) -> Arrays | None:
        """Copy the outputs to main memory."""
        return dict(zip(self._outputs, self._binding.copy_outputs_to_cpu(), strict=True))

    def evidence(self) -> Evidence:
        """Versions, threads as set, and ONNX Runtime's own record of which provider got each node."""
        import onnxruntime

        return Evidence(
            versions={"onnxruntime": str(onnxruntime.__version__)},
            boundary="host" if self._request.target == "cpu" else "device",
            threads=int(self._session.get_session_options().intra_op_num_threads),
            placement=Placement(requested=self._provider, assigned=_assigned_nodes(self._session)),
        )


def session_options(request: LoadRequest) -> Any:
    """Return session options with every thread count explicit and the node placement on record."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    level = str(request.options.get("graph_optimization_level", "all"))
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _OPTIMIZATION_LEVELS[level])
    options.add_session_config_entry(_RECORD_PLACEMENT, "1")
    if not CAN_PARK:
        options.add_session_config_entry(_ALLOW_SPINNING, "0")
    return options


def _assigned_nodes(session: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for subgraph in session.get_provider_graph_assignment_info():
        counts[subgraph.ep_name] += len(subgraph.get_nodes())
    return dict(counts)


def _refusal(provider: str) -> str | None:
    """Run one node on `provider` with the CPU forbidden; return ONNX Runtime's complaint, or None."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(_FORBID_FALLBACK, "1")
    options.log_severity_level = _ERRORS_ONLY + 1
    try:
        onnxruntime.preload_dlls()
        onnxruntime.InferenceSession(one_node_model(), options, providers=[provider])
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no other common base
        return f"ONNX Runtime lists {provider} but cannot use it: {error}"
    return None


def one_node_model() -> bytes:
    """Return the smallest ONNX model worth running: y = x + x on one float."""
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "one_node", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized
