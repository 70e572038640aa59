"""Catalog models with their weights, as PyTorch modules in eval mode. Imports torch; for workers only."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.errors import ModelError
from ortbench.models.catalog import find_model

if TYPE_CHECKING:
    import torch

    from ortbench.models.spec import ModelSource, ModelSpec


def load_module(source: ModelSource) -> torch.nn.Module:
    """Build the catalog model that `source` names, with its weights, in eval mode, on the CPU, fp32.

    The same source gives the same weights in every process: random ones come from torch's generator
    seeded with `source.seed`.

    Raises:
        ModelError: the weights cannot be had or do not fit the model.
    """
    import torch

    spec = find_model(source.name)
    if source.weights == "pretrained":
        return _pretrained(spec).eval()
    torch.manual_seed(source.seed)
    module = spec.build()
    if source.weights != "random":
        load_state_dict(module, Path(source.weights), spec.name)
    return module.eval()


def _pretrained(spec: ModelSpec) -> torch.nn.Module:
    if spec.pretrained is None:
        raise ModelError(f"There are no pretrained weights for '{spec.name}'; use --weights random.")
    try:
        return spec.pretrained()
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        # torchvision raises RuntimeError for a file whose hash is wrong, URLError or OSError without network.
        raise ModelError(
            f"The pretrained weights of '{spec.name}' could not be downloaded: {error}. Connect to the "
            "network, or give a state dict's file (--weights PATH), or use --weights random."
        ) from error


def load_state_dict(module: torch.nn.Module, path: Path, model_name: str) -> None:
    """Load a state dict's file into a module; nothing in the file is run.

    Raises:
        ModelError: it is no such file, or does not fit the model.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"--weights '{path}' does not exist.") from error
    except Exception as error:  # a damaged file makes torch raise almost anything
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"--weights '{path}' is no state dict that torch.load(weights_only=True) reads: {first_line}"
        ) from error
    if not isinstance(state, dict):
        raise ModelError(f"--weights '{path}' holds a {type(state).__name__}, not a state dict.")
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError, ValueError, LookupError) as error:
        raise ModelError(f"--weights '{path}' does not fit '{model_name}': {error}") from error
