"""Eager PyTorch with gradients on records every operation for a backward pass that nobody will ask for.

Forty small layers, where recording weighs most, in three modes that take turns call by call. "Kept" is what the call
holds in memory for the backward pass.

    python examples/demonstrations/gradients.py [--quick]
"""

import argparse
import statistics
import time
from contextlib import AbstractContextManager

import torch
from torch import nn

MODES = {"gradients on": torch.enable_grad, "no_grad": torch.no_grad, "inference_mode": torch.inference_mode}
LAYERS, WIDTH, BATCH = 40, 64, 8


def kept_kib(module: nn.Module, x: torch.Tensor, mode: AbstractContextManager[object]) -> float:
    """Return the size in KiB of the results that one call keeps for a backward pass, parameters not counted."""
    kept: dict[int, int] = {}
    parameters = {parameter.data_ptr() for parameter in module.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in parameters:
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with mode, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(kept.values()) / 1024


def main() -> None:
    """Measure the three modes and print latency, ratio and memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rounds = 20 if parser.parse_args().quick else 3000
    torch.set_num_threads(1)
    layers = [layer for _ in range(LAYERS) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    module, x = nn.Sequential(*layers).eval(), torch.ones(BATCH, WIDTH)
    durations: dict[str, list[float]] = {label: [] for label in MODES}
    for _ in range(rounds):
        for label, mode in MODES.items():
            with mode():
                started = time.perf_counter()
                module(x)
                durations[label].append((time.perf_counter() - started) * 1e6)
    medians = {label: statistics.median(values) for label, values in durations.items()}
    print(f"{'mode':18}{'microseconds':>14}{'over inference_mode':>22}{'KiB kept':>10}")
    for label, mode in MODES.items():
        ratio = medians[label] / medians["inference_mode"]
        print(f"{label:18}{medians[label]:14.0f}{ratio:21.2f}x{kept_kib(module, x, mode()):10.0f}")


if __name__ == "__main__":
    main()
