"""ONNX Runtime's execution providers as data: how a target is called there, and what it is told in each lane.

Option names are those of the providers' libraries (1.31.1 for CUDA and TensorRT, 1.24.1 for OpenVINO) or, where no
wheel for this system has the provider, of its documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ortbench.engines.cuda import GPU_REMEDY

_BUILD = "a build of ONNX Runtime with this provider"
PLUGIN = "plugin"
SUFFIX = "ExecutionProvider"


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes:
        name: ONNX Runtime's.
        wheel: the package whose onnxruntime has it; None where there is none for every system.
        needs: the hardware or build, in words.
        libraries: what the wheel does not bring and the provider loads; what is missing where the hardware is there.
        memory: where inputs and outputs are bound, `cpu` or `cuda`.
        options: the provider options it takes; others are refused.
        always: options that ortbench sets in every lane.
        lanes: precision -> options that make the provider compute in it; they cannot be overridden.
        threads_option: the option that takes the thread count, where the provider has a thread pool of its own.
        compiles: it turns subgraphs into single nodes, so ONNX Runtime's own fusions say little.
    """

    name: str
    wheel: str | None = None
    needs: str = _BUILD
    libraries: str | None = None
    memory: str = "cpu"
    options: tuple[str, ...] = ()
    always: Mapping[str, str] = field(default_factory=dict)
    lanes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threads_option: str | None = None
    compiles: bool = True

    @property
    def target(self) -> str:
        """The name in `ort:NAME`."""
        return self.name.removesuffix(SUFFIX).lower()


def _tensorrt_lane(*enabled: str) -> dict[str, str]:
    return {f"trt_{kind}_enable": str(int(kind in enabled)) for kind in ("fp16", "bf16", "int8")}


_CUDA_OPTIONS = (
    "arena_extend_strategy cudnn_conv1d_pad_to_nc1d cudnn_conv_algo_search cudnn_conv_use_max_workspace device_id "
    "do_copy_in_default_stream enable_cuda_graph enable_skip_layer_norm_strict_mode fuse_conv_bias gpu_mem_limit "
    "prefer_nhwc sdpa_kernel tunable_op_enable tunable_op_max_tuning_duration_ms tunable_op_tuning_enable "
    "use_ep_level_unified_stream use_tf32"
)
_TENSORRT_OPTIONS = (
    "device_id trt_auxiliary_streams trt_bf16_enable trt_build_heuristics_enable trt_builder_optimization_level "
    "trt_context_memory_sharing_enable trt_cuda_graph_enable trt_detailed_build_log trt_dla_core trt_dla_enable "
    "trt_dump_ep_context_model trt_dump_subgraphs trt_engine_cache_enable trt_engine_cache_path "
    "trt_engine_cache_prefix trt_engine_hw_compatible trt_ep_context_embed_mode trt_ep_context_file_path "
    "trt_extra_plugin_lib_paths trt_force_sequential_engine_build trt_force_timing_cache trt_fp16_enable "
    "trt_int8_calibration_table_name trt_int8_enable trt_int8_use_native_calibration_table "
    "trt_layer_norm_fp32_fallback trt_max_partition_iterations trt_max_workspace_size trt_min_subgraph_size "
    "trt_op_types_to_exclude trt_preview_features trt_profile_max_shapes trt_profile_min_shapes "
    "trt_profile_opt_shapes trt_sparsity_enable trt_tactic_sources trt_timing_cache_enable trt_timing_cache_path "
    "trt_weight_stripped_engine_enable"
)
_OPENVINO_OPTIONS = (
    "cache_dir device_type disable_dynamic_shapes enable_causallm enable_opencl_throttling enable_qdq_optimizer "
    "layout load_config model_priority num_of_threads num_streams precision reshape_input"
)
_MIGRAPHX_OPTIONS = (
    "device_id migraphx_fp16_enable migraphx_int8_enable migraphx_exhaustive_tune migraphx_mem_limit "
    "migraphx_arena_extend_strategy"
)
_QNN_OPTIONS = (
    "backend_path backend_type device_id enable_htp_fp16_precision htp_arch htp_graph_finalization_optimization_mode "
    "htp_performance_mode offload_graph_io_quantization profiling_level rpc_control_latency soc_model vtcm_mb"
)
_COREML_OPTIONS = (
    "AllowLowPrecisionAccumulationOnGPU EnableOnSubgraphs MLComputeUnits ModelCacheDirectory ModelFormat "
    "ProfileComputePlan RequireStaticInputShapes SpecializationStrategy"
)

_LISTED = (
    Provider(f"CPU{SUFFIX}", "onnxruntime", "nothing", compiles=False),
    Provider(
        f"CUDA{SUFFIX}",
        "onnxruntime-gpu",
        GPU_REMEDY,
        "the libraries of the CUDA version that this build is for (pip install 'onnxruntime-gpu[cuda,cudnn]')",
        memory="cuda",
        options=tuple(_CUDA_OPTIONS.split()),
        # TF32 is on unless told otherwise.
        lanes={"tf32": {"use_tf32": "1"}, "": {"use_tf32": "0"}},
        compiles=False,
    ),
    Provider(
        f"Tensorrt{SUFFIX}",
        "onnxruntime-gpu",
        f"{GPU_REMEDY}, and the TensorRT libraries",
        "the TensorRT libraries, where the loader finds them (LD_LIBRARY_PATH)",
        memory="cuda",
        options=tuple(_TENSORRT_OPTIONS.split()),
        always={"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"},
        lanes={
            "fp16": _tensorrt_lane("fp16"),
            "bf16": _tensorrt_lane("bf16"),
            "int8": _tensorrt_lane("int8"),
            "": _tensorrt_lane(),
        },
    ),
    Provider(
        f"OpenVINO{SUFFIX}",
        "onnxruntime-openvino",
        "an x86-64 processor",
        options=tuple(_OPENVINO_OPTIONS.split()),
        always={"device_type": "CPU", "num_streams": "1"},
        # Left alone, OpenVINO computes an fp32 model in bf16 on processors that can.
        lanes={"fp16": {"precision": "FP16"}, "": {"precision": "FP32"}},
        threads_option="num_of_threads",
    ),
    Provider(f"Dnnl{SUFFIX}", None, options=("use_arena",)),
    Provider(
        f"Xnnpack{SUFFIX}",
        None,
        options=("intra_op_num_threads",),
        threads_option="intra_op_num_threads",
        compiles=False,
    ),
)
_NAMES_ONLY = "NvTensorRTRTX VitisAI Nnapi VSINPU Js ArmNN ACL Rknpu WebNN WebGpu CANN"
# The rest of onnxruntime.get_all_providers(), as 1.24.1, 1.31.1 and 1.32.0 say it; Azure computes elsewhere.
_OTHERS = (
    Provider(
        f"MIGraphX{SUFFIX}",
        None,
        "an AMD GPU and its driver",
        options=tuple(_MIGRAPHX_OPTIONS.split()),
        lanes={
            "fp16": {"migraphx_fp16_enable": "1"},
            "int8": {"migraphx_int8_enable": "1"},
            "": {"migraphx_fp16_enable": "0", "migraphx_int8_enable": "0"},
        },
    ),
    Provider(f"QNN{SUFFIX}", "onnxruntime-qnn", "a Qualcomm processor", options=tuple(_QNN_OPTIONS.split())),
    Provider(f"CoreML{SUFFIX}", None, "macOS", options=tuple(_COREML_OPTIONS.split())),
    Provider(f"Dml{SUFFIX}", "onnxruntime-directml", "Windows", options=("device_id",), compiles=False),
    *(Provider(f"{name}{SUFFIX}") for name in _NAMES_ONLY.split()),
)
PROVIDERS: dict[str, Provider] = {provider.target: provider for provider in (*_LISTED, *_OTHERS)}
TARGETS = tuple(provider.target for provider in _LISTED)
OTHER_TARGETS = tuple(provider.target for provider in _OTHERS)


def lane_options(provider: Provider, precision: str) -> dict[str, str]:
    """Return what makes `provider` compute in `precision`; the entry named `""` serves every lane without its own."""
    return dict(provider.lanes.get(precision, provider.lanes.get("", {})))


def provider_options(
    provider: Provider, precision: str, threads: int, cache: str | None, given: Mapping[str, str]
) -> dict[str, str]:
    """Return the options a session is created with.

    Args:
        provider: the provider.
        precision: the lane.
        threads: computing threads.
        cache: a folder for compiled engines, where the provider keeps them; None for no such folder.
        given: what the user set with `provider.KEY=VALUE`.
    """
    options = dict(provider.always)
    if provider.threads_option:
        options[provider.threads_option] = str(threads)
    if provider.target == "tensorrt":
        folders = {"trt_engine_cache_path": cache, "trt_timing_cache_path": cache}
        options |= {name: folder for name, folder in folders.items() if folder}
        options = options if cache else dict.fromkeys(provider.always, "0")
    return options | dict(given) | lane_options(provider, precision)


def contradiction(provider: Provider, precision: str, given: Mapping[str, str]) -> str | None:
    """Say which of the given provider options contradicts the lane or the thread count, or return None."""
    for name, value in lane_options(provider, precision).items():
        if given.get(name, value) != value:
            return f"provider.{name}={given[name]} contradicts the {precision} lane, which needs {name}={value}"
    if provider.threads_option in given:
        return f"provider.{provider.threads_option} is what --threads says"
    return None
