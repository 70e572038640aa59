"""A fake that does nothing: its latency is what the harness itself costs."""

from __future__ import annotations

import ortbench
from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest


class NullEngine(Engine):
    """Loads nothing, runs nothing, returns nothing."""

    @classmethod
    def probe(cls, target: str) -> Availability:  # noqa: ARG003 - it has one target
        """Nothing is always available."""
        return Availability(version=ortbench.__version__, device="none (fake)")

    def load(self, request: LoadRequest) -> None:
        """Nothing to load."""

    def bind(self, inputs: Arrays) -> None:
        """Nothing to bind."""

    def run(self) -> None:
        """Nothing to run."""

    def outputs(self) -> None:
        """Nothing was computed, so nothing can be compared."""

    def evidence(self) -> Evidence:
        """Only the version."""
        return Evidence(versions={"ortbench": ortbench.__version__})
