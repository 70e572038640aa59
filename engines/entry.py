"""What is known of an engine without importing it: the entry that it has in the registry."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ortbench.engines.base import Engine, OptionValue
from ortbench.engines.options import Option
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource


@dataclass(frozen=True)
class EngineEntry:
    """What the registry knows of an engine.

    Attributes:
        targets: the first one is the default and is left out of the spelling.
        module, class_name: where the implementation is.
        libraries: imported before loading, so that importing and loading are told apart.
        needs_artifact: it runs the ONNX export, not the PyTorch module.
        runs_onnx_files: it can run a user's .onnx file.
        precisions: the lanes it can run, the first being the default.
        own_artifacts: the lanes for which it wants an ONNX file of that precision; for the others the fp32 one.
        builds: `build` must have made something before it can be loaded.
        builds_in: the same, in these lanes only.
        other_targets: accepted too, and found by `:*`, but listed only where this engine is asked about.
        named_targets: accepted by name only, since they need options to mean anything.
        variants: option -> module and class that implement the engine where that option is given.
        check: refuses a target and options that contradict each other; told them and the spelling.
        examines: `build` reads what `evidence` will want of the model, so that it costs the study no time; nothing is
            missing where it cannot.
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
    precisions: tuple[str, ...] = ("fp32",)
    own_artifacts: tuple[str, ...] = ()
    builds: bool = False
    examines: bool = False
    builds_in: tuple[str, ...] = ()
    computes: bool = True
    fake: bool = False
    other_targets: tuple[str, ...] = ()
    named_targets: tuple[str, ...] = ()
    variants: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    check: Callable[[str, Mapping[str, OptionValue], str], None] | None = None

    @property
    def every_target(self) -> tuple[str, ...]:
        """What `:*` means before it is narrowed to what is available."""
        return self.targets + self.other_targets

    def find_target(self, text: str) -> str | None:
        """Return the target meant by `text`, in any case and with or without `ExecutionProvider`; None if none is."""
        short = text.lower().removesuffix("executionprovider")
        return next((name for name in self.every_target + self.named_targets if short == name.lower()), None)

    def builds_for(self, precision: str) -> bool:
        """Say whether `build` must have made something before the engine can be loaded in this lane."""
        return self.builds or precision in self.builds_in

    def artifact_precision(self, precision: str) -> str | None:
        """Return the precision of the ONNX file that the engine wants in a lane; None where it wants none."""
        if not self.needs_artifact:
            return None
        return precision if precision in self.own_artifacts else "fp32"

    def libraries_for(self, source: ModelSource) -> tuple[str, ...]:
        """Return what is imported before loading; for an engine that builds the module, what that takes too."""
        builds_module = self.computes and not self.needs_artifact and source.path is None
        return self.libraries + (find_model(source.name).libraries if builds_module else ())

    def create(self, options: Collection[str] = ()) -> Engine:
        """Import the implementation that these options want and return a fresh engine; for workers."""
        return self.implementation(options)()

    def implementation(self, options: Collection[str] = ()) -> type[Engine]:
        """Import and return the engine's class."""
        wanted = (variant for option, variant in self.variants.items() if option in options)
        module, class_name = next(wanted, (self.module, self.class_name))
        loaded: type[Engine] = getattr(importlib.import_module(module), class_name)
        return loaded
