"""What the PyTorch engines share: threads, inference mode, inputs and outputs, and the device."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ortbench.engines.base import Arrays, Availability, Engine, Evidence, LoadRequest, OperatorTime, Placement
from ortbench.engines.convolution_search import CUDNN_BENCHMARK, has_convolutions, torch_search
from ortbench.engines.cuda import GPU_REMEDY, missing_gpu_reason
from ortbench.engines.torch_int8 import calibrate, load_quantized
from ortbench.engines.torch_precision import lane_dtype, parameter_types, pin_precision, reported_precision, to_lane

if TYPE_CHECKING:
    import torch


def installed_torch_version() -> str | None:
    """Read torch's version from its own version file, without the seconds that importing it takes."""
    package = importlib.util.find_spec("torch")
    if package is None or package.origin is None:
        return None
    spec = importlib.util.spec_from_file_location("torch_version", Path(package.origin).with_name("version.py"))
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.__version__)


def probe_torch(target: str) -> Availability:
    """Say whether PyTorch can run on `target`."""
    version = installed_torch_version()
    if version is None:
        return Availability(reason="PyTorch is not installed", remedy="pip install torch torchvision")
    if target == "cpu":
        return Availability(version=version, device="CPU")
    reason = missing_gpu_reason()
    if reason:
        return Availability(version=version, reason=reason, remedy=GPU_REMEDY)
    import torch

    if not torch.cuda.is_available():
        return Availability(
            version=version,
            reason=f"torch {version} has no CUDA or does not accept this GPU's driver",
            remedy="a CUDA build of torch that fits the driver (pip install torch)",
        )
    return Availability(version=version, device=torch.cuda.get_device_name(0))


def load_on_device(request: LoadRequest) -> torch.nn.Module:
    """Return the catalog model with its weights, in eval mode, in the device's memory, layout and lane asked for."""
    from ortbench.models.loading import load_module

    if request.precision == "int8":
        return load_quantized(request)
    module = load_module(request.source).to(request.target, lane_dtype(request.precision))
    return module.to(memory_format=memory_format(request))


def memory_format(request: LoadRequest) -> torch.memory_format:
    """Return the layout of images and convolutions."""
    import torch

    return torch.channels_last if request.options.get("channels_last") else torch.contiguous_format


def _devices(module: torch.nn.Module) -> Mapping[str, int]:
    """Count a module's weights by device; a quantised module has them in its state only, all on the CPU."""
    counts = Counter(parameter.device.type for parameter in module.parameters())
    return counts or {"cpu": len(module.state_dict())}


def _versions() -> dict[str, str]:
    """Return the versions of what took part: torchvision builds some models only, and takes a second to import."""
    loaded = [sys.modules[name] for name in ("torch", "torchvision") if name in sys.modules]
    return {module.__name__: str(module.__version__) for module in loaded}


class TorchFamilyEngine(Engine):
    """A PyTorch callable on one device; subclasses say how the module becomes that callable."""

    _call: Any
    _inputs: tuple[torch.Tensor, ...]
    _result: Any = None
    _parameter_devices: Mapping[str, int] = MappingProxyType({})
    _parameter_types: str = ""
    _convolutional = False
    # Whether a compiler times convolutions by itself, whatever cuDNN is told.
    _autotuned = False

    @classmethod
    def probe(cls, target: str) -> Availability:
        """See the base class."""
        return probe_torch(target)

    @classmethod
    def build(cls, request: LoadRequest) -> bool:
        """Calibrate, in the lane that needs it; say whether that was done before."""
        return calibrate(request) if request.precision == "int8" else True

    def prepare_module(self, module: torch.nn.Module, request: LoadRequest) -> Any:  # noqa: ARG002 - the interface's
        """Turn the eval-mode module, already on its device, into what `run` calls: itself unless a subclass differs."""
        return module

    def load(self, request: LoadRequest) -> None:
        """Build the catalog model and prepare it; gradients are off for everything that follows."""
        import torch

        torch.set_num_threads(request.threads)
        # Held open for the process's life, so that loading, warm-up and timing all see the same mode.
        self._inference_mode = torch.inference_mode()
        self._inference_mode.__enter__()
        pin_precision(request.precision)
        torch.backends.cudnn.benchmark = bool(request.options.get(CUDNN_BENCHMARK.name, False))
        self._precision = request.precision
        self._source = request.source
        self._device = torch.device(request.target)
        self._layout = memory_format(request)
        self._call = self.load_callable(request)

    def load_callable(self, request: LoadRequest) -> Any:
        """Return what `run` calls, from the module with its weights."""
        import torch

        # Parameters made inside inference mode would be inference tensors, which tracing refuses.
        with torch.inference_mode(mode=False):
            module = load_on_device(request)
            self._parameter_devices = _devices(module)
            self._parameter_types = parameter_types(module)
            self._convolutional = has_convolutions(module.modules())
            return self.prepare_module(module.requires_grad_(requires_grad=False), request)

    def bind(self, inputs: Arrays) -> None:
        """Convert the arrays to tensors on the device, in the model's memory layout."""
        import numpy as np
        import torch

        tensors = []
        for spec in self._source.inputs:
            tensor = torch.from_numpy(np.ascontiguousarray(inputs[spec.name])).to(self._device)
            tensor = to_lane(tensor, self._precision)
            layout = self._layout if tensor.dim() == 4 else torch.contiguous_format
            tensors.append(tensor.contiguous(memory_format=layout))
        self._inputs = tuple(tensors)
        self._result = None

    def run(self) -> None:
        """Call the model on the bound tensors."""
        self._result = self._call(*self._inputs)

    @property
    def asynchronous(self) -> bool:
        """On a GPU only; asking the device for its type in every call on a CPU made calls 3 microseconds longer."""
        return self._device.type == "cuda"

    def synchronize(self) -> None:
        """Wait for the GPU; nothing to wait for on the CPU."""
        if self.asynchronous:
            import torch

            torch.cuda.synchronize()

    def profile(self, calls: int) -> tuple[OperatorTime, ...] | None:
        """Run under the torch profiler: see `torch_profile.py`."""
        from ortbench.engines.torch_profile import profile_calls

        return profile_calls(self._run_and_wait, calls, cuda=self._device.type == "cuda")

    def _run_and_wait(self) -> None:
        self.run()
        self.synchronize()

    def outputs(self) -> Arrays | None:
        """Return the last result as arrays, named as the model's outputs."""
        results = self._result if isinstance(self._result, (tuple, list)) else (self._result,)
        names = [spec.name for spec in self._source.outputs]
        halves = self._precision in ("bf16", "fp16")
        widened = [tensor.float() if halves and tensor.is_floating_point() else tensor for tensor in results]
        return {name: tensor.cpu().numpy() for name, tensor in zip(names, widened, strict=True)}

    def evidence(self) -> Evidence:
        """Versions, threads, and the device that the parameters and the last output are on."""
        import torch

        first = self._result[0] if isinstance(self._result, (tuple, list)) else self._result
        return Evidence(
            versions=_versions(),
            boundary="host" if self._device.type == "cpu" else "device",
            threads=torch.get_num_threads(),
            precision=reported_precision(self._parameter_types, first),
            gradients=torch.is_grad_enabled() or bool(first.requires_grad),
            convolution_search=torch_search(
                cuda=self._device.type == "cuda",
                convolutional=self._convolutional,
                searched=self._autotuned or bool(torch.backends.cudnn.benchmark),
            ),
            layout="NHWC" if self._layout == torch.channels_last else "NCHW",
            placement=self._placement(first.device.type),
        )

    def _placement(self, output_device: str) -> Placement:
        """Say where the parameters are; where the output came from elsewhere, so did everything."""
        assigned = dict(self._parameter_devices)
        if output_device != self._device.type:
            assigned = {output_device: sum(assigned.values())}
        return Placement(requested=self._device.type, assigned=assigned, unit="parameters")
