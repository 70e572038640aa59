"""One study of each kind that a report is made of, from made-up records."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.loadgen import LoadRun
from ortbench.results.roofline import Peaks, Roofline, Work
from ortbench.results.schema import ArmKey, CellKey, PlannedCell, RoundRecord
from ortbench.results.study import Results
from tests.results.factory import MS, make_launches, make_results, make_run, with_failed

_ROOFS = Roofline(
    work={"fp32": Work(flops_per_item=8 * 10**9, weight_bytes=10**8, activation_bytes_per_item=8 * 10**7)},
    peaks=tuple(
        Peaks(threads=threads, gflop_per_s=1000.0 * threads, gbyte_per_s=12, product="numpy", stream="copy")
        for threads in (1, 2)
    ),
)


def _keys(batch_sizes: tuple[int, ...] = (1, 4), threads: tuple[int, ...] = (2,), **more: str) -> list[CellKey]:
    return [
        CellKey(model="m", batch_size=size, threads=count, **more)  # type: ignore[arg-type]  # texts all of them
        for count, size in itertools.product(threads, batch_sizes)
    ]


def _instances() -> Results:
    ways: tuple[tuple[int, int, str], ...] = ((2, 1, "single"), (1, 2, "split"), (1, 2, "stream"))
    keys = [
        CellKey(model="m", batch_size=4, threads=threads, instances=instances, mode=mode, allocator=allocator)
        for (threads, instances, mode), allocator in zip(ways, ("tcmalloc", "default", "default"), strict=True)
    ]
    keys.append(CellKey(model="m", batch_size=4, threads=2))
    return make_results(keys)


def _load() -> Results:
    key = CellKey(model="m", batch_size=1, threads=2, load="poisson@20/s")
    cell = PlannedCell(key=key, arms=(ArmKey("torch"), ArmKey("ort")), status="ok")
    account = LoadRun(
        seeds=(1, 2, 3),
        queries=600,
        valid=True,
        scheduled_ns=10**9,
        busy_ns=5 * 10**8,
        calls=600,
        bound_ns=100 * MS,
    )
    rounds = [
        RoundRecord(
            cell=key.id,
            launch=launch,
            round=1,
            position=0,
            engine=engine,
            started_s=0.0,
            samples_ns=tuple(round((slowest - query / 100) * MS) for query in range(600)),
            wall_ns=10**9,
            items=600,
            loadgen=account,
        )
        for engine, slowest in (("torch", 30), ("ort", 20))
        for launch in (1, 2)
    ]
    run, launches = make_run(cells=(cell,)), make_launches(["torch", "ort"], 2, key.id)
    return Results(Path("results"), summarize(run, rounds, launches), run, tuple(rounds), tuple(launches))


def _csv() -> Results:
    lines = ["engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms"]
    for engine, size, threads in itertools.product(("torch", "ort"), (1, 4), (1, 2, 8)):
        latency = 10 * size / threads**0.8 / (1 + (engine == "ort"))
        lines.append(f"{engine},{size},{threads},{latency},{latency * 0.9},{latency * 1.1}")
    return Results(Path("x.csv"), summarize_csv_text("\n".join(lines), "x.csv", "x"))


KINDS: dict[str, Callable[[], Results]] = {
    "one engine, one cell": lambda: make_results(_keys((1,)), ("ort",)),
    "one engine": lambda: make_results(_keys(threads=(1, 2)), ("ort",)),
    "two engines, one thread count": lambda: make_results(_keys()),
    "several engines and thread counts": lambda: make_results(
        _keys((1, 4), (1, 2)), ("torch", "compile", "openvino", "ort"), roofline=_ROOFS
    ),
    "load": _load,
    "instances and allocators": _instances,
    "precisions": lambda: make_results([*_keys((1,)), *_keys((1,), precision="int8")]),
    "CSV": _csv,
    "CSV of one engine": lambda: Results(
        Path("x.csv"), summarize_csv_text("engine,batch_size,threads,latency_ms\nort,1,1,5\n", "x.csv", "x")
    ),
    "one launch": lambda: make_results(_keys(), launches=1),
    "failed arms": lambda: with_failed(
        with_failed(make_results(_keys(), ("torch", "compile", "ort")), "ort", ["b4-t2"]), "torch", ["b1-t2"]
    ),
}
