r"""Is what `ortbench tune` finds as good as the best of the whole grid, and for how much of the time?

    ortbench compare --engines torch,torchscript,ort --allocators default,tcmalloc --scaling --no-charts \
        --max-time 40m --output grid
    ortbench tune --engines torch,torchscript,ort --allocators default,tcmalloc --output tuned
    uv run python benchmarks/tuning.py grid tuned

Both winners are judged by the grid's figures, so that neither is flattered by the rounds that chose it; the grid's own
winner still is, a little, which counts against `tune`. The grid's time is given twice: as the study took it, and
without what `tune` does not do, which is divided batches, the baseline's twin, the check of many inputs, finals, roofs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from ortbench.results.folder import TUNING_FILE, read_run
from ortbench.results.journal import read_launches, read_rounds
from ortbench.results.source import load_summary
from ortbench.results.tuning import Tuning

# (engine, allocator, threads, instances, mode, batch size)
Place = tuple[str, str, int, int, str, int]


def grid_rates(folder: Path) -> dict[Place, float]:
    """Return items per second of every configuration of a study, divided batches excepted: `tune` has none."""
    return {
        (arm.engine, cell.allocator, cell.threads, cell.instances, cell.mode, cell.batch_size): arm.throughput_per_s
        for cell in load_summary(folder).cells
        for arm in cell.arms
        if not arm.twin and arm.status == "ok" and arm.throughput_per_s is not None and cell.mode != "split"
    }


def like_work_s(folder: Path) -> float:
    """Return the seconds that a study spent on arms that `tune` has, too: starting, warming up, rounds."""
    spent, lines, records = read_run(folder).time_s, read_rounds(folder), read_launches(folder)
    measured = {False: 0.0, True: 0.0}
    prepared = {False: 0.0, True: 0.0}
    started: dict[tuple[int, str, bool], tuple[float, bool]] = {}
    for line in lines:
        measured[like("split" not in line.cell, line.twin)] += (line.wall_ns or sum(line.samples_ns)) / 1e9
    for record in records:
        own = like("split" not in record.cell, record.twin)
        prepared[own] += ((record.first_call_ns or 0) + sum(record.warm_up_ns)) / 1e9
        process = record.launch, record.engine, record.twin
        before = started.get(process, (0.0, False))
        # A process counts where any of its cells does.
        started[process] = max(before[0], (record.import_s or 0) + (record.load_s or 0)), before[1] or own
    starting = {own: sum(seconds for seconds, one in started.values() if one is own) for own in (False, True)}
    parts = (("rounds", measured), ("preparing", prepared), ("starting", starting))
    return sum(spent[name] * share[True] / (share[True] + share[False]) for name, share in parts)


def like(whole: bool, twin: bool) -> bool:  # noqa: FBT001 - two facts of one arm
    """Say whether `tune` has such an arm."""
    return whole and not twin


def main() -> None:
    """Print the ratio of the best throughputs, and of the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("grid", type=Path, help="results of `ortbench compare --scaling`")
    parser.add_argument("tuned", type=Path, help="results of `ortbench tune`")
    words = parser.parse_args()
    rates = grid_rates(words.grid)
    tuning = msgspec.json.decode((words.tuned / TUNING_FILE).read_bytes(), type=Tuning)
    assert tuning.best is not None, "nothing was found"
    one = tuning.best
    place = (one.engine, one.allocator, one.threads, one.instances, one.mode, one.batch_size)
    assert place in rates, f"the grid did not measure {one.name}: give it more time"
    best = max(rates, key=rates.__getitem__)
    grid_s = read_run(words.grid).time_s["total"]
    print(f"grid   {len(rates)} configurations in {grid_s:.0f} s; best {best}: {rates[best]:.2f}/s")
    print(f"tuned  {len(tuning.trials)} configurations in {tuning.seconds:.0f} s; best {place}: {rates[place]:.2f}/s")
    print(f"share of the best throughput  {rates[place] / rates[best]:.1%}")
    print(f"share of the time             {tuning.seconds / grid_s:.1%}")
    like_s = like_work_s(words.grid)
    print(f"share of like work's time     {tuning.seconds / like_s:.1%} of {like_s:.0f} s")
    for state in ("best", "kept", "ruled out", "failed", "not tried"):
        print(f"{state:<10} {len(tuning.of_state(state))}")


if __name__ == "__main__":
    main()
