"""The summary's format (summary.json): cells and arms with their statistics; derived, never the record.

There are as many of these objects as there are rows, and none refers back to its owner. So the garbage collector, which
looks for cycles, leaves them out (`gc=False`): with 100,000 rows, its passes took a third of the time of reading.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ortbench.results.elasticity import Elasticity
from ortbench.results.loadgen import ArmLoad
from ortbench.results.ratio import Ratio
from ortbench.results.roofline import Peaks, Share
from ortbench.results.schema import SCHEMA_VERSION, ArmKey, CellKey, Status
from ortbench.results.verdicts import DEFAULT_MARGIN, Verdict
from ortbench.units import quantity

Bounds = tuple[float, float]


class Latency(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Milliseconds per batch.

    Attributes:
        median: of a launch the median over its slices, then Hodges-Lehmann over launches, as for a speedup.
        mean, min, max: of all calls that count.
        p90, p95, p99: of all calls that count; None where they are too few.
        no_interval: why there is no interval of the median; None where there is one, or nothing is known.
    """

    median: float
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    ci95: Bounds | None = None
    p90_ci95: Bounds | None = None
    p95_ci95: Bounds | None = None
    p99_ci95: Bounds | None = None
    no_interval: str | None = None


class Speedup(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The baseline's latency over this arm's: 2 means twice as fast as the baseline.

    Attributes:
        no_interval: why there is no interval; None where there is one.
        method: how the interval over launches was made: `ranks`, `t`, `weighted t`, or `one launch` where there is
            none; empty where it is not of launches.
    """

    baseline: str
    ratio: float
    ci95: Bounds | None
    verdict: Verdict
    no_interval: str | None = None
    method: str = ""


class Cold(msgspec.Struct, frozen=True, kw_only=True):
    """What a first use costs; medians over launches."""

    import_s: float | None
    load_s: float | None
    first_call_ms: float | None
    time_to_steady_s: float | None
    build_s: float | None = None


class ArmSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One arm of one cell.

    Attributes:
        versions: of the libraries that this arm loaded.
        evidence: what else the engine proved, plain data; see `engines/base.py`.
        throughput_ci95: of the items finished per second, over launches.
        memory_mib: peak resident set, the largest of any launch; memory_ci95: of a launch's, with every one seen in it.
        pss_mib: the largest proportional set size seen.
        joules_per_item: energy of the processor (or of the GPU where the engine runs there).
        minor_faults_per_call: pages that the system had to give (again) while calls ran, all instances together.
        marks: what makes the comparison less than equal, in words.
        instance_latency_ms: in `stream`, the median of each instance's own batches; empty otherwise.
        roofline: its share of what the machine's roofs allow; None where that is not known.
        load: rates and LoadGen's verdicts, where it made the requests.
        elasticity: how its latency follows the baseline's from round to round; None where that cannot be told.
    """

    engine: str
    twin: bool = False
    status: Status = "ok"
    reason: str | None = None
    steady: bool | None = None
    target_met: bool | None = None
    latency_ms: Latency | None = None
    throughput_per_s: float | None = None
    speedup: Speedup | None = None
    rounds: int = 0
    launches: int = 0
    samples: int = 0
    parity: dict[str, Any] | None = None
    placement: dict[str, Any] | None = None
    memory_mib: float | None = None
    cold: Cold | None = None
    versions: dict[str, str] = {}
    evidence: dict[str, Any] | None = None
    pss_mib: float | None = None
    gpu_memory_mib: float | None = None
    joules_per_item: float | None = None
    marks: tuple[str, ...] = ()
    instance_latency_ms: tuple[float, ...] = ()
    roofline: Share | None = None
    load: ArmLoad | None = None
    minor_faults_per_call: float | None = None
    elasticity: Elasticity | None = None
    throughput_ci95: Bounds | None = None
    memory_ci95: Bounds | None = None


def worded_layout(threads: int, instances: int, mode: str) -> list[str]:
    """Return in words how many threads and instances work on a batch, and how they share it."""
    return [f"threads {threads}", *([f"{instances} instances ({mode})"] if instances > 1 else [])]


class CellSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One cell with its arms; the key's fields stand beside them, as in the CSV.

    Attributes:
        doubt: why its verdicts are withheld: the baseline differs from its own twin. None where they are not.
    """

    model: str
    precision: str = "fp32"
    batch_size: int
    threads: int
    instances: int = 1
    mode: str = "single"
    allocator: str = "default"
    load: str = ""
    arms: tuple[ArmSummary, ...]
    doubt: str | None = None

    @property
    def key(self) -> CellKey:
        """The cell's place in the study."""
        return CellKey(
            model=self.model,
            precision=self.precision,
            batch_size=self.batch_size,
            threads=self.threads,
            instances=self.instances,
            mode=self.mode,
            allocator=self.allocator,
            load=self.load,
        )

    @property
    def shared_among(self) -> str:
        """The instances and how they share the work, e.g. `2 stream`; `1` for a single one."""
        return f"{self.instances} {self.mode}" if self.instances > 1 else "1"

    @property
    def place(self) -> str:
        """The cell in words, without its model, e.g. `batch size 16, threads 2, int8`."""
        more = [self.precision] if self.precision != "fp32" else []
        more += [self.allocator] if self.allocator != "default" else []
        more += [self.load] if self.load else []
        return ", ".join(
            [f"batch size {self.batch_size}", *worded_layout(self.threads, self.instances, self.mode), *more]
        )

    def arm(self, engine: str) -> ArmSummary | None:
        """Return the arm of that engine (never the twin), or None."""
        return next((arm for arm in self.arms if arm.engine == engine and not arm.twin), None)


class Way(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """How an engine is run: a cell without its model, lane and batch size."""

    threads: int
    instances: int = 1
    mode: str = "single"
    allocator: str = "default"

    @property
    def told(self) -> str:
        """In words, e.g. `2 x 1 thread, stream, tcmalloc`."""
        return self.layout if self.allocator == "default" else f"{self.layout}, {self.allocator}"

    @property
    def layout(self) -> str:
        """Threads, instances and mode in words."""
        threads = quantity(self.threads, "thread", "threads")
        return f"{self.instances} x {threads}, {self.mode}" if self.instances > 1 else threads


class BestWay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One engine's best way to run.

    Attributes:
        figure: ms a batch, or items per second of all instances; more on which in `BestAgainstBest.objective`.
        over_best: how many times better it is than the baseline's best way: what is the engine's.
        over_plain: than the baseline as it comes: allocator, split and engine together.
        as_they_come: how many times better it is than the baseline where both come as they are; None for the baseline.
        launches: in which it met the baseline's ways; 0 where its factors are of the cells' own figures.
    """

    engine: str
    way: Way
    launches: int = 0
    figure: Ratio | None = None
    over_best: Ratio | None = None
    over_plain: Ratio | None = None
    as_they_come: Ratio | None = None


class BestAgainstBest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Every engine in its best way, and whose the advantage is.

    `allocator` x `split` x `over_best` is `over_plain`, but for what medians of the same rounds leave over.

    Attributes:
        objective: `latency` (of a batch) or `throughput` (of all instances).
        paired: everything in it ran in the same rounds; else some intervals are the widest that the cells' own allow.
        launches, rounds: in which everything ran that met at all.
        plain: the baseline as it comes: one instance, all threads, the system's allocator.
        allocator: how many times better the baseline gets by the allocator of its best way alone.
        split: how many times better than that by dividing threads and work as in its best way.
        engines: the baseline first.
    """

    precision: str
    batch_size: int
    objective: str
    paired: bool
    launches: int
    rounds: int
    plain: Way
    plain_figure: Ratio | None
    allocator: Ratio | None
    split: Ratio | None
    engines: tuple[BestWay, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that tables, charts and gates need.

    Attributes:
        engines: in the order of `--engines`, or of appearance in a CSV; the last is the engine under study.
        paired: the speedups compare rounds; False for figures from a CSV.
        resolution: the smallest difference that this study can show, as a fraction, by the baseline's twins. It
            decides nothing.
        margin: how far from 1 a speedup is still taken for none, as a fraction: the band of every verdict.
        spoiled_rounds: share of the rounds that the machine's counters spoiled.
        drift: how far apart slow and fast spells of the machine were, by the sentinel: its 90th percentile over
            its 10th, less 1.
        notes: what a reader should know, in words.
        best: every engine in its best way, for each lane, batch size and objective; empty where allocators and
            instances do not vary.
        peaks: the machine's roofs, by threads and instances; empty where none were measured.
        max_time_for_intervals: the `--max-time`, as it is typed, that would give intervals; None where they are there.
    """

    schema_version: int = SCHEMA_VERSION
    model: str
    baseline: str
    engines: tuple[str, ...]
    paired: bool
    machine: dict[str, Any]
    cells: tuple[CellSummary, ...]
    resolution: float | None = None
    spoiled_rounds: float | None = None
    drift: float | None = None
    notes: tuple[str, ...] = ()
    best: tuple[BestAgainstBest, ...] = ()
    peaks: tuple[Peaks, ...] = ()
    margin: float = DEFAULT_MARGIN
    max_time_for_intervals: str | None = None


def arm_label(arm: ArmKey) -> str:
    """Name an arm for people: the twin is the same engine in a second process."""
    return f"{arm.engine} (twin)" if arm.twin else arm.engine
