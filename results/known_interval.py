"""An estimate of which the interval is known and no launches are, as of a change, a percentile, or a CSV. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from ortbench.results.statistics import CONFIDENCE, LogEstimate


@dataclass(frozen=True, kw_only=True)
class KnownInterval(LogEstimate):
    """An estimate whose interval is scaled as Student's t is, where another confidence is asked for.

    Attributes:
        launches: the estimate's logarithm alone.
        below, above: how far the 95 % interval reaches to either side, on the log scale.
        freedom: of the t, which may be infinite.
    """

    below: float
    above: float
    freedom: float

    def log_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the interval on the log scale."""
        scale = _quantile(self.freedom, confidence) / _quantile(self.freedom, CONFIDENCE)
        return self.center - scale * self.below, self.center + scale * self.above

    def level_above(self, bound: float) -> float:
        """Return the smallest level at which the interval lies above `bound` on the log scale."""
        return self._level(self.center - bound, self.below)

    def level_below(self, bound: float) -> float:
        """Return the smallest level at which the interval lies below `bound`."""
        return self._level(bound - self.center, self.above)

    def _level(self, distance: float, half_width: float) -> float:
        from scipy.special import ndtr, stdtr

        if distance <= 0:
            return 1.0
        if half_width <= 0:
            return 0.0
        place = -distance / half_width * _quantile(self.freedom, CONFIDENCE)
        return 2 * float(ndtr(place) if math.isinf(self.freedom) else stdtr(self.freedom, place))


# A gate asks for the same few in every cell.
@lru_cache
def _quantile(freedom: float, confidence: float) -> float:
    from scipy.special import ndtri, stdtrit

    share = (1 + confidence) / 2
    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))
