from __future__ import annotations

import pytest

from ortbench.engines.ort_providers import OTHER_TARGETS, PROVIDERS, TARGETS, contradiction, provider_options
from ortbench.engines.registry import resolve_engines
from ortbench.errors import EngineSpecError

# onnxruntime.get_all_providers() of 1.32.0 and of the onnxruntime-gpu 1.31.1 and onnxruntime-openvino 1.24.1 wheels.
RECORDED = {
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "OpenVINOExecutionProvider",
    "DnnlExecutionProvider",
    "VitisAIExecutionProvider",
    "QNNExecutionProvider",
    "NnapiExecutionProvider",
    "VSINPUExecutionProvider",
    "JsExecutionProvider",
    "CoreMLExecutionProvider",
    "DmlExecutionProvider",
    "RknpuExecutionProvider",
    "WebNNExecutionProvider",
    "WebGpuExecutionProvider",
    "XnnpackExecutionProvider",
    "CANNExecutionProvider",
    "AzureExecutionProvider",
    "CPUExecutionProvider",
    "NvTensorRTRTXExecutionProvider",
    "ArmNNExecutionProvider",
    "ACLExecutionProvider",
}


def options_of(target: str, precision: str = "fp32", threads: int = 3, **given: str) -> dict[str, str]:
    return provider_options(PROVIDERS[target], precision, threads, "/cache", given)


def test_every_provider_that_computes_here_has_a_target() -> None:
    assert {provider.name for provider in PROVIDERS.values()} == RECORDED - {"AzureExecutionProvider"}


def test_the_installed_version_has_no_provider_that_is_unknown() -> None:
    import onnxruntime

    assert set(onnxruntime.get_all_providers()) <= RECORDED


@pytest.mark.parametrize("name", sorted(RECORDED - {"AzureExecutionProvider"}))
def test_a_provider_is_called_by_its_name_in_any_case(name: str) -> None:
    short = name.removesuffix("ExecutionProvider")
    labels = {resolve_engines(f"ort:{text}")[0].label for text in (name, short, short.upper(), short.lower())}
    assert len(labels) == 1


def test_every_provider_of_this_machine_means_every_target_but_plugins() -> None:
    assert [engine.target for engine in resolve_engines("ort:*")] == [*TARGETS, *OTHER_TARGETS]


def test_azure_computes_elsewhere() -> None:
    with pytest.raises(
        EngineSpecError, match=r"^Expected the target of 'ort:azure' to be one of \[cpu, cuda, .*plugin\]"
    ):
        resolve_engines("ort:azure")


@pytest.mark.parametrize(
    ("target", "precision", "expected"),
    [
        ("cpu", "fp32", {}),
        ("cuda", "fp32", {"use_tf32": "0"}),
        ("cuda", "fp16", {"use_tf32": "0"}),
        ("cuda", "tf32", {"use_tf32": "1"}),
        ("dnnl", "fp32", {}),
        ("xnnpack", "fp32", {"intra_op_num_threads": "3"}),
        (
            "openvino",
            "fp32",
            {"device_type": "CPU", "num_streams": "1", "num_of_threads": "3", "precision": "FP32"},
        ),
        (
            "tensorrt",
            "fp32",
            {
                "trt_engine_cache_enable": "1",
                "trt_timing_cache_enable": "1",
                "trt_engine_cache_path": "/cache",
                "trt_timing_cache_path": "/cache",
                "trt_fp16_enable": "0",
                "trt_bf16_enable": "0",
                "trt_int8_enable": "0",
            },
        ),
        ("vitisai", "fp32", {}),
    ],
)
def test_a_provider_is_told_its_lane_and_threads(target: str, precision: str, expected: dict[str, str]) -> None:
    assert options_of(target, precision) == expected


@pytest.mark.parametrize(("precision", "enabled"), [("fp16", "fp16"), ("bf16", "bf16"), ("int8", "int8")])
def test_tensorrt_computes_in_one_kind_at_a_time(precision: str, enabled: str) -> None:
    options = options_of("tensorrt", precision)
    assert {kind for kind in ("fp16", "bf16", "int8") if options[f"trt_{kind}_enable"] == "1"} == {enabled}


def test_without_a_folder_tensorrt_keeps_no_engines() -> None:
    options = provider_options(PROVIDERS["tensorrt"], "fp32", 1, None, {})
    assert options["trt_engine_cache_enable"] == "0"
    assert "trt_engine_cache_path" not in options


def test_what_the_user_gives_goes_before_what_is_usual() -> None:
    assert options_of("openvino", num_streams="2")["num_streams"] == "2"


@pytest.mark.parametrize(
    ("target", "given", "problem"),
    [
        ("cuda", {"use_tf32": "1"}, "provider.use_tf32=1 contradicts the fp32 lane, which needs use_tf32=0"),
        ("cuda", {"use_tf32": "0"}, None),
        ("cuda", {"prefer_nhwc": "1"}, None),
        (
            "tensorrt",
            {"trt_fp16_enable": "1"},
            "provider.trt_fp16_enable=1 contradicts the fp32 lane, which needs trt_fp16_enable=0",
        ),
        (
            "openvino",
            {"precision": "FP16"},
            "provider.precision=FP16 contradicts the fp32 lane, which needs precision=FP32",
        ),
        ("openvino", {"num_of_threads": "8"}, "provider.num_of_threads is what --threads says"),
        ("cpu", {}, None),
    ],
)
def test_an_option_against_the_lane_is_a_contradiction(target: str, given: dict[str, str], problem: str | None) -> None:
    assert contradiction(PROVIDERS[target], "fp32", given) == problem


def test_what_every_provider_is_told_is_among_its_own_options() -> None:
    for provider in PROVIDERS.values():
        told = provider_options(provider, "fp32", 1, "/cache", {})
        assert told.keys() <= set(provider.options), provider.name
