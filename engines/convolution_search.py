"""Whether the algorithm of each convolution on a GPU was found by timing them all. Pure.

ONNX Runtime's CUDA provider does so unless told otherwise (`cudnn_conv_algo_search` is EXHAUSTIVE); PyTorch goes by
heuristics unless `torch.backends.cudnn.benchmark` is set. Where only one side of a comparison searched, it is marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ortbench.engines.base import OptionValue, Placement
from ortbench.engines.options import Option
from ortbench.errors import EngineSpecError

SEARCHED, HEURISTIC = "searched", "heuristic"
CUDNN_BENCHMARK = Option(
    "cudnn_benchmark",
    "bool",
    default=False,
    help="let cuDNN time its algorithms for each convolution and keep the fastest, as ort:cuda does (cuda only)",
)
_ORT_PROVIDER = "CUDAExecutionProvider"
_ORT_OPTION = "cudnn_conv_algo_search"
_ORT_DEFAULT = "EXHAUSTIVE"


def check_cudnn_benchmark(target: str, options: Mapping[str, OptionValue], spelling: str) -> None:
    """Refuse the option where there is no cuDNN.

    Raises:
        EngineSpecError: naming the target that has it.
    """
    if CUDNN_BENCHMARK.name in options and target != "cuda":
        raise EngineSpecError(
            f"'{spelling}' cannot be: {CUDNN_BENCHMARK.name} is for the target cuda, "
            f"and nothing of cuDNN runs on {target}."
        )


def has_convolutions(layers: Iterable[Any]) -> bool:
    """Say whether any of a PyTorch module's layers is a convolution, told by `transposed`, which no other has."""
    return any(hasattr(layer, "transposed") for layer in layers)


def torch_search(*, cuda: bool, convolutional: bool, searched: bool) -> str | None:
    """Return how PyTorch chooses among cuDNN's algorithms; None without a GPU, or where no convolution is known of.

    Args:
        cuda: whether the model runs on a GPU.
        convolutional: whether the model has convolutions.
        searched: `torch.backends.cudnn.benchmark`, or a compiler that times them itself.
    """
    if not cuda or not convolutional:
        return None
    return SEARCHED if searched else HEURISTIC


def ort_search(provider: str, reported: Mapping[str, str], placement: Placement | None) -> str | None:
    """Return how ONNX Runtime's CUDA provider chooses; None for another provider or without convolutions.

    Args:
        provider: that was asked for.
        reported: its options, as the session reports them.
        placement: which operators it runs; convolutions are taken to be there where that is not known.
    """
    if provider != _ORT_PROVIDER:
        return None
    operators = (placement.operators or {}).get(provider) if placement else None
    if operators is not None and not any("conv" in name.lower() for name in operators):
        return None
    return SEARCHED if reported.get(_ORT_OPTION, _ORT_DEFAULT).upper() == _ORT_DEFAULT else HEURISTIC
