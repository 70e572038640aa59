"""What LoadGen leaves behind: every query from its trace, its verdict from its detailed log. Pure functions of text.

The trace is meant for Chrome's viewer and is not always JSON, so its lines are read one by one; a sample has
"sample_seq", "query_seq", the µs of its scheduled time as "ts", and "complete_ns" after that. A line of the detailed
log is `:::MLLOG` and a JSON object with a key and a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ortbench.errors import ArmError

_SAMPLE = re.compile(
    r'"name":"Sample".*?"ph":"b".*?"ts":(?P<ts>[0-9.]+).*?"query_seq":(?P<query>[0-9]+).*?'
    r'"issue_start_ns":(?P<delay>-?[0-9]+),"complete_ns":(?P<complete>[0-9]+)'
)
_PERCENTILE = re.compile(r"result_([0-9.]+)_percentile_(?:per_query_)?latency_ns")
_PREFIX = ":::MLLOG "
_NOT_NEEDED = ("loadgen_", "requested_", "effective_", "logger_", "loaded_qsl")
# What LoadGen looks at before it calls a run VALID: key of its log -> our word.
_CONDITIONS: Mapping[str, str] = {
    "result_perf_constraints_met": "latency bound",
    "result_min_duration_met": "duration",
    "result_min_queries_met": "queries",
    "early_stopping_met": "early stopping",
}


@dataclass(frozen=True)
class TracedSample:
    """One sample: its query, when that was due after the first, how late it was issued, and its latency; in ns."""

    query: int
    scheduled_ns: int
    delay_ns: int
    latency_ns: int

    @property
    def done_ns(self) -> int:
        """When it was completed, after the first query's scheduled time."""
        return self.scheduled_ns + self.latency_ns


def read_trace(text: str) -> list[TracedSample]:
    """Return the samples of a trace in the order of their queries.

    Raises:
        ArmError: there is none, so that LoadGen measured nothing.
    """
    found = [match for line in text.splitlines() if (match := _SAMPLE.search(line))]
    if not found:
        raise ArmError("LoadGen left no sample in its trace")
    due = [_microseconds_in_ns(match["ts"]) for match in found]
    first = min(due)
    samples = [
        TracedSample(int(match["query"]), at - first, int(match["delay"]), int(match["complete"]))
        for match, at in zip(found, due, strict=True)
    ]
    return sorted(samples, key=lambda sample: sample.query)


def query_latencies(samples: Sequence[TracedSample]) -> tuple[int, ...]:
    """Return the latency of each query in ns: a query ends with its last sample."""
    latencies: dict[int, int] = {}
    for sample in samples:
        latencies[sample.query] = max(latencies.get(sample.query, 0), sample.latency_ns)
    return tuple(latencies.values())


def completion_gaps(samples: Sequence[TracedSample]) -> tuple[int, ...]:
    """Return the ns between the completions of one batch and the next, the first one's from the beginning."""
    ends = sorted({sample.latency_ns for sample in samples})
    return tuple(end - before for before, end in zip([0, *ends], ends, strict=False))


@dataclass(frozen=True)
class Verdict:
    """LoadGen's own judgement of a run; see `results/loadgen.py`."""

    valid: bool
    unmet: tuple[str, ...]
    reasons: tuple[str, ...]
    percentiles_ns: dict[str, int]
    late: int


def read_detail(text: str) -> Verdict:
    """Read the detailed log.

    Raises:
        ArmError: LoadGen came to no verdict.
    """
    entries = list(_entries(text))
    values = dict(entries)
    if "result_validity" not in values:
        raise ArmError("LoadGen came to no verdict on its run")
    valid = values["result_validity"] == "VALID"
    errors = [str(value) for key, value in entries if key.startswith("error_")]
    # An error says why it ended early; what LoadGen advises after that is about other errors.
    reasons = [*errors, values.get("result_invalid_reason", "")]
    if values.get("early_stopping_met") is False:
        reasons.append(values.get("early_stopping_result", ""))
    named = ((_PERCENTILE.fullmatch(key), value) for key, value in entries)
    return Verdict(
        valid=valid,
        unmet=tuple(word for key, word in _CONDITIONS.items() if values.get(key) is False),
        reasons=() if valid else tuple(filter(None, (_plain(reason) for reason in reasons))),
        percentiles_ns={match[1]: round(value) for match, value in named if match},
        late=int(values.get("result_overlatency_query_count", 0)),
    )


def _entries(text: str) -> list[tuple[str, Any]]:
    """Return (key, value) of the lines that matter; a line that is no JSON, as a rate of nothing makes it, does not."""
    entries = []
    for line in text.splitlines():
        try:
            entry = json.loads(line.removeprefix(_PREFIX))
        except json.JSONDecodeError:
            continue
        if not str(entry.get("key", "")).startswith(_NOT_NEEDED):
            entries.append((str(entry["key"]), entry["value"]))
    return entries


def _plain(words: str) -> str:
    """Take the bullets and the doubled blanks out of LoadGen's words."""
    return re.sub(r"\s+", " ", words.replace(" * ", " ")).strip()


def _microseconds_in_ns(text: str) -> int:
    """Read µs with three decimals without a float's rounding."""
    whole, _, part = text.partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0")[:3] or 0)
