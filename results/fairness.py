"""Is the comparison equal? What one arm proved about itself, and how arms of a cell differ. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from ortbench.results.schema import ArmKey, LaunchRecord
from ortbench.results.summary import Summary

_DIGITS = 12
# How an engine's spelling says that its layout was asked for.
_LAYOUT_OPTION = "channels_last=true"
# Where a timed call begins and ends, as engines report it, in words.
BOUNDARIES = {
    "host": "from main memory to main memory",
    "device": "on the device, without copies",
    "host+copies": "with copies of inputs and outputs",
}
# How the algorithms of convolutions were chosen, as engines report it, in words.
CONVOLUTION_SEARCHES = {
    "searched": "with the algorithm of each convolution found by timing them all",
    "heuristic": "with the algorithms of convolutions chosen by heuristics",
}


def refusal(record: LaunchRecord, threads: int, artifact_sha256: str | None) -> str | None:
    """Say why what an arm proved about itself makes its figures no fair ones; None where nothing does.

    Args:
        record: of its launch; what it does not know is no reason.
        threads: asked for.
        artifact_sha256: of the ONNX file that it was given; None where it was given none.
    """
    return next(_refusals(record, threads, artifact_sha256), None)


def _refusals(record: LaunchRecord, threads: int, artifact_sha256: str | None) -> Iterator[str]:
    evidence = record.evidence or {}
    busy, loaded = evidence.get("busy_threads"), evidence.get("artifact_sha256")
    if record.threads is not None and record.threads != threads:
        yield f"asked for {_threads(threads)}, but the library reports {record.threads}"
    # Beside a GPU the processor mostly waits, and what helps it to wait would count.
    if busy is not None and busy > threads and record.boundary == "host":
        yield f"asked for {_threads(threads)}, but {busy} were busy, by their CPU time"
    if evidence.get("gradients"):
        yield "its calls record gradients"
    if loaded and artifact_sha256 and loaded != artifact_sha256:
        mine, given = loaded[:_DIGITS], artifact_sha256[:_DIGITS]
        yield f"it loaded another model file (sha256 {mine}) than it was given ({given})"


def marks(records: Mapping[ArmKey, LaunchRecord], baseline: str) -> dict[ArmKey, tuple[str, ...]]:
    """Return in words what makes the comparison of each arm with the baseline less than equal.

    Args:
        records: of one cell, each arm's last launch.
        baseline: the engine that the others are compared with; nothing is said of it, nor of anything without it.
    """
    other = records.get(ArmKey(baseline))
    if other is None:
        return {}
    compared = {arm: record for arm, record in records.items() if arm.engine != baseline}
    return {arm: tuple(_differences(record, other)) for arm, record in compared.items()}


def told_marks(summary: Summary) -> list[str]:
    """Return one sentence for each engine and mark, with the places where it does not hold in all of its cells."""
    cells: dict[str, int] = Counter(arm.engine for cell in summary.cells for arm in cell.arms if not arm.twin)
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in summary.cells:
        for arm in cell.arms:
            for mark in arm.marks:
                places[arm.engine, mark].append(cell.place)
    return [
        f"{engine}: {mark}" + ("" if len(found) == cells[engine] else f" (at {' and at '.join(found)})")
        for (engine, mark), found in places.items()
    ]


def _differences(record: LaunchRecord, baseline: LaunchRecord) -> Iterator[str]:
    if record.boundary and baseline.boundary and record.boundary != baseline.boundary:
        mine, theirs = (BOUNDARIES.get(each, each) for each in (record.boundary, baseline.boundary))
        yield f"timed {mine}, while {baseline.engine} is timed {theirs}"
    searches = [(each.evidence or {}).get("convolution_search") for each in (record, baseline)]
    if all(searches) and searches[0] != searches[1]:
        mine, theirs = (CONVOLUTION_SEARCHES.get(str(each), str(each)) for each in searches)
        yield f"run {mine}, while {baseline.engine} is run {theirs}"
    layouts = [(each.evidence or {}).get("layout") for each in (record, baseline)]
    if all(layouts) and layouts[0] != layouts[1] and not _layout_was_asked_for((record.engine, baseline.engine)):
        yield f"given its images as {layouts[0]}, while {baseline.engine} is given them as {layouts[1]}"


def _layout_was_asked_for(engines: Iterable[str]) -> bool:
    return any(_LAYOUT_OPTION in engine.partition("[")[2] for engine in engines)


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")
