from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.environment import GivenPython, Wheels, take_environment
from ortbench.engines.registry import REGISTRY, resolve_engines
from ortbench.errors import EngineSpecError


def test_an_engine_runs_in_this_interpreter_unless_it_says_otherwise() -> None:
    assert [engine.environment for engine in resolve_engines("torch,ort,ort:cuda,scripted[latency=2ms]")] == [None] * 4


@pytest.mark.parametrize("name", REGISTRY)
def test_every_engine_can_be_given_an_interpreter(name: str) -> None:
    [engine] = resolve_engines(f"{name}[python=venv/bin/python]")
    assert engine.environment == GivenPython("venv/bin/python")
    assert engine.options == {}
    assert engine.label == f"{name}[python=venv/bin/python]"


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("ort[version=1.24.4]", "onnxruntime==1.24.4"),
        ("ort:cpu[version=1.25.0rc1]", "onnxruntime==1.25.0rc1"),
        ("ort:cuda[version=1.24.4]", "onnxruntime-gpu[cuda,cudnn]==1.24.4"),
    ],
)
def test_a_version_is_a_wheel(text: str, requirement: str) -> None:
    [engine] = resolve_engines(text)
    assert isinstance(engine.environment, Wheels)
    assert engine.environment.requirement == requirement


@pytest.mark.parametrize(
    ("target", "version", "requirement"),
    [
        ("openvino", None, "onnxruntime-openvino"),
        ("openvino", "1.24.1", "onnxruntime-openvino==1.24.1"),
        ("tensorrt", "1.24.4", "onnxruntime-gpu[cuda,cudnn]==1.24.4"),
    ],
)
def test_each_target_has_its_wheel(target: str, version: str | None, requirement: str) -> None:
    options = {"version": version} if version else {}
    environment, rest = take_environment("ort", target, {**options, "intra": 1}, "spelled")
    assert isinstance(environment, Wheels)
    assert environment.requirement == requirement
    assert rest == {"intra": 1}


def test_a_target_in_a_given_interpreter_needs_no_wheel() -> None:
    assert take_environment("ort", "openvino", {"python": "p"}, "spelled")[0] == GivenPython("p")


def test_an_engines_own_options_stay() -> None:
    [engine] = resolve_engines("ort[version=1.24.4,graph_optimization_level=basic]")
    assert engine.options == {"graph_optimization_level": "basic"}
    assert engine.label == "ort[version=1.24.4,graph_optimization_level=basic]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ort[python=p,version=1.24.4]",
            "Expected either python or version in 'ort[python=p,version=1.24.4]': an interpreter has its own version.",
        ),
        (
            "ort[version=latest]",
            "Expected version of 'ort[version=latest]' to be one such as 1.24.4, but got 'latest'.",
        ),
        (
            "ort[version=1.24.*]",
            "Expected version of 'ort[version=1.24.*]' to be one such as 1.24.4, but got '1.24.*'.",
        ),
        (
            "ort[version=>=1.24]",
            "Expected version of 'ort[version=>=1.24]' to be one such as 1.24.4, but got '>=1.24'.",
        ),
        (
            "ort:*[version=1.24.4]",
            "Expected one target with version=, but 'ort:*[version=1.24.4]' asks for all; name those wanted.",
        ),
        (
            "torch[version=2.0]",
            "Expected an option of 'torch[version=2.0]' to be one of [channels_last, cudnn_benchmark, precision, "
            "python], but got 'version'.",
        ),
    ],
)
def test_what_is_no_environment_is_refused(text: str, message: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        resolve_engines(text)
    assert str(caught.value) == message


def test_a_target_without_a_known_wheel_has_no_versions() -> None:
    with pytest.raises(EngineSpecError) as caught:
        take_environment("ort", "xnnpack", {"version": "1.24.4"}, "ort:xnnpack[version=1.24.4]")
    assert str(caught.value) == (
        "Expected a target that has version= in 'ort:xnnpack[version=1.24.4]' to be one of "
        "[cpu, cuda, tensorrt, openvino], but got 'xnnpack'."
    )


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_only_releases_before_1_19_get_the_old_numpy(numbers: list[int]) -> None:
    requirements = Wheels("onnxruntime", ".".join(map(str, numbers))).requirements
    assert ("numpy<2" in requirements) == (numbers < [1, 19])
    assert ("numpy" in requirements) != ("numpy<2" in requirements)
    assert {"onnx", "msgspec>=0.20"} <= set(requirements)
