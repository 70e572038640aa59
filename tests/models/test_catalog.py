from __future__ import annotations

import pytest

from ortbench.errors import ModelError
from ortbench.models.catalog import CATALOG, find_model


def test_resnet50_takes_images_of_224() -> None:
    spec = find_model("resnet50")
    assert spec.inputs[0].shape == ("batch", 3, 224, 224)
    assert spec.outputs[0].shape == ("batch", 1000)


def test_an_unknown_model_is_refused_with_the_choices() -> None:
    with pytest.raises(ModelError) as caught:
        find_model("resnet")
    assert str(caught.value) == (
        "Expected --model to be one of [resnet18, resnet34, resnet50, resnet101, resnet152, tiny], "
        "but got 'resnet'. A path must end in .onnx; see `ortbench models`."
    )


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_describes_itself(name: str) -> None:
    spec = CATALOG[name]
    assert spec.name == name
    assert spec.about
    assert all(tensor.shape[0] == "batch" for tensor in (*spec.inputs, *spec.outputs))
