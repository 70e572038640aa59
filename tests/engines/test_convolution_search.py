from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ortbench.engines.base import LoadRequest, Placement
from ortbench.engines.convolution_search import has_convolutions, ort_search, torch_search
from ortbench.engines.ort import OrtEngine
from ortbench.engines.pytorch import TorchEngine
from ortbench.engines.registry import resolve_engines
from ortbench.errors import EngineSpecError
from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs
from ortbench.results.fairness import BOUNDARIES, CONVOLUTION_SEARCHES

CUDA = "CUDAExecutionProvider"


def placed(*operators: str) -> Placement:
    return Placement(requested=CUDA, assigned={CUDA: 1}, operators={CUDA: dict.fromkeys(operators, 1)})


def test_it_is_an_option_of_the_pytorch_engines_on_a_gpu() -> None:
    for name in ("torch", "torchscript", "compile"):
        [engine] = resolve_engines(f"{name}:cuda[cudnn_benchmark=true]")
        assert engine.options == {"cudnn_benchmark": True}
        with pytest.raises(EngineSpecError) as raised:
            resolve_engines(f"{name}[cudnn_benchmark=true]")
        assert str(raised.value) == (
            f"'{name}[cudnn_benchmark=true]' cannot be: cudnn_benchmark is for the target cuda, and nothing of cuDNN "
            "runs on cpu."
        )


@pytest.mark.parametrize(
    ("cuda", "convolutional", "searched", "told"),
    [
        (True, True, True, "searched"),
        (True, True, False, "heuristic"),
        (True, False, True, None),
        (False, True, True, None),
    ],
)
def test_what_pytorch_does_is_told_where_there_are_convolutions_on_a_gpu(
    cuda: bool, convolutional: bool, searched: bool, told: str | None
) -> None:
    assert torch_search(cuda=cuda, convolutional=convolutional, searched=searched) == told


def test_convolutions_are_found_in_a_module() -> None:
    layers = torch.nn
    assert has_convolutions(layers.Sequential(layers.ReLU(), layers.ConvTranspose1d(1, 1, 1)).modules())
    assert not has_convolutions(layers.Sequential(layers.Linear(1, 1), layers.BatchNorm2d(1)).modules())


@pytest.mark.parametrize(
    ("provider", "reported", "placement", "told"),
    [
        (CUDA, {}, None, "searched"),
        (CUDA, {"cudnn_conv_algo_search": "EXHAUSTIVE"}, placed("FusedConv"), "searched"),
        (CUDA, {"cudnn_conv_algo_search": "HEURISTIC"}, placed("Conv"), "heuristic"),
        (CUDA, {"cudnn_conv_algo_search": "DEFAULT"}, placed("NhwcConv"), "heuristic"),
        (CUDA, {}, placed("MatMul"), None),
        ("CPUExecutionProvider", {}, None, None),
    ],
)
def test_what_onnx_runtime_does_is_read_from_the_session(
    provider: str, reported: dict[str, str], placement: Placement | None, told: str | None
) -> None:
    assert ort_search(provider, reported, placement) == told


def test_whatever_engines_say_has_words() -> None:
    options: list[dict[str, bool]] = [{}, {"io_binding": False}]
    said = {
        OrtEngine._boundary(SimpleNamespace(_request=SimpleNamespace(options=each), _memory=memory))  # type: ignore[arg-type]  # all that it looks at
        for each in options
        for memory in ("cpu", "cuda")
    }
    assert said == set(BOUNDARIES)
    told = {torch_search(cuda=True, convolutional=True, searched=searched) for searched in (True, False)}
    assert told == set(CONVOLUTION_SEARCHES)


def test_pytorch_is_told_before_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    source = find_model("tiny").source()
    engine = TorchEngine()
    engine.load(LoadRequest(source=source, artifact=None, target="cpu", threads=1, options={"cudnn_benchmark": True}))
    try:
        assert torch.backends.cudnn.benchmark
        engine.bind(make_inputs(source, 1))
        engine.run()
        assert engine.evidence().convolution_search is None, "nothing was searched on a CPU"
    finally:
        engine._inference_mode.__exit__(None, None, None)
