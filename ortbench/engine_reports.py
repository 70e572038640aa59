"""`ortbench engines NAME` and `ortbench engines --library FILE`: one engine's options, a library's devices."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from ortbench.engines.ort_devices import list_devices
from ortbench.engines.registry import find_engine, resolve_engine
from ortbench.engines.spec import EngineSpec
from ortbench.reports import Document, report_table, targets_document


def engine_document(name: str) -> Document:
    """Probe every target of one engine; return what `ortbench engines NAME --json` prints.

    Raises:
        EngineSpecError: there is no such engine.
    """
    targets = find_engine(name).every_target
    return targets_document([resolve_engine(EngineSpec(name, target)) for target in targets])


def options_table(document: Document) -> Table:
    """Show an engine's options with type, default and help."""
    table = report_table("option", "type", "default", "what it does")
    for option in document["engines"][0]["options"]:
        kind = "|".join(option["choices"]) if "choices" in option else option["kind"]
        known = f" ({len(option['known'])} are known; --json lists them)" if "known" in option else ""
        table.add_row(escape(option["name"]), kind, _default(option["default"]), escape(option["help"] + known))
    return table


def devices_document(library: str) -> Document:
    """Register a plugin execution provider's library; return what `ortbench engines --library FILE --json` prints.

    Raises:
        EngineUnavailable: it cannot be registered.
    """
    return list_devices(library)


def devices_table(document: Document) -> Table:
    """Show the devices that a library offers, in the order in which `device=` counts them."""
    table = report_table("provider", "device", "kind", "hardware", "more")
    counted: dict[str, int] = {}
    for device in document["devices"]:
        place = counted.setdefault(device["ep"], 0)
        counted[device["ep"]] += 1
        more = ", ".join(f"{key}: {value}" for key, value in device["metadata"].items())
        table.add_row(escape(device["ep"]), str(place), device["kind"], escape(device["hardware"]), escape(more))
    others = ", ".join(f"{device['ep']} on {device['kind']}" for device in document["others"])
    table.caption = f"{len(document['devices'])} devices of this library; without it ONNX Runtime has: {others}"
    return table


def _default(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
