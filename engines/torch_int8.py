"""PyTorch's own int8: static quantisation in FX graph mode, for the CPU. torch.ao.quantization is used here only.

PyTorch has called it deprecated since 2.10 in favour of torchao, a package of its own, and torch 2.14 still has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.errors import ArmError
from ortbench.models.calibration import calibration_batches, calibration_identity
from ortbench.models.files import is_as_made, put_verified
from ortbench.models.identity import model_identity
from ortbench.models.inputs import make_inputs
from ortbench.models.loading import load_module
from ortbench.models.precision import has_int8_products
from ortbench.models.processor import cpu_flags

if TYPE_CHECKING:
    import torch

_OBSERVED = "activation_post_process"


def calibrate(request: LoadRequest) -> bool:
    """Keep what the activations' ranges are, unless it is kept already; return whether it was."""
    import torch

    file = _ranges_file(request)
    if is_as_made(file):
        return True
    with torch.no_grad(), _quiet():
        prepared = _prepare(load_module(request.source), request)
        for batch in calibration_batches(request.source):
            prepared(*(torch.from_numpy(batch[spec.name]) for spec in request.source.inputs))
    ranges = {name: value for name, value in prepared.state_dict().items() if _OBSERVED in name}
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".calibrating-", dir=file.parent) as scratch:
        made = Path(scratch) / file.name
        torch.save(ranges, made)
        # Under its name only when it is whole.
        put_verified(made, file)
    return False


def load_quantized(request: LoadRequest) -> torch.nn.Module:
    """Return the catalog model with quantised weights and operators, by the ranges that `calibrate` kept.

    Raises:
        ArmError: there are none, or FX cannot trace or quantise this model.
    """
    import torch
    from torch.ao.quantization.quantize_fx import convert_fx

    file = _ranges_file(request)
    if not file.exists():
        raise ArmError(f"there are no calibrated ranges at {file}; they are made before the first launch")
    with torch.no_grad(), _quiet():
        prepared = _prepare(load_module(request.source), request)
        prepared.load_state_dict(torch.load(file, weights_only=True), strict=False)
        quantized: torch.nn.Module = convert_fx(prepared)
    return quantized


def _prepare(module: torch.nn.Module, request: LoadRequest) -> Any:
    """Fuse, and put an observer of the smallest and the largest value wherever activations will be quantised."""
    import torch
    from torch.ao.quantization import MinMaxObserver, QConfig, QConfigMapping, default_per_channel_weight_observer
    from torch.ao.quantization.quantize_fx import prepare_fx

    torch.backends.quantized.engine = "x86" if "x86" in torch.backends.quantized.supported_engines else "qnnpack"
    # As for ONNX Runtime, the same method; torch gives up a bit of the activations where its sums would saturate.
    activation = MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=not has_int8_products(cpu_flags()))
    config = QConfig(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        activation=activation, weight=default_per_channel_weight_observer
    )
    example = make_inputs(request.source, 1)
    tensors = tuple(torch.from_numpy(example[spec.name]) for spec in request.source.inputs)
    try:
        return prepare_fx(module, QConfigMapping().set_global(config), tensors)
    except Exception as error:  # whatever FX raises, this model is not for it
        raise ArmError(f"torch.ao.quantization cannot quantise '{request.source.name}': {error}") from error


def _ranges_file(request: LoadRequest) -> Path:
    """Return where the ranges are kept: everything that makes other ones is in the name."""
    import torch

    assert request.cache is not None, "the registry says that this engine builds something for this lane"
    identity = {
        **model_identity(request.source),
        "calibration": calibration_identity(request.source),
        "reduced": not has_int8_products(cpu_flags()),
        "torch": str(torch.__version__),
    }
    key = hashlib.sha256(msgspec.json.encode(identity, order="sorted")).hexdigest()[:16]
    return Path(request.cache) / f"torch-int8-{request.source.name}-{key}" / "ranges.pt"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out torch's notes on the deprecation: whoever asks for this lane reads it in ortbench's documentation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
