"""Where a speedup is shown to depend on the machine's state, in words; for the terminal and the report alike."""

from __future__ import annotations

from collections.abc import Iterator

from ortbench.results.summary import Summary


def elasticity_sentences(summary: Summary) -> Iterator[str]:
    """Yield a sentence for each arm whose latency does not follow the baseline's one to one."""
    for cell in summary.cells:
        for arm in cell.arms:
            found = arm.elasticity
            if found is None or not found.off_one:
                continue
            low, high = found.ci95
            size = "larger" if high < 1 else "smaller"
            yield (
                f"the speedup of {arm.engine} at {cell.place} is {size} when the machine is slow: while "
                f"{summary.baseline}'s latency moved by {found.baseline_spread:.0%}, {arm.engine}'s moved "
                f"{found.slope:.2f} [{low:.2f}, {high:.2f}] times as much (elasticity, on the log scale)"
            )
