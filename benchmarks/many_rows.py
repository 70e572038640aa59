"""What CSVs of very many rows cost: CPU seconds, wall seconds and memory of each command.

    uv run python benchmarks/many_rows.py [ROWS [COMMAND...]]

Every file has the same number of rows and varies one thing. Prints a Markdown table with the machine above it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_COMMANDS = ("check", "show")
_INSTANCES = ((1, "single"), (2, "split"), (4, "split"), (8, "split"))
_HEADER = "model,engine,batch_size,threads,instances,mode,latency_ms"


def rows(kind: str, count: int) -> Iterator[str]:
    """Yield the rows of a CSV in which models, engines, threads, instances or batch sizes vary."""
    for number in range(count):
        pair = number // 2
        model, engine, batch_size, threads = "m", ("ort", "torch")[number % 2], 1, 1
        instances, mode = 1, "single"
        if kind == "models":
            model = f"m{pair}"
        elif kind == "engines":
            engine = f"e{number}"
        elif kind == "threads":
            threads = pair + 1
        elif kind == "instances":
            instances, mode = _INSTANCES[pair % len(_INSTANCES)]
            batch_size = pair // len(_INSTANCES) + 1
        else:
            batch_size = pair + 1
        latency = 1 + number * 7919 % 1000 / 1000
        yield f"{model},{engine},{batch_size},{threads},{instances},{mode},{latency:g}"


def cost(command: str, kind: str, file: Path) -> str:
    """Run one command in a process of its own; return a row of the table.

    Raises:
        RuntimeError: the command did not answer.
    """
    engines = "e1/e0" if kind == "engines" else "torch/ort"
    more = {
        "check": ["--require", f"{engines} >= 0.5"],
        "charts": ["--output", str(file.with_name("charts"))],
        "report": ["--output", str(file.with_name("report.html"))],
    }
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "ortbench", command, str(file), *more.get(command, [])],
        stdout=subprocess.DEVNULL,
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    # Nothing can be decided without intervals: `check` then ends with 3.
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{command} of {kind} ended with {process.returncode}")
    return f"| {command} | {kind} | {used.ru_utime + used.ru_stime:.1f} | {wall:.1f} | {used.ru_maxrss / 1024:.0f} |"


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    load, version = os.getloadavg()[0], platform.python_version()
    print(f"{count} rows; {platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f}, Python {version}")
    print("\n| command | varies | CPU s | wall s | MiB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("batch sizes", "instances", "models", "engines", "threads"):
            file = Path(folder) / f"{kind.replace(' ', '-')}.csv"
            file.write_text("\n".join([_HEADER, *rows(kind, count)]) + "\n")
            for command in sys.argv[2:] or _COMMANDS:
                print(cost(command, kind, file), flush=True)


if __name__ == "__main__":
    main()
