"""ortbench: compare inference engines on one model, paired, proven, equal, bounded and seen.

    import ortbench

    results = ortbench.compare(engines="torch,ort", batch_sizes="1,16", max_time="5m")
    print(results.frame())

Everything the command line does is here; `docs/python.md` lists it. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ortbench.errors import OrtbenchError, UsageError
    from ortbench.python import (
        check,
        compare,
        diagnose,
        diff,
        draw_charts,
        draw_history,
        explain,
        export_model,
        exports,
        history,
        list_engines,
        list_models,
        load,
        plan,
        tune,
        write_report,
    )
    from ortbench.results.study import Results

# Functions are not called `export`, `engines` or `models`: these are the packages' names.
__all__ = [
    "OrtbenchError",
    "Results",
    "UsageError",
    "check",
    "compare",
    "diagnose",
    "diff",
    "draw_charts",
    "draw_history",
    "explain",
    "export_model",
    "exports",
    "history",
    "list_engines",
    "list_models",
    "load",
    "plan",
    "tune",
    "write_report",
]
_HOMES = {
    "Results": "ortbench.results.study",
    "OrtbenchError": "ortbench.errors",
    "UsageError": "ortbench.errors",
}


def __dir__() -> list[str]:
    """Offer what there is, also to who has not imported it yet."""
    return sorted([*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"])


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'ortbench' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "ortbench.python")), name)
