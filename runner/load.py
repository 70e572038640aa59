"""What `--load` asks for: which of LoadGen's scenarios, how long a run is, and by what seeds. Pure functions of data.

The scenarios and their rules are MLCommons' own: https://github.com/mlcommons/inference, folder loadgen.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from ortbench.errors import UsageError, expected_one_of
from ortbench.units import parse_duration

POISSON, SINGLE_STREAM, MULTI_STREAM, OFFLINE = "poisson", "single-stream", "multi-stream", "offline"
# Our name -> LoadGen's.
SCENARIOS: Mapping[str, str] = {
    POISSON: "Server",
    SINGLE_STREAM: "SingleStream",
    MULTI_STREAM: "MultiStream",
    OFFLINE: "Offline",
}
# LoadGen's own bound on the 99th percentile in the Server scenario, and its samples in a MultiStream query.
DEFAULT_MAX_LATENCY_S = 0.1
DEFAULT_BATCH_SIZES: Mapping[str, tuple[int, ...]] = {POISSON: (1,), SINGLE_STREAM: (1,), MULTI_STREAM: (8,)}

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(/s)?")
# Of --max-time the part in which runs take place, and how many rounds every cell should have in it.
_RUNS_SHARE, _ROUNDS_WANTED, _FEWEST_ROUNDS = 0.6, 18, 3
# Much longer runs buy less than further rounds; much shorter ones hardly build a queue.
_LONGEST_S, _SHORTEST_S, _SHORTEST_SHARE = 10.0, 2.0, 1 / 30
_ARRIVALS_WANTED = 20
# LoadGen keeps every query and sample in memory, and writes a few hundred bytes about each.
MOST_QUERIES, MOST_SAMPLES = 5000, 20000
# The queue of an engine that falls behind may grow to what it computes in one run, so that a run at most doubles.
_LEAST_OUTSTANDING = 20


@dataclass(frozen=True)
class Load:
    """How requests arrive.

    Attributes:
        name: of the scenario, a key of SCENARIOS.
        rate: arrivals a second; None where each query waits for the last.
        max_latency_s: LoadGen's bound on the 99th percentile under arrivals.
        run_s: how long a run lasts, an arm that falls behind or calls that are long aside.
        seed: of the study.
    """

    name: str
    rate: float | None = None
    max_latency_s: float = DEFAULT_MAX_LATENCY_S
    run_s: float = _SHORTEST_S
    seed: int = 0

    @property
    def label(self) -> str:
        """What tells its cells from others, e.g. `poisson@20/s`."""
        return self.name if self.rate is None else f"{self.name}@{self.rate:g}/s"

    def arm_run_s(self, call_s: float, batch_size: int) -> float:
        """Return how long a run of an arm with such calls lasts: very short ones are many in a moment."""
        if self.rate is not None:
            return self.run_s
        return min(self.run_s, call_s * min(MOST_QUERIES, MOST_SAMPLES / batch_size))

    def most_outstanding(self, call_s: float, batch_size: int) -> int:
        """Return with how many queries waiting LoadGen ends a run."""
        return max(_LEAST_OUTSTANDING, math.ceil(self.run_s / max(call_s, 1e-9) * batch_size))


def parse_load(load: str | None, rate: str | None, max_latency: str | None) -> Load | None:
    """Read the three options.

    Raises:
        UsageError: one is not what it should be, is missing, or belongs to another scenario.
    """
    if load is not None and load not in SCENARIOS:
        raise UsageError(expected_one_of("--load", SCENARIOS, load))
    if load == POISSON:
        if rate is None:
            raise UsageError("--load poisson needs --rate, how many requests arrive a second, such as --rate 20.")
        bound_s = parse_duration(max_latency, "--max-latency") if max_latency is not None else DEFAULT_MAX_LATENCY_S
        return Load(POISSON, _parse_rate(rate), bound_s)
    for option, given in (("--rate", rate), ("--max-latency", max_latency)):
        if given is not None:
            other = f"--load {load} has no arrivals" if load else "without --load nothing arrives"
            raise UsageError(f"{option} belongs to --load poisson; {other}.")
    return Load(load) if load is not None else None


def _parse_rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if not match or not 0 < float(match[1]) < math.inf:
        raise UsageError(f"Expected --rate to be requests a second, such as 20 or 0.5, but got '{text}'.")
    return float(match[1])


def check_load(load: Load, batch_sizes: Sequence[int], instances: Sequence[int]) -> None:
    """Refuse what LoadGen's scenarios do not know, and all of it where LoadGen is missing.

    Raises:
        UsageError: several instances, a batch in single-stream, or LoadGen is not installed.
    """
    if find_spec("mlperf_loadgen") is None:
        raise UsageError(
            f"--load {load.name} needs MLPerf LoadGen, which is not installed here; "
            "`pip install mlcommons-loadgen` adds it."
        )
    if max(instances) > 1:
        raise UsageError(
            f"--load {load.name} runs LoadGen inside an engine's one process, so several instances cannot share its "
            "requests; leave --instances (or --scaling) out."
        )
    if load.name == SINGLE_STREAM and tuple(batch_sizes) != (1,):
        raise UsageError(
            f"--load single-stream asks for one sample at a time, but got --batch-sizes {_listed(batch_sizes)}; leave "
            "it out, or give --load multi-stream, whose queries are of as many samples as a batch."
        )


def _listed(counts: Sequence[int]) -> str:
    return ",".join(map(str, counts))


def run_seconds(max_time_s: float, arms: int, rate: float | None) -> float:
    """Return how long a run should last, so that the rounds wanted fit into the study.

    Args:
        max_time_s: of the study.
        arms: in all its cells together, twins included.
        rate: arrivals a second, if any.
    """
    shortest = min(_SHORTEST_S, _SHORTEST_SHARE * max_time_s)
    seconds = min(_LONGEST_S, max(shortest, _RUNS_SHARE * max_time_s / (arms * _ROUNDS_WANTED)))
    if rate is not None:
        most = _RUNS_SHARE * max_time_s / (arms * _FEWEST_ROUNDS)
        seconds = min(max(seconds, min(_ARRIVALS_WANTED / rate, most)), MOST_QUERIES / rate)
    return round(seconds, 3) or 0.001


def round_seeds(seed: int, launch: int, number: int) -> tuple[int, int, int]:
    """Return LoadGen's three seeds of 32 bits: alike for all arms of a round, others in every round."""
    digest = hashlib.sha256(f"{seed} {launch} {number}".encode()).digest()
    first, second, third = struct.unpack_from("<3I", digest)
    return first, second, third


def describe_load(load: Load) -> str:
    """Say for the plan what a run is."""
    bound = f", 99th percentile bound {load.max_latency_s * 1e3:g} ms" if load.rate else ""
    about = f", about {load.rate * load.run_s:.3g} requests each" if load.rate else ""
    return f"{load.label}{bound}: MLPerf LoadGen's {SCENARIOS[load.name]} scenario, runs of {load.run_s:g} s{about}"
