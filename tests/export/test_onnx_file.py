from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.errors import ModelError
from ortbench.export.onnx_file import model_sha256, read_signature

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def model(path: Path, inputs: list[onnx.ValueInfoProto], initializer: list[onnx.TensorProto] | None = None) -> Path:
    nodes = [helper.make_node("Identity", [inputs[0].name], ["y"])]
    outputs = [helper.make_tensor_value_info("y", inputs[0].type.tensor_type.elem_type, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def tensor(name: str, shape: list[int | str | None] | None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (["N", 3], ("N", 3)),
        ([None, 3], ("?x_0", 3)),
        ([-1, 3], ("?x_0", 3)),
        ([0, 3], (0, 3)),
        ([2, 3], (2, 3)),
        (["N", 3, "height", None], ("N", 3, "height", "?x_3")),
        ([-1, 3, "?", "?"], ("?x_0", 3, "?x_2", "?x_3")),
        (["unk__214", "None", "-1", "", "?"], ("?x_0", "?x_1", "?x_2", "?x_3", "?x_4")),
        (["batch", "4", "s54", "16"], ("batch", 4, "s54", 16)),
        (["N", "N"], ("N", "N")),
        ([], ()),
        (None, ("...",)),
    ],
)
def test_dimensions_are_read_as_sizes_and_symbols(
    tmp_path: Path, shape: list[int | str | None] | None, expected: tuple[int | str, ...]
) -> None:
    inputs, _ = read_signature(model(tmp_path / "m.onnx", [tensor("x", shape)]))
    assert inputs[0].shape == expected


def test_types_and_several_inputs_are_read(tmp_path: Path) -> None:
    values = [tensor("x", ["N", 3]), tensor("ids", ["N", "length"], TensorProto.INT64), tensor("flag", [1], 9)]
    inputs, _ = read_signature(model(tmp_path / "m.onnx", values))
    assert [(spec.name, spec.dtype) for spec in inputs] == [("x", "float32"), ("ids", "int64"), ("flag", "bool")]


def test_initializers_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    path = model(tmp_path / "m.onnx", [tensor("x", ["N", 3]), tensor("w", [3])], initializer=[weights])
    assert [spec.name for spec in read_signature(path)[0]] == ["x"]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_the_light_models_of_the_onnx_package_have_one_input_of_fixed_shape(path: Path) -> None:
    inputs, _ = read_signature(path)
    assert len(inputs) == 1
    assert all(isinstance(size, int) for size in inputs[0].shape)


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_signature(path)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    assert refusal(path).startswith(f"The model '{path}' does not exist;")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"The model '{tmp_path}' is a folder; expected an .onnx file."


def test_an_empty_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    assert refusal(path) == f"The model '{path}' is empty."


def test_a_file_cut_anywhere_is_refused(model_file: Path, tmp_path: Path) -> None:
    whole = model_file.read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(1, len(whole)):
        cut.write_bytes(whole[:length])
        assert refusal(cut) == f"The model '{cut}' is truncated or not an ONNX file."


def test_text_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("this is not a model\n" * 10, encoding="ascii")
    assert refusal(path) == f"The model '{path}' is truncated or not an ONNX file."


def external(tmp_path: Path, location: str) -> Path:
    weights = numpy_helper.from_array(np.arange(64, dtype=np.float32), "w")
    path = model(tmp_path / "m.onnx", [tensor("x", ["N", 64])], initializer=[weights])
    loaded = onnx.load(str(path))
    onnx.save(loaded, str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    moved = onnx.load(str(path), load_external_data=False)
    for entry in moved.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(moved.SerializeToString())
    return path


def test_external_data_beside_the_model_is_part_of_it(tmp_path: Path) -> None:
    path = external(tmp_path, "w.bin")
    assert [spec.name for spec in read_signature(path)[0]] == ["x"]
    before = model_sha256(path)
    (tmp_path / "w.bin").write_bytes(b"\x01" * 256)
    assert model_sha256(path) != before


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    path = external(tmp_path, "gone.bin")
    assert refusal(path) == f"The model '{path}' keeps weights in 'gone.bin', which is missing beside it."


def test_truncated_external_data_is_named(tmp_path: Path) -> None:
    path = external(tmp_path, "w.bin")
    (tmp_path / "w.bin").write_bytes(b"\x00" * 100)
    assert refusal(path) == (
        f"The model '{path}' keeps weights in 'w.bin', which is truncated: 256 bytes are needed, and it has 100."
    )


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link"])
def test_external_data_outside_the_folder_is_never_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\x00" * 256)
    (folder / "link").symlink_to(tmp_path / "secret")
    path = external(folder, location)
    assert refusal(path) == f"The model '{path}' keeps weights in '{location}', outside its own folder."


def test_weights_in_a_hubs_cache_are_found_through_its_links(tmp_path: Path) -> None:
    path = hub(tmp_path)
    assert [spec.name for spec in read_signature(path)[0]] == ["x"]
    before = model_sha256(path)
    (tmp_path / "blobs/2222").write_bytes(b"\x01" * 256)
    assert model_sha256(path) != before


def test_a_link_to_anywhere_else_is_refused_in_a_hubs_cache_too(tmp_path: Path) -> None:
    path = hub(tmp_path)
    (tmp_path / "secret").write_bytes(b"\x00" * 256)
    (path.parent / "w.bin").unlink()
    (path.parent / "w.bin").symlink_to(tmp_path / "secret")
    assert refusal(path) == f"The model '{path}' keeps weights in 'w.bin', outside its own folder."


def hub(tmp_path: Path) -> Path:
    """Lay a model with weights beside it out as a hub's cache: links in a snapshot, files named by their contents."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots/0123/onnx"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name, digest in ((external(tmp_path, "w.bin").name, "1111"), ("w.bin", "2222")):
        (tmp_path / name).rename(blobs / digest)
        (snapshot / name).symlink_to(Path("../../../blobs") / digest)
    return snapshot / "m.onnx"


def test_a_model_without_inputs_is_refused(tmp_path: Path) -> None:
    value = numpy_helper.from_array(np.zeros(1, np.float32))
    graph = helper.make_graph([helper.make_node("Constant", [], ["y"], value=value)], "g", [], [tensor("y", [1])])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    assert refusal(path) == (f"The model '{path}' has no inputs, so there is nothing to vary; expected at least one.")
