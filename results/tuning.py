"""The answer of `ortbench tune`: the best configuration, what was ruled out and by what, and how sure that is. Data."""

from __future__ import annotations

import msgspec

from ortbench.results.profiles import Objective
from ortbench.results.race import Ruling, Setting
from ortbench.results.schema import RunState
from ortbench.results.standings import Figure


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration must keep to; memory is the peak resident set of all its processes, added up."""

    max_latency_ms: float | None = None
    max_memory_mib: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration of the race.

    Attributes:
        state: `best`, `kept` (ran and was not ruled out), `ruled out`, `failed` or `not tried`.
        latency_ms: per batch; in `stream` of the slowest instance.
        possible_gain: of one that was kept: how many times better than the best it could at most be.
        predicted_ratio: of one not tried: how many times worse than the best it is predicted to be; proves nothing.
    """

    setting: Setting
    state: str
    throughput_per_s: Figure | None = None
    latency_ms: Figure | None = None
    memory_mib: float | None = None
    launches: int = 0
    rounds: int = 0
    possible_gain: float | None = None
    predicted_ratio: float | None = None
    ruling: Ruling | None = None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and tuning.json.

    Attributes:
        state: `complete`, `interrupted`, or `running` where it was killed.
        best: None where nothing that was tried keeps to the bounds.
        at_most_better: how many times better than the best any configuration that was kept could be, 95 % for all of
            them together; 1 where none was kept. It says nothing of those that were not tried.
        seconds: used, launches included.
        again: the words of the command that runs the best one.
    """

    schema_version: int = 1
    state: RunState
    model: str
    objective: Objective
    bounds: Bounds
    best: Setting | None
    at_most_better: float | None
    seconds: float
    launches: int
    trials: tuple[Trial, ...]
    again: tuple[str, ...] = ()

    def of_state(self, *states: str) -> list[Trial]:
        """Return the configurations that ended so."""
        return [trial for trial in self.trials if trial.state in states]
