"""Thread counts and affinity that are set after the import do nothing: the library has read them already.

Each row is a process of its own, which imports PyTorch before or after a setting, or makes a session of ONNX Runtime
with its default thread count, and then says how many threads will compute.

    python examples/demonstrations/late_settings.py [--quick]
"""

import argparse
import os
import subprocess
import sys

CASES = (
    "torch, nothing set",
    "torch, OMP_NUM_THREADS=1 before the import",
    "torch, OMP_NUM_THREADS=1 after the import",
    "torch, one CPU allowed before the import",
    "torch, one CPU allowed after the import",
    "ort, nothing set",
    "ort, OMP_NUM_THREADS=1 before the import",
    "ort, one CPU allowed before the import",
)


def apply(setting: str) -> None:
    """Limit this process to one thread, by its environment or by its affinity."""
    if setting.startswith("OMP"):
        os.environ["OMP_NUM_THREADS"] = "1"
    elif setting.startswith("one CPU"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def threads_of_torch() -> int:
    """Return how many threads PyTorch will compute with."""
    import torch

    return torch.get_num_threads()


def threads_of_onnxruntime() -> int:
    """Return how many threads a session of default options computes with: those it started and the caller."""
    import onnxruntime
    import psutil

    from ortbench.engines.ort import one_node_model

    before = psutil.Process().num_threads()
    session = onnxruntime.InferenceSession(one_node_model())  # noqa: F841 - its threads live as long as it does
    return psutil.Process().num_threads() - before + 1


def child(case: str) -> None:
    """Carry out one case and print its number of threads and of CPUs."""
    library, _, setting = case.partition(", ")
    if setting.endswith("after the import"):
        threads_of_torch()
    apply(setting)
    count = threads_of_torch() if library == "torch" else threads_of_onnxruntime()
    print(f"{case:44}{count:>8}{len(os.sched_getaffinity(0)):>14}")


def main() -> None:
    """Run all cases, and print them in their order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the same; it takes some seconds anyway")
    parser.add_argument("--case", choices=CASES)
    given = parser.parse_args()
    if given.case:
        child(given.case)
        return
    commands = [[sys.executable, __file__, "--case", case] for case in CASES]
    print(f"{'case':44}{'threads':>8}{'CPUs allowed':>14}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    for process in [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for command in commands]:
        print(process.communicate()[0].decode(), end="")


if __name__ == "__main__":
    main()
