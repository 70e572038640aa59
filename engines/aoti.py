"""AOTInductor: the model exported and compiled once into a package on disk, then loaded without Python's compiler.

Everything that torch keeps private about it is used in this file only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.engines.base import Availability, LoadRequest, OperatorTime
from ortbench.engines.compiler import missing_compiler
from ortbench.engines.cuda import compute_capability
from ortbench.engines.torch_base import TorchFamilyEngine, installed_torch_version, load_on_device
from ortbench.engines.torch_precision import pin_precision, to_lane
from ortbench.errors import ArmError
from ortbench.models.files import is_as_made, put_verified
from ortbench.models.identity import model_identity
from ortbench.models.inputs import make_inputs

if TYPE_CHECKING:
    import torch

_PACKAGE = "model.pt2"
_EXAMPLE_BATCH = 2


class AotiEngine(TorchFamilyEngine):
    """A compiled package, one for any batch size."""

    @classmethod
    def probe(cls, target: str) -> Availability:
        """As for PyTorch; Inductor writes C++, on a GPU what starts the kernels, and needs a compiler."""
        found = super().probe(target)
        return missing_compiler(found) if found.available else found

    @classmethod
    def build(cls, request: LoadRequest) -> bool:
        """Export and compile the model, unless a whole package of the same identity is there; say whether one was."""
        package = _package(request)
        if is_as_made(package):
            return True
        package.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=package.parent) as scratch:
            made = Path(scratch) / _PACKAGE
            _compile(request, made)
            # Under its name only when it is whole.
            put_verified(made, package)
        return False

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Compile once more, with an event for each kernel, into a package that is not kept."""
        import torch
        import torch._inductor.config as inductor
        from torch._inductor import aoti_load_package

        inductor.cpp.enable_kernel_profile = True
        with tempfile.TemporaryDirectory(prefix="ortbench-profile-") as folder:
            package = Path(folder) / _PACKAGE
            with torch.inference_mode(mode=False):
                _compile(self._request, package)
            self._call = aoti_load_package(str(package))
            return super().profile(calls)

    def load_callable(self, request: LoadRequest) -> Any:
        """Load the package; the module itself is not needed, and would only count as memory."""
        from torch._inductor import aoti_load_package

        self._request = request
        package = _package(request)
        if not package.exists():
            raise ArmError(f"there is no compiled package at {package}; it is built before the first launch")
        loaded = aoti_load_package(str(package))
        device = str(loaded.get_metadata().get("AOTI_DEVICE_KEY", request.target))
        self._parameter_devices = {device: len(loaded.get_constant_fqns())}
        return loaded


def _compile(request: LoadRequest, package: Path) -> None:
    import torch
    import torch._inductor.config as inductor
    from torch._inductor import aoti_compile_and_package

    torch.set_num_threads(request.threads)
    pin_precision(request.precision)
    inductor.freezing = bool(request.options.get("freezing", True))
    # Without gradients but outside inference mode: its tensors cannot be exported.
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecations inside torch's own exporter and compiler.
        warnings.simplefilter("ignore")
        module = load_on_device(request).requires_grad_(requires_grad=False)
        example = make_inputs(request.source, _EXAMPLE_BATCH)
        tensors = tuple(
            to_lane(torch.from_numpy(example[spec.name]).to(request.target), request.precision)
            for spec in request.source.inputs
        )
        aoti_compile_and_package(export_for_any_batch(module, tensors), package_path=str(package))


def export_for_any_batch(module: torch.nn.Module, tensors: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    """Return the module exported for every batch size that its kernels take.

    Args:
        module: whose inputs all begin with the batch.
        tensors: an example of each, at least two in a batch.
    """
    import torch

    # No name with bounds of its own: PyTorch's CUDA kernels take at most 65535 images, which a named one would refuse.
    batch = {0: torch.export.Dim.DYNAMIC}
    return torch.export.export(module, tensors, dynamic_shapes=tuple(batch for _ in tensors))


def _package(request: LoadRequest) -> Path:
    """Return where the package of this request is kept: everything that makes another one is in its name."""
    assert request.cache is not None, "the registry says that this engine builds something"
    identity = {
        **model_identity(request.source),
        "target": request.target,
        "threads": request.threads,  # Inductor writes the number into the code
        "precision": request.precision,
        "options": request.options,
        "torch": installed_torch_version(),
        "cpu": _instruction_sets(),
        # Kernels are compiled for one generation of GPUs.
        "gpu": compute_capability() if request.target == "cuda" else None,
    }
    key = hashlib.sha256(msgspec.json.encode(identity, order="sorted")).hexdigest()[:16]
    return Path(request.cache) / f"aoti-{request.source.name}-{key}" / _PACKAGE


def _instruction_sets() -> str:
    """Return the processor's flags: the compiled code uses what it finds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.uname().machine if hasattr(os, "uname") else ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
