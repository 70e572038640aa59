"""Model files that are odd, damaged or hostile end in one ModelError, however they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper

from ortbench.errors import ModelError
from ortbench.export.onnx_file import default_opset, model_sha256, read_signature


def external(location: str, **more: str) -> TensorProto:
    """A tensor of 4 floats in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def identity(x: str = "x", y: str = "y") -> onnx.NodeProto:
    return helper.make_node("Identity", [x], [y])


def model(*nodes: onnx.NodeProto, initializer: TensorProto | None = None) -> ModelProto:
    graph = helper.make_graph(
        [*nodes, identity()],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [initializer] if initializer else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def in_initializer(tensor: TensorProto) -> ModelProto:
    return model(initializer=tensor)


def in_constant(tensor: TensorProto) -> ModelProto:
    return model(constant(tensor))


def in_list(tensor: TensorProto) -> ModelProto:
    node = helper.make_node("Odd", [], ["c"])
    node.attribute.append(AttributeProto(name="many", type=AttributeProto.TENSORS, tensors=[tensor]))
    return model(node)


def in_sparse(tensor: TensorProto, *, many: bool = False) -> ModelProto:
    node = helper.make_node("Constant", [], ["c"])
    attribute = node.attribute.add(name="sparse_value", type=AttributeProto.SPARSE_TENSOR)
    sparse = attribute.sparse_tensors.add() if many else attribute.sparse_tensor
    sparse.indices.CopyFrom(tensor)
    return model(node)


def in_sparse_list(tensor: TensorProto) -> ModelProto:
    return in_sparse(tensor, many=True)


def in_subgraph(tensor: TensorProto) -> ModelProto:
    branch = helper.make_graph([constant(tensor)], "b", [], [helper.make_tensor_value_info("c", 1, None)])
    return model(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))


def function_of(*nodes: onnx.NodeProto) -> ModelProto:
    made = model()
    made.functions.append(helper.make_function("own", "f", ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17)]))
    return made


def in_function(tensor: TensorProto) -> ModelProto:
    return function_of(constant(tensor))


def in_if_of_a_function(tensor: TensorProto) -> ModelProto:
    return function_of(*in_subgraph(tensor).graph.node[:1])


def in_sparse_of_a_function(tensor: TensorProto) -> ModelProto:
    return function_of(*in_sparse(tensor).graph.node[:1])


def in_default_of_a_function(tensor: TensorProto) -> ModelProto:
    made = function_of()
    made.functions[0].attribute_proto.append(AttributeProto(name="a", type=AttributeProto.TENSOR, t=tensor))
    return made


def in_training(tensor: TensorProto) -> ModelProto:
    made = model()
    made.training_info.add().algorithm.initializer.append(tensor)
    return made


PLACES: list[Callable[[TensorProto], ModelProto]] = [
    in_initializer,
    in_constant,
    in_list,
    in_sparse,
    in_sparse_list,
    in_subgraph,
    in_function,
    in_if_of_a_function,
    in_sparse_of_a_function,
    in_default_of_a_function,
    in_training,
]


def saved(made: ModelProto, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize("place", PLACES)
def test_weights_outside_the_folder_are_refused_wherever_they_stand(
    tmp_path: Path, place: Callable[[TensorProto], ModelProto]
) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    path = saved(place(external("../secret")), folder)
    with pytest.raises(ModelError, match=r"keeps weights in '\.\./secret', outside its own folder"):
        read_signature(path)
    (folder / "w").write_bytes(bytes(16))
    path = saved(place(external("w")), folder)
    before = model_sha256(path)
    read_signature(path)
    (folder / "w").write_bytes(bytes(15) + b"1")
    assert model_sha256(path) != before, "its digest is of these weights too"


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (external(""), "which is missing"),
        (external("a\0b"), "which is missing"),
        (external("a" * 5000), "which is missing"),
        (external("loop"), "which is missing"),
        (external("folder"), "which is missing"),
        (external("pipe"), "which is missing"),
        (external("/etc/passwd"), "outside its own folder"),
        (external("out"), "outside its own folder"),
        (external("w", offset="9" * 5000), "their offset is no number that a file could have"),
        (external("w", offset="-1"), "their offset is no number"),
        (external("w", length="\u0663"), "their length is no number"),
        (external("w", length="1e3"), "their length is no number"),
        (external("w", offset="8", length="16"), "which is truncated: 24 bytes are needed, and it has 16"),
    ],
)
def test_odd_places_of_weights_are_named(tmp_path: Path, tensor: TensorProto, message: str) -> None:
    (tmp_path / "w").write_bytes(bytes(16))
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    path = saved(in_initializer(tensor), tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        read_signature(path)
    assert len(str(caught.value)) < 600


def test_an_element_type_that_nobody_knows_is_named(tmp_path: Path) -> None:
    for number in (0, 77, 2**31 - 1):
        made = model()
        made.graph.input[0].type.tensor_type.elem_type = number
        with pytest.raises(ModelError, match=f"has 'x' of the element type {number}, which this version of onnx"):
            read_signature(saved(made, tmp_path))


@pytest.mark.parametrize("size", [10**12, 2**62])
def test_a_dimension_of_any_size_is_read_as_it_is(tmp_path: Path, size: int) -> None:
    made = model()
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = size
    inputs, _ = read_signature(saved(made, tmp_path))
    assert inputs[0].shape[1] == size


def test_names_that_are_no_text_are_named(tmp_path: Path) -> None:
    content = in_initializer(external("wwwwwwww")).SerializeToString()
    assert content.count(b"wwwwwwww") == 1
    path = tmp_path / "m.onnx"
    path.write_bytes(content.replace(b"wwwwwwww", b"\xff\xfewwwwww"))
    for read in (read_signature, model_sha256):
        with pytest.raises(ModelError, match="damaged"):
            read(path)
    path.write_bytes(model().SerializeToString().replace(b"\x0a\x01x", b"\x0a\x01\xff"))
    with pytest.raises(ModelError, match="damaged|truncated"):
        read_signature(path)


def test_a_file_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.onnx"))
    path.write_bytes(model().SerializeToString())
    for read in (read_signature, model_sha256, default_opset):
        with pytest.raises(ModelError, match="is not UTF-8 text; give the file another name"):
            read(path)


def test_a_file_name_that_no_system_takes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: File name too long"):
        read_signature(tmp_path / ("a" * 300 + ".onnx"))
