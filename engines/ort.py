"""ONNX Runtime through its execution providers, with the provider that ran each node on record."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, OperatorTime, Placement
from ortbench.engines.convolution_search import ort_search
from ortbench.engines.cuda import missing_gpu_reason
from ortbench.engines.ort_binding import (
    Binder,
    bound_outputs,
    fetched,
    refuses_its_own_output,
    replays_a_graph,
    wrongly_declared,
)
from ortbench.engines.ort_devices import register_and_choose
from ortbench.engines.ort_graph import graph_facts
from ortbench.engines.ort_options import FORBID_FALLBACK, SessionPlan, one_session, plan_session
from ortbench.engines.ort_placement import (
    AssignedNode,
    GraphFacts,
    assigned_nodes,
    summarize_placement,
    unknown_dimension,
)
from ortbench.engines.ort_precision import described_precision, library_emulation
from ortbench.engines.ort_providers import PLUGIN, PROVIDERS, Provider, lane_options
from ortbench.errors import ArmError, ArmInvalid
from ortbench.models.files import remembered_sha256

_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3
# `/path/file.cc:729 void name::of::Function(its, arguments) `, at the beginning of what ONNX_THROW says.
_SOURCE = re.compile(r"^/\S+\.(?:cc|h):\d+ [^()]*\([^()]*\)(?: const)?(?: \[with [^\]]*\])? ")
# TensorRT has no option for it; NVIDIA's libraries read this before they start.
_NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}


class OrtEngine(Engine):
    """One InferenceSession, its inputs and outputs bound where the provider computes.

    Attributes:
        trace_prefix: set before loading where the session shall be profiled; None otherwise.
    """

    trace_prefix: str | None = None

    @classmethod
    def probe(cls, target: str) -> Availability:
        """Ask the wheel for the provider, then make it run one node: a GPU wheel lists CUDA without a GPU."""
        try:
            import onnxruntime
        except ImportError as error:
            return Availability(reason=f"ONNX Runtime cannot be imported: {error}", remedy="pip install onnxruntime")
        version = str(onnxruntime.__version__)
        if target in {"cpu", PLUGIN}:
            # What a plugin needs is known when its library is loaded.
            return Availability(version=version, device="CPU" if target == "cpu" else "of the library")
        provider = PROVIDERS[target]
        if provider.name not in onnxruntime.get_available_providers():
            missing = f"this build of ONNX Runtime has no {provider.name}"
            return Availability(version=version, reason=missing, remedy=remedy(provider))
        on_gpu = provider.memory == "cuda"
        if on_gpu and (no_gpu := missing_gpu_reason()):
            return Availability(version=version, reason=no_gpu, remedy=provider.needs)
        if reason := _refusal(provider):
            return Availability(version=version, reason=reason, remedy=provider.libraries or provider.needs)
        return Availability(version=version, device="NVIDIA GPU" if on_gpu else provider.needs)

    @classmethod
    def build(cls, request: LoadRequest) -> bool:
        """Read the model's graph before the study; `evidence` finds it in the cache."""
        import onnxruntime

        graph_facts(one_session(request), remembered_sha256(Path(request.artifact or "")), str(onnxruntime.__version__))
        return True

    def load(self, request: LoadRequest) -> None:
        """Create the session with explicit threads; refuse it if it dropped the provider asked for.

        Raises:
            ArmInvalid: ONNX Runtime fell back to another provider.
            ArmError: it could not load the model.
        """
        import onnxruntime

        assert request.artifact is not None, "the registry says that this engine needs an artifact"
        self._request = request
        self._plan = plan_session(request)
        self._memory = "cpu" if request.target == PLUGIN else PROVIDERS[request.target].memory
        self._facts_read = False
        if self._memory == "cuda":
            if request.precision != "tf32":
                os.environ.update(_NO_TF32)
            onnxruntime.preload_dlls()
        options = session_options(request)
        if self.trace_prefix is not None:
            options.enable_profiling, options.profile_file_prefix = True, self.trace_prefix
        providers, self._provider = _choose_provider(request, options, self._plan)
        try:
            # Without the fallback, an option that the provider refuses is an error instead of a session on the CPU.
            self._session = onnxruntime.InferenceSession(request.artifact, options, providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's exceptions have no common base but Exception
            raise ArmError(f"ONNX Runtime cannot load {request.artifact}: {error}") from error
        if self._provider not in self._session.get_providers():
            raise ArmInvalid(
                f"asked for {self._provider}, but ONNX Runtime fell back to {', '.join(self._session.get_providers())}"
            )
        self._outputs = bound_outputs(self._session.get_outputs(), request.artifact)
        self._fixed = replays_a_graph(self._plan.provider_options)
        self._binder = Binder(self._session, self._outputs, self._memory, fixed=self._fixed)
        self._loose: tuple[str, ...] = ()

    def bind(self, inputs: Arrays) -> None:
        """Put the inputs where the provider computes, and let it allocate the outputs there, once."""
        self._arrays = {name: _contiguous(array) for name, array in inputs.items()}
        self._results: list[Any] = []
        # Text cannot be bound: "Only binding non-string Tensors is currently supported".
        self._binds = self._request.options.get("io_binding", True) and not any(map(_is_text, self._arrays.values()))
        self._bound = self._binder.bind(self._arrays) if self._binds else None
        self._binding: Any = self._bound.binding if self._bound else None
        self._run_options: Any = self._bound.options if self._bound else None

    def run(self) -> None:
        """Run the session on what is bound; without IO binding on the arrays, whose copies then count."""
        if self._binding is None:
            self._results = self._session.run(list(self._outputs), self._arrays)
            return
        if self._loose:
            self._binder.loosen(self._binding, self._loose)
        try:
            self._session.run_with_iobinding(self._binding, self._run_options)
        except Exception as error:
            if self._loose or self._fixed or not refuses_its_own_output(error):
                raise
            # How large an output is changes from call to call; the first time that is seen in a call, then it is known.
            self._loose = tuple(self._outputs)
            self.run()

    @property
    def asynchronous(self) -> bool:
        """Only where outputs are on the device: the CPU provider returns when it is done."""
        return self._memory == "cuda"

    def synchronize(self) -> None:
        """Wait for outputs on the device."""
        if self.asynchronous and self._binding is not None:
            self._binding.synchronize_outputs()

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Profile a second session: see `ort_profile.py`; a plugin's library cannot be registered a second time."""
        from ortbench.engines.ort_profile import profile_calls

        if self._request.target == PLUGIN:
            return None
        asynchronous = self._memory == "cuda"
        return profile_calls(type(self)(), self._request, self._arrays, calls, asynchronous=asynchronous)

    def end_traces(self) -> list[str]:
        """End the profile and return its file."""
        return [str(self._session.end_profiling())]

    def outputs(self) -> Arrays | None:
        """Copy the outputs to main memory, those that are no tensors left out."""
        if self._binding is None:
            return dict(zip(self._outputs, self._results, strict=True))
        if not self._fixed:
            self._loose = self._loose or wrongly_declared(self._outputs, self._binding.get_outputs())
        return dict(zip(self._outputs, fetched(self._outputs, self._binding), strict=True))

    def evidence(self) -> Evidence:
        """Versions, threads as set, and ONNX Runtime's own record of which provider got each node.

        Raises:
            ArmError: an option fixes a dimension that the model does not have, which ONNX Runtime accepts.
        """
        import onnxruntime

        request, version = self._request, str(onnxruntime.__version__)
        sha256 = remembered_sha256(Path(request.artifact or ""))
        placement, facts = self._placement(sha256, version), self._graph(sha256, version)
        return Evidence(
            versions={"onnxruntime": version},
            boundary=self._boundary(),
            threads=int(self._session.get_session_options().intra_op_num_threads),
            placement=placement,
            precision=described_precision(request.precision, self._reported_lane(), facts),
            emulated=library_emulation(request.precision, self._provider, facts),
            artifact_sha256=sha256,
            convolution_search=ort_search(self._provider, self._reported_options(), placement),
            rebound=self._loose,
        )

    def _boundary(self) -> str:
        # What has no share of a batch has nothing bound.
        if not getattr(self, "_binds", self._request.options.get("io_binding", True)):
            return "host+copies"
        return "host" if self._memory == "cpu" else "device"

    def _reported_lane(self) -> dict[str, str]:
        """Return the lane's options as the provider reports them, or as it was told where it reports nothing."""
        if self._request.target == PLUGIN:
            return {}
        told = lane_options(PROVIDERS[self._request.target], self._request.precision)
        reported = self._reported_options()
        return {name: str(reported.get(name, f"{value} (as told)")) for name, value in told.items()}

    def _reported_options(self) -> dict[str, str]:
        options: dict[str, str] = self._session.get_provider_options().get(self._provider, {})
        return options

    def _graph(self, sha256: str, version: str) -> GraphFacts | None:
        if not self._facts_read:
            self._facts_read, self._facts = True, graph_facts(self._request, sha256, version)
        return self._facts

    def _placement(self, sha256: str, version: str) -> Placement | None:
        nodes = _assignment(self._session)
        if nodes is None:
            return None
        facts = self._graph(sha256, version)
        if problem := unknown_dimension(self._plan.dimensions, facts):
            raise ArmError(problem)
        return summarize_placement(self._provider, nodes, facts)


def _contiguous(array: NDArray[np.generic]) -> NDArray[np.generic]:
    # Of numpy's own text ONNX Runtime takes no scalar; of objects it does.
    return array.astype(object) if array.dtype.kind == "U" else np.asarray(array, order="C")


def _is_text(array: NDArray[np.generic]) -> bool:
    return array.dtype.kind == "O"


def session_options(request: LoadRequest) -> Any:
    """Return session options with every thread count explicit and the node placement on record."""
    import onnxruntime

    plan = plan_session(request)
    modes = onnxruntime.ExecutionMode
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan.intra_threads
    options.inter_op_num_threads = plan.inter_threads
    options.execution_mode = modes.ORT_PARALLEL if plan.parallel else modes.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, plan.optimization_level)
    options.enable_cpu_mem_arena = plan.arena
    for key, value in plan.config.items():
        options.add_session_config_entry(key, value)
    for name, size in plan.dimensions.items():
        options.add_free_dimension_override_by_name(name, size)
    return options


def session_providers(request: LoadRequest) -> list[Any]:
    """Return the providers of a session, the one asked for first; a plugin's device goes with the options instead."""
    plan = plan_session(request)
    asked: list[Any] = [(PROVIDERS[request.target].name, plan.provider_options)]
    # Shape computations belong on the CPU; whether the rest went there too is read from the record.
    return asked + ([_CPU] if plan.cpu_follows else [])


def remedy(provider: Provider) -> str:
    """Say what would add a provider: its wheel in place of onnxruntime, and the hardware it needs."""
    if provider.wheel is None:
        return provider.needs
    return f"pip uninstall onnxruntime && pip install {provider.wheel}, on {provider.needs}"


def _choose_provider(request: LoadRequest, options: Any, plan: SessionPlan) -> tuple[list[Any] | None, str]:
    if request.target != PLUGIN:
        return session_providers(request), PROVIDERS[request.target].name
    handle, device = register_and_choose(request.options)
    options.add_provider_for_devices([handle], plan.provider_options)
    return None, device.ep


def _assignment(session: Any) -> tuple[AssignedNode, ...] | None:
    """Return ONNX Runtime's record; None from a version that keeps none."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    return assigned_nodes(
        (subgraph.ep_name, [(node.op_type, node.name) for node in subgraph.get_nodes()])
        for subgraph in session.get_provider_graph_assignment_info()
    )


def _refusal(provider: Provider) -> str | None:
    """Create a session of one node on `provider` with the CPU forbidden; return ONNX Runtime's complaint, or None."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(FORBID_FALLBACK, "1")
    options.log_severity_level = _ERRORS_ONLY + 1
    try:
        if provider.memory == "cuda":
            onnxruntime.preload_dlls()
        onnxruntime.InferenceSession(one_node_model(), options, providers=[provider.name], enable_fallback=0)
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no other common base
        return f"ONNX Runtime lists {provider.name} but cannot use it: {complaint(str(error))}"
    return None


def complaint(message: str) -> str:
    """Return ONNX Runtime's message on one line, without the file and the C++ function that it may begin with."""
    return " ".join(_SOURCE.sub("", message, count=1).split()).removesuffix(" .").removesuffix(".")


def one_node_model() -> bytes:
    """Return the smallest ONNX model worth running: y = x + x on one float."""
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "one_node", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized
