"""The catalog: models by name, one file per family."""

from __future__ import annotations

from ortbench.errors import ModelError, expected_one_of
from ortbench.models import resnet, tiny
from ortbench.models.spec import ModelSpec

DEFAULT_MODEL = "resnet50"

CATALOG: dict[str, ModelSpec] = {spec.name: spec for spec in (*resnet.SPECS, *tiny.SPECS)}


def find_model(name: str) -> ModelSpec:
    """Return the catalog's model of that name.

    Raises:
        ModelError: there is none.
    """
    if name not in CATALOG:
        raise ModelError(
            expected_one_of("--model", CATALOG, name) + " A path must end in .onnx; see `ortbench models`."
        )
    return CATALOG[name]
