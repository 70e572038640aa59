from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.export.facts import facts_of
from ortbench.models.file_facts import Choice, FileFacts, file_notes
from tests import odd_models as odd

FLOATS = [odd.tensor("x", ["n", 4])]


def with_node(operator: str, domain: str = "", **attributes: object) -> onnx.ModelProto:
    return odd.model([odd.node(operator, ["x", "w"], ["y"], domain=domain, **attributes)], FLOATS, FLOATS)


@pytest.mark.parametrize(
    ("operator", "domain", "attributes", "made"),
    [
        ("MatMul", "", {}, ""),
        ("QLinearConv", "", {}, "int8"),
        ("QLinearMatMul", "", {}, "int8"),
        ("QuantizeLinear", "", {}, "int8"),
        ("DynamicQuantizeLinear", "", {}, "int8"),
        ("MatMulInteger", "", {}, "int8"),
        ("ConvInteger", "", {}, "int8"),
        ("MatMulIntegerToFloat", "com.microsoft", {}, "int8"),
        ("DynamicQuantizeMatMul", "com.microsoft", {}, "int8"),
        ("QLinearAdd", "com.microsoft", {}, "int8"),
        ("QAttention", "com.microsoft", {}, "int8"),
        ("QGemm", "com.microsoft", {}, "int8"),
        ("MatMulNBits", "com.microsoft", {"bits": 4}, "int4"),
        ("MatMulNBits", "com.microsoft", {"bits": 8}, "int8"),
        ("MatMulBnb4", "com.microsoft", {}, "int4"),
        ("GatherBlockQuantized", "com.microsoft", {"bits": 4}, "int4"),
        ("QuickGelu", "com.microsoft", {}, ""),
        ("SequenceInsert", "", {}, ""),
    ],
)
def test_operators_tell_a_quantised_model(operator: str, domain: str, attributes: dict[str, int], made: str) -> None:
    assert facts_of(with_node(operator, domain, **attributes)).made == made


def test_operators_are_looked_for_in_subgraphs_and_functions() -> None:
    inner = helper.make_graph([odd.node("DequantizeLinear", ["x", "s"], ["z"])], "g", [], [odd.tensor("z", None)])
    branches = odd.model([odd.node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], FLOATS, FLOATS)
    assert facts_of(branches).made == "int8"
    calling = odd.model([odd.node("Own", ["x"], ["y"], domain="own")], FLOATS, FLOATS)
    nodes = [odd.node("RandomNormalLike", ["a"], ["b"], name="inside")]
    calling.functions.append(helper.make_function("own", "Own", ["a"], ["b"], nodes, [helper.make_opsetid("", 17)]))
    assert facts_of(calling).random == ("RandomNormalLike 'inside'",)


def test_weights_of_four_bits_tell_too() -> None:
    packed = helper.make_tensor("w", TensorProto.INT4, [2], np.array([1], np.uint8).tobytes(), raw=True)
    nodes = [odd.node("DequantizeLinear", ["w", "s"], ["v"]), odd.node("Add", ["x", "v"], ["y"])]
    assert facts_of(odd.model(nodes, FLOATS, FLOATS, [packed])).made == "int4"


def test_half_precision_is_told_by_inputs_weights_or_conversions() -> None:
    assert facts_of(odd.half()).made == "fp16"
    cast = odd.model([odd.node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)], FLOATS, FLOATS)
    assert facts_of(cast).made == "bf16"
    assert facts_of(odd.segmentation()).made == ""


def test_a_dropout_is_random_in_training_only() -> None:
    for training, found in ((True, ("Dropout 'd'",)), (False, ())):
        nodes = [odd.node("Dropout", ["x", "r", "t"], ["y"], name="d")]
        constants = [odd.constant("r", np.float32(0.5)), odd.constant("t", np.bool_(training))]
        assert facts_of(odd.model(nodes, FLOATS, FLOATS, constants)).random == found
        value = numpy_helper.from_array(np.array(training))
        nodes = [odd.node("Constant", [], ["t"], value=value), *nodes]
        assert facts_of(odd.model(nodes, FLOATS, FLOATS, constants[:1])).random == found
    assert facts_of(odd.model([odd.node("Dropout", ["x"], ["y"])], FLOATS, FLOATS)).random == ()


def test_what_a_choice_was_made_among_is_found_behind_changes_of_shape() -> None:
    assert facts_of(odd.segmentation()).choices == (Choice(output="classes", deciding="logits", axis=1),)
    nodes = [odd.node("TopK", ["x", "k"], ["best", "which"]), odd.node("Identity", ["which"], ["y"])]
    outputs = [odd.tensor("best", None), odd.tensor("y", None, TensorProto.INT64)]
    facts = facts_of(odd.model(nodes, FLOATS, outputs))
    assert facts.choices == (Choice(output="y", deciding="x", axis=-1),)
    assert facts.decided == ()


def test_other_integers_of_floating_point_numbers_are_decided_and_the_rest_is_not() -> None:
    nodes = [
        odd.node("ArgMax", ["x"], ["a"]),
        odd.node("Transpose", ["a"], ["turned"]),
        odd.node("Greater", ["x", "x"], ["mask"]),
        odd.node("Relu", ["x"], ["f"]),
        odd.node("Cast", ["f"], ["rounded"], to=TensorProto.INT64),
        odd.node("Shape", ["x"], ["shape"]),
        odd.node("Cast", ["shape"], ["sizes"], to=TensorProto.INT32),
        odd.node("Add", ["ids", "ids"], ["twice"]),
    ]
    kinds = {"turned": 7, "mask": 9, "rounded": 7, "shape": 7, "sizes": 6, "twice": 7}
    outputs = [odd.tensor(name, None, kind) for name, kind in kinds.items()]
    inputs = [*FLOATS, odd.tensor("ids", ["n"], TensorProto.INT64)]
    facts = facts_of(odd.model(nodes, inputs, outputs))
    assert facts.decided == ("turned", "mask", "rounded")
    assert facts.choices == ()


def test_outputs_that_are_no_tensors_are_named() -> None:
    assert facts_of(odd.classifier([0, 1, 2], as_maps=True)).left_out == ("'probabilities' (a sequence)",)


def test_what_follows_is_said() -> None:
    assert file_notes(FileFacts(), random=False) == []
    facts = FileFacts(made="int4", random=("A 'a'", "B 'b'", "C 'c'", "D 'd'"), left_out=("'p' (a map)",))
    assert file_notes(facts, random=True) == [
        "the model is int4, as its maker quantised it: outputs are compared in steps of quantisation, "
        "between the graph as it is and as each engine optimises it",
        "the model draws random numbers (A 'a', B 'b', C 'c' and 1 more), so that outputs cannot be compared: "
        "parity is unknown",
        "the output is computed, but neither fetched nor compared: 'p' (a map)",
    ]
    assert file_notes(FileFacts(), random=True) == [
        "the model gives other outputs for the same inputs each time that it is run, so that outputs cannot be "
        "compared: parity is unknown"
    ]
