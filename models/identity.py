"""What makes two models the same, whatever is built of them."""

from __future__ import annotations

from pathlib import Path

from ortbench.models.files import file_sha256
from ortbench.models.spec import ModelSource


def model_identity(source: ModelSource) -> dict[str, str | int]:
    """Return name and weights of a catalog model: a file's by its contents, random ones by their seed."""
    weights = source.weights
    if weights not in ("random", "pretrained"):
        weights = f"sha256:{file_sha256(Path(weights))}"
    return {"model": source.name, "weights": weights, "seed": source.seed if source.weights == "random" else 0}
