"""Every engine by name: what it is, described without importing it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass

from ortbench.engines.base import Engine, OptionValue
from ortbench.engines.options import Option, parse_options
from ortbench.engines.spec import EngineSpec, parse_engines
from ortbench.errors import EngineSpecError, expected_one_of

ALL_TARGETS = "*"


@dataclass(frozen=True)
class EngineEntry:
    """What the registry knows of an engine.

    Attributes:
        targets: the first one is the default and is left out of the spelling.
        module, class_name: where the implementation is.
        libraries: imported before loading, so that importing and loading are told apart.
        needs_artifact: it runs the ONNX export, not the PyTorch module.
        runs_onnx_files: it can run a user's .onnx file.
        computes: it gives outputs that can be compared with the reference.
        fake: it measures the harness or plays a part; never a result.
    """

    name: str
    about: str
    targets: tuple[str, ...]
    module: str
    class_name: str
    libraries: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    needs_artifact: bool = False
    runs_onnx_files: bool = False
    computes: bool = True
    fake: bool = False

    def create(self) -> Engine:
        """Import the implementation and return a fresh engine; for workers."""
        return self.implementation()()

    def implementation(self) -> type[Engine]:
        """Import and return the engine's class."""
        loaded: type[Engine] = getattr(importlib.import_module(self.module), self.class_name)
        return loaded


_CHANNELS_LAST = Option("channels_last", "bool", default=False, help="NHWC memory layout for weights and images")

_ENTRIES = (
    EngineEntry(
        name="torch",
        about="eager PyTorch in inference mode",
        targets=("cpu", "cuda"),
        module="ortbench.engines.pytorch",
        class_name="TorchEngine",
        libraries=("torch", "torchvision"),
        options=(_CHANNELS_LAST,),
    ),
    EngineEntry(
        name="torchscript",
        about="TorchScript: traced, frozen, optimized for inference (legacy: deprecated by PyTorch)",
        targets=("cpu", "cuda"),
        module="ortbench.engines.torchscript",
        class_name="TorchScriptEngine",
        libraries=("torch", "torchvision"),
        options=(_CHANNELS_LAST,),
    ),
    EngineEntry(
        name="ort",
        about="ONNX Runtime, one target per execution provider",
        targets=("cpu", "cuda"),
        module="ortbench.engines.ort",
        class_name="OrtEngine",
        libraries=("onnxruntime",),
        options=(
            Option(
                "graph_optimization_level",
                "choice",
                default="all",
                help="which graph rewrites ONNX Runtime applies when it loads the model",
                choices=("disable", "basic", "extended", "layout", "all"),
            ),
        ),
        needs_artifact=True,
        runs_onnx_files=True,
    ),
    EngineEntry(
        name="null",
        about="does nothing: what the harness itself costs (a fake)",
        targets=("cpu",),
        module="ortbench.engines.null",
        class_name="NullEngine",
        runs_onnx_files=True,
        computes=False,
        fake=True,
    ),
    EngineEntry(
        name="scripted",
        about="plays a part on request: a latency, a crash, a hang, rubbish, a wrong output, a fallback (a fake)",
        targets=("cpu",),
        module="ortbench.engines.scripted",
        class_name="ScriptedEngine",
        libraries=("onnxruntime",),
        options=(
            Option("latency", "duration", default=0.001, help="how long each call takes"),
            Option("load", "duration", default=None, help="how long loading takes"),
            Option("crash_at", "int", default=None, help="die by a segmentation fault in this call, from 1"),
            Option("raise_at", "int", default=None, help="raise a Python error in this call, from 1"),
            Option("abort_at", "int", default=None, help="abort in this call, from 1"),
            Option("exhaust_at", "int", default=None, help="run out of memory in this call, from 1"),
            Option("kill_at", "int", default=None, help="be killed in this call, from 1, as when memory runs out"),
            Option("rubbish_at", "int", default=None, help="write rubbish to the harness in this call, from 1"),
            Option("hang_at", "int", default=None, help="never return from this call, from 1"),
            Option("wrong_output", "bool", default=False, help="give outputs that disagree with the reference"),
            Option("fallback", "bool", default=False, help="report that another provider ran the model"),
        ),
        needs_artifact=True,
        runs_onnx_files=True,
        fake=True,
    ),
)

REGISTRY: dict[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}


@dataclass(frozen=True)
class ResolvedEngine:
    """A spelling checked against the registry.

    Attributes:
        label: the shortest spelling: no default target, options in the order given.
    """

    label: str
    entry: EngineEntry
    target: str
    options: dict[str, OptionValue]


def find_engine(name: str) -> EngineEntry:
    """Return the registry's entry of that name.

    Raises:
        EngineSpecError: there is none.
    """
    if name not in REGISTRY:
        raise EngineSpecError(expected_one_of("an engine", REGISTRY, name) + " See `ortbench engines`.")
    return REGISTRY[name]


def resolve_engine(spec: EngineSpec) -> ResolvedEngine:
    """Check one spelling against the registry.

    Raises:
        EngineSpecError: the engine, target or an option does not exist.
    """
    entry = find_engine(spec.name)
    target = spec.target or entry.targets[0]
    if target not in entry.targets:
        raise EngineSpecError(expected_one_of(f"the target of '{spec}'", entry.targets, target))
    options = parse_options(entry.options, spec.options, str(spec))
    shortest = EngineSpec(spec.name, None if target == entry.targets[0] else target, spec.options)
    return ResolvedEngine(str(shortest), entry, target, options)


def resolve_engines(text: str) -> list[ResolvedEngine]:
    """Check a whole `--engines` list; `name:*` gives every target, to be narrowed to what is available.

    Raises:
        EngineSpecError: one is wrong, or the same one is there twice.
    """
    resolved: list[ResolvedEngine] = []
    for spec in parse_engines(text):
        targets: Iterable[str | None] = (spec.target,)
        if spec.target == ALL_TARGETS:
            targets = find_engine(spec.name).targets
        for target in targets:
            engine = resolve_engine(EngineSpec(spec.name, target, spec.options))
            if any(engine.label == other.label for other in resolved):
                raise EngineSpecError(f"Expected each engine once, but '{text}' names {engine.label} twice.")
            resolved.append(engine)
    return resolved


def wildcard_engines(text: str) -> set[str]:
    """Return the names of engines in `text` that were written with `:*`."""
    return {spec.name for spec in parse_engines(text) if spec.target == ALL_TARGETS}
