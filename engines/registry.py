"""Every engine by name, and spellings checked against what there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points

from ortbench.engines.base import OptionValue
from ortbench.engines.builtin import ENTRIES
from ortbench.engines.entry import EngineEntry
from ortbench.engines.environment import VERSION, Environment, take_environment, with_environment_options
from ortbench.engines.options import executed_options, parse_options
from ortbench.engines.plugins import GROUP, load_plugins
from ortbench.engines.spec import EngineSpec, parse_engines
from ortbench.errors import EngineSpecError, expected_one_of

ALL_TARGETS = "*"


_PLUGINS = load_plugins(entry_points(group=GROUP), {entry.name for entry in ENTRIES})
REGISTRY: dict[str, EngineEntry] = {
    entry.name: with_environment_options(entry) for entry in (*ENTRIES, *_PLUGINS.entries.values())
}
# Declared by an installed package, but unusable: name -> reason.
BROKEN_PLUGINS: dict[str, str] = _PLUGINS.broken


@dataclass(frozen=True)
class ResolvedEngine:
    """A spelling checked against the registry.

    Attributes:
        label: the shortest spelling: no default target, options in the order given.
        options: those of the engine itself.
        environment: where it runs, if not in this interpreter.
    """

    label: str
    entry: EngineEntry
    target: str
    options: dict[str, OptionValue]
    environment: Environment | None = None

    def lane(self, precision: str) -> str:
        """Return what this engine computes in, in a cell of that precision: its option of that name goes first."""
        return str(self.options.get("precision", precision))


def find_engine(name: str) -> EngineEntry:
    """Return the registry's entry of that name.

    Raises:
        EngineSpecError: there is none, or the package that declares it is broken.
    """
    if name in BROKEN_PLUGINS and name not in REGISTRY:
        raise EngineSpecError(f"The engine '{name}' cannot be used: {BROKEN_PLUGINS[name]}.")
    if name not in REGISTRY:
        raise EngineSpecError(expected_one_of("an engine", REGISTRY, name) + " See `ortbench engines`.")
    return REGISTRY[name]


def resolve_engine(spec: EngineSpec) -> ResolvedEngine:
    """Check one spelling against the registry.

    Raises:
        EngineSpecError: the engine, target or an option does not exist.
    """
    entry = find_engine(spec.name)
    target = entry.find_target(spec.target or entry.targets[0])
    if target is None:
        choices = entry.every_target + entry.named_targets
        raise EngineSpecError(expected_one_of(f"the target of '{spec}'", choices, spec.target or ""))
    options = parse_options(entry.options, spec.options, str(spec))
    environment, own = take_environment(spec.name, target, options, str(spec))
    if entry.check:
        entry.check(target, own, str(spec))
    shortest = EngineSpec(spec.name, None if target == entry.targets[0] else target, spec.options)
    return ResolvedEngine(str(shortest), entry, target, own, environment)


def resolve_engines(text: str) -> list[ResolvedEngine]:
    """Check a whole `--engines` list; `name:*` gives every target, to be narrowed to what is available.

    Raises:
        EngineSpecError: one is wrong, or the same one is there twice.
    """
    resolved: list[ResolvedEngine] = []
    for spec in parse_engines(text):
        targets: Iterable[str | None] = (spec.target,)
        if spec.target == ALL_TARGETS:
            targets = find_engine(spec.name).every_target
            if VERSION.name in dict(spec.options):
                raise EngineSpecError(
                    f"Expected one target with version=, but '{spec}' asks for all; name those wanted."
                )
        for target in targets:
            engine = resolve_engine(EngineSpec(spec.name, target, spec.options))
            if any(engine.label == other.label for other in resolved):
                raise EngineSpecError(f"Expected each engine once, but '{text}' names {engine.label} twice.")
            resolved.append(engine)
    return resolved


def executed_by(text: str) -> tuple[str, ...]:
    """Return everything in a list of engines that may run code of its own, e.g. `python=/x/python`.

    Raises:
        EngineSpecError: an engine or an option does not exist.
    """
    return tuple(
        f"{name}={value}"
        for spec in parse_engines(text)
        for name, value in executed_options(find_engine(spec.name).options, spec.options, str(spec))
    )


def wildcard_engines(text: str) -> set[str]:
    """Return the names of engines in `text` that were written with `:*`."""
    return {spec.name for spec in parse_engines(text) if spec.target == ALL_TARGETS}
