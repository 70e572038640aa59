"""Records made up for tests of everything that only reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, PlannedCell, RoundRecord, Run

MS = 1_000_000


def make_run(
    engines: Sequence[str] = ("torch", "ort"),
    batch_sizes: Sequence[int] = (1,),
    threads: Sequence[int] = (2,),
    **changes: object,
) -> Run:
    """Return run.json's content for a complete study of a model `m`."""
    arms = tuple(ArmKey(engine) for engine in engines)
    cells = tuple(
        PlannedCell(key=CellKey(model="m", batch_size=size, threads=count), arms=arms, status="ok")
        for count in threads
        for size in batch_sizes
    )
    fields = {
        "state": "complete",
        "created": "2026-01-31T12:00:00+00:00",
        "command": ("ortbench", "compare"),
        "model": "m",
        "engines": tuple(engines),
        "baseline": engines[0],
        "seed": 0,
        "settings": {"target": 0.02},
        "machine": {"cpu": "test"},
        "versions": {},
        "cells": cells,
    }
    return Run(**{**fields, **changes})  # type: ignore[arg-type]  # a test names fields freely


def make_rounds(latencies_ms: Mapping[str, Sequence[Sequence[float]]], cell: str = "b1-t2") -> list[RoundRecord]:
    """Return one slice of one call per engine, launch and round.

    Args:
        latencies_ms: engine -> launches -> the latency of each round.
        cell: its id.
    """
    return [
        RoundRecord(
            cell=cell,
            launch=launch,
            round=number,
            position=0,
            engine=engine,
            started_s=0.0,
            samples_ns=(round(latency * MS),),
        )
        for engine, launches in latencies_ms.items()
        for launch, rounds in enumerate(launches, start=1)
        for number, latency in enumerate(rounds, start=1)
    ]


def make_launches(engines: Sequence[str], launches: int, cell: str = "b1-t2", **changes: object) -> list[LaunchRecord]:
    """Return a record of every engine made ready in every launch."""
    fields = {"status": "ok", "steady": True, "import_s": 1.0, "load_s": 0.5, "first_call_ns": 9 * MS}
    return [
        LaunchRecord(cell=cell, launch=launch, engine=engine, **{**fields, **changes})  # type: ignore[arg-type]
        for launch in range(1, launches + 1)
        for engine in engines
    ]
