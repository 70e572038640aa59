"""The reference, too, keeps to --max-time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.errors import ModelError
from ortbench.export.onnx_file import read_signature
from ortbench.models.spec import ModelSource
from ortbench.runner.jobs import Reference, reference_limit_s


def endless(path: Path) -> ModelSource:
    """A model that counts to 2^62 in a loop."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes_on"]), helper.make_node("Sin", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["most", "yes", "x"], ["y"], body=body)],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(2**62), "most"), numpy_helper.from_array(np.array([True])[0], "yes")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    inputs, outputs = read_signature(path)
    return ModelSource(name="endless", path=str(path), weights="own", inputs=inputs, outputs=outputs)


def test_a_model_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with Reference("ort", endless(tmp_path / "m.onnx"), limit_s=2) as reference:
        reference.ready()
        with pytest.raises(ModelError, match=r"no answer within 2 s.* A longer --max-time gives it longer") as caught:
            reference.outputs(1)
        with pytest.raises(ModelError) as again:
            reference.outputs(2)
        assert str(again.value) == str(caught.value), "it is not tried once more"


@pytest.mark.parametrize(("max_time_s", "expected"), [(3, 30), (300, 300), (86400, 1800)])
def test_it_may_take_what_measuring_may(max_time_s: float, expected: float) -> None:
    assert reference_limit_s(max_time_s) == expected
