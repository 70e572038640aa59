"""A smaller number format is faster only where the CPU computes in it; elsewhere it is converted at every operation.

The same linear layer and the same convolution in three formats, on one thread, taking turns call by call.

    python examples/demonstrations/emulated_precision.py [--quick]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import torch
from torch import nn

FORMATS = (torch.float32, torch.bfloat16, torch.float16)
WANTED = ("avx512_bf16", "amx_bf16", "avx512_fp16", "asimdhp", "bf16")


def cpu_flags() -> list[str]:
    """Return those of the CPU's features that compute in 16 bits."""
    path = Path("/proc/cpuinfo")
    words = set(path.read_text(encoding="ascii", errors="replace").split()) if path.exists() else set()
    return [flag for flag in WANTED if flag in words]


def layers() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    """Return what is measured, each with its input."""
    return {
        "linear 1024 x 1024, batch 64": (nn.Linear(1024, 1024), torch.randn(64, 1024)),
        "convolution 3 x 3, 64 channels, 56 x 56": (nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 56, 56)),
    }


def in_turn(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median duration of each call in ms."""
    durations: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, own in zip(calls, durations, strict=True):
            started = time.perf_counter()
            call()
            if number:  # the first is the warm-up
                own.append((time.perf_counter() - started) * 1000)
    return [statistics.median(own) for own in durations]


def main() -> None:
    """Measure and print each format's latency and its ratio to float32."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rounds = 1 if parser.parse_args().quick else 100
    torch.set_num_threads(1)
    torch.inference_mode().__enter__()
    print(f"CPU features for 16 bits: {', '.join(cpu_flags()) or 'none'}")
    for label, (module, x) in layers().items():
        calls = [partial(deepcopy(module).to(kind), x.to(kind)) for kind in FORMATS]
        medians = in_turn(calls, rounds)
        for kind, median in zip(FORMATS, medians, strict=True):
            name = str(kind).removeprefix("torch.")
            print(f"{label:42}{name:>10}{median:9.2f} ms{medians[0] / median:8.2f}x")


if __name__ == "__main__":
    main()
