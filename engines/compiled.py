"""torch.compile with Inductor: compiled at the first call of each batch size, frozen, never in a timed call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.engines.base import Arrays, Availability, Evidence, OperatorTime
from ortbench.engines.compiler import missing_compiler
from ortbench.engines.torch_base import TorchFamilyEngine

if TYPE_CHECKING:
    import torch

    from ortbench.engines.base import LoadRequest


# Read whenever something is compiled; Triton's kernels go into a folder of it.
_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_COMPILED_SUFFIXES = {".so", ".dll", ".pyd", ".dylib", ".cubin", ".hsaco"}


class CompiledEngine(TorchFamilyEngine):
    """The compiled module; a batch size that was not warmed up cannot be timed."""

    compiles_at_first_call = True
    _compiled: Path | None = None
    _made_before = 0

    @classmethod
    def probe(cls, target: str) -> Availability:
        """As for PyTorch; Inductor writes C++, on a GPU what starts the kernels, and needs a compiler."""
        found = super().probe(target)
        return missing_compiler(found) if found.available else found

    def prepare_module(self, module: torch.nn.Module, request: LoadRequest) -> Any:
        """Set Inductor up; the compiling itself happens at the first call."""
        self._compiled = Path(request.compiled) if request.compiled else None
        if self._compiled is not None:
            os.environ[_CACHE_VARIABLE] = str(self._compiled)
        import torch
        import torch._inductor.config as inductor

        # Freezing folds batch normalisation and packs the weights; off by default, and worth a lot on a CPU.
        inductor.freezing = bool(request.options.get("freezing", True))
        mode = str(request.options.get("mode", "default"))
        self._autotuned = mode.startswith("max-autotune")
        dynamic = bool(request.options.get("dynamic", False))
        return torch.compile(module, mode=mode, dynamic=dynamic)

    def bind(self, inputs: Arrays) -> None:
        """Take one batch; its shape may be compiled for."""
        import torch

        torch.compiler.set_stance("default")
        self._made_before = self._made()
        super().bind(inputs)

    def settle(self) -> None:
        """From here on a call that would compile again is an error, and no compiling process is left idle."""
        import torch
        from torch._inductor.async_compile import shutdown_compile_workers

        torch.compiler.set_stance("fail_on_recompile")
        shutdown_compile_workers()

    def evidence(self) -> Evidence:
        """As for PyTorch, and whether the first call found everything compiled."""
        found = super().evidence()
        if self._compiled is None:
            return found
        cold = self._made() > self._made_before
        return msgspec.structs.replace(found, compile_cache="cold" if cold else "served")

    def _made(self) -> int:
        """Return how many libraries and kernels the folder holds."""
        if self._compiled is None or not self._compiled.exists():
            return 0
        return sum(path.suffix in _COMPILED_SUFFIXES for path in self._compiled.rglob("*"))

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Compile once more, with an event for each kernel, and run under the torch profiler."""
        import torch
        import torch._inductor.config as inductor

        inductor.cpp.enable_kernel_profile = True
        torch.compiler.reset()
        torch.compiler.set_stance("default")
        self.run()
        return super().profile(calls)
