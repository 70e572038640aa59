from __future__ import annotations

import pytest

from ortbench.engines.base import Engine, Evidence, Placement
from ortbench.engines.evidence import fallback_reason
from ortbench.engines.registry import REGISTRY, resolve_engines
from ortbench.errors import EngineSpecError
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("torch,ort", ["torch", "ort"]),
        ("ort:cpu", ["ort"]),
        ("ort:cuda", ["ort:cuda"]),
        ("openvino:*", ["openvino", "openvino:gpu"]),
        ("ort:VitisAI", ["ort:vitisai"]),
        ("ort:OpenVINOExecutionProvider", ["ort:openvino"]),
        ("torch:cpu[channels_last=true]", ["torch[channels_last=true]"]),
        ("torch,torch[channels_last=true]", ["torch", "torch[channels_last=true]"]),
        ("scripted[latency=2ms,crash_at=3]", ["scripted[latency=2ms,crash_at=3]"]),
    ],
)
def test_an_engine_is_spelled_in_its_shortest_form(text: str, labels: list[str]) -> None:
    assert [engine.label for engine in resolve_engines(text)] == labels


@pytest.mark.parametrize(
    ("engine", "model", "libraries"),
    [
        ("torch", "resnet18", ("torch", "torchvision")),
        ("torch", "tiny", ("torch",)),
        ("ort", "resnet18", ("onnxruntime",)),
        ("null", "resnet18", ()),
    ],
)
def test_only_an_engine_that_builds_the_module_imports_what_that_takes(
    engine: str, model: str, libraries: tuple[str, ...]
) -> None:
    assert REGISTRY[engine].libraries_for(find_model(model).source()) == libraries
    assert (
        REGISTRY[engine].libraries_for(ModelSource(name=model, path="m.onnx", inputs=())) == REGISTRY[engine].libraries
    )


def test_options_are_typed() -> None:
    [engine] = resolve_engines("scripted[latency=2ms,crash_at=3,wrong_output=true]")
    assert engine.options == {"latency": 0.002, "crash_at": 3, "wrong_output": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tensorflow",
            "Expected an engine to be one of [torch, torchscript, compile, aoti, openvino, ort, null, scripted], "
            "but got 'tensorflow'. See `ortbench engines`.",
        ),
        ("torch:tpu", "Expected the target of 'torch:tpu' to be one of [cpu, cuda], but got 'tpu'."),
        (
            "torch[layout=nhwc]",
            "Expected an option of 'torch[layout=nhwc]' to be one of "
            "[channels_last, cudnn_benchmark, precision, python], "
            "but got 'layout'.",
        ),
        (
            "torch[channels_last=yes]",
            "Expected channels_last of 'torch[channels_last=yes]' to be one of [true, false], but got 'yes'.",
        ),
        ("null[a=1]", "Expected an option of 'null[a=1]' to be one of [python], but got 'a'."),
        ("ort,torch,ort:cpu", "Expected each engine once, but 'ort,torch,ort:cpu' names ort twice."),
        (
            "scripted[latency=soon]",
            "Expected latency of 'scripted[latency=soon]' to be a duration such as 90s, 5m, 1h or 50ms, "
            "but got 'soon'.",
        ),
        (
            "scripted[crash_at=-1]",
            "Expected crash_at of 'scripted[crash_at=-1]' to be a whole number, but got '-1'.",
        ),
        (
            "ort[graph_optimization_level=99]",
            "Expected graph_optimization_level of 'ort[graph_optimization_level=99]' to be one of "
            "[disable, basic, extended, layout, all], but got '99'.",
        ),
    ],
)
def test_an_engine_that_does_not_exist_is_refused(text: str, message: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        resolve_engines(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", REGISTRY)
def test_every_entry_points_at_a_complete_engine(name: str) -> None:
    assert isinstance(REGISTRY[name].create(), Engine)


def test_an_incomplete_engine_cannot_be_created() -> None:
    class Half(Engine):
        def run(self) -> None:
            """Only this."""

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]  # which is the point


@pytest.mark.parametrize(
    ("assigned", "reason"),
    [
        ({"CUDAExecutionProvider": 120, "CPUExecutionProvider": 2}, None),
        (
            {"CPUExecutionProvider": 122},
            "asked for CUDAExecutionProvider, but the nodes ran on: CPUExecutionProvider (122)",
        ),
        ({}, "asked for CUDAExecutionProvider, but the nodes ran on: nothing"),
    ],
)
def test_a_fallback_is_read_from_the_placement(assigned: dict[str, int], reason: str | None) -> None:
    placement = Placement(requested="CUDAExecutionProvider", assigned=assigned)
    assert fallback_reason(Evidence(versions={}, placement=placement)) == reason


def test_the_share_on_the_requested_provider_is_known() -> None:
    placement = Placement(requested="a", assigned={"a": 3, "b": 1})
    assert placement.requested_share == 0.75
    assert Placement(requested="a", assigned={}).requested_share == 0
