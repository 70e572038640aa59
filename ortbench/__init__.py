"""ortbench: compare inference engines on one model, paired, proven, equal, bounded and seen."""

__version__ = "0.1.0"
