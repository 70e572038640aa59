"""Arrays of an .npz file: nothing is unpacked before its header is checked, and whatever is wrong is one message."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ortbench.errors import InputShapeError
from ortbench.models.inputs import declared_arrays, make_inputs
from ortbench.models.npz import read_arrays, read_headers, read_named, read_rows, write_named
from ortbench.models.spec import ModelSource, TensorSpec

MIB = 1 << 20


def header(descr: str, shape: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some hundred KB with an array of 100 MB, and another of 100 MB that no model asks for."""
    path = tmp_path_factory.mktemp("bomb") / "in.npz"
    np.savez_compressed(path, x=np.zeros((25 * MIB // 8, 8), np.float32), y=np.zeros((25 * MIB // 8, 8), np.float32))
    assert path.stat().st_size < MIB
    return path


def peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def test_shapes_and_types_are_had_without_unpacking(bomb: Path) -> None:
    assert peak_mib(lambda: declared_arrays(bomb)) < 3
    assert {name: (array.shape, array.dtype.name) for name, array in declared_arrays(bomb).items()} == {
        "x": ((25 * MIB // 8, 8), "float32"),
        "y": ((25 * MIB // 8, 8), "float32"),
    }


def test_a_batch_unpacks_no_more_than_its_rows(bomb: Path) -> None:
    source = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 8)),), inputs_file=str(bomb))
    assert peak_mib(lambda: make_inputs(source, 4)) < 5
    assert peak_mib(lambda: make_inputs(source, 4, index=20)) < 5


def test_what_does_not_fit_into_memory_is_not_begun(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = type("Memory", (), {"available": 50 * MIB})
    monkeypatch.setattr("ortbench.models.npz.psutil.virtual_memory", lambda: free)
    with pytest.raises(InputShapeError, match="holds 100 MiB, and 50 MiB of memory are free"):
        read_arrays(bomb, ["x"])
    with pytest.raises(InputShapeError, match="holds 100 MiB, and 50 MiB of memory are free"):
        read_rows(bomb, "x", 0, [0, 25 * MIB // 8 - 1])
    assert read_rows(bomb, "x", 0, [1, 0]).shape == (2, 8)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("rows", [[0], [2, 3], [3, 0, 3], []])
def test_rows_are_those_of_the_array(tmp_path: Path, order: Literal["C", "F"], axis: int, rows: list[int]) -> None:
    array = np.arange(20, dtype=np.int16).reshape(5, 4).copy(order=order)
    np.savez_compressed(tmp_path / "in.npz", x=array, flag=np.float64(2))
    got = read_rows(tmp_path / "in.npz", "x", axis, rows)
    np.testing.assert_array_equal(got, np.take(array, np.array(rows, int), axis=axis))
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(read_arrays(tmp_path / "in.npz")["x"], array)
    assert read_arrays(tmp_path / "in.npz", ["flag"])["flag"] == 2


def test_an_empty_array_is_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.zeros((0, 3), np.float32))
    assert read_arrays(tmp_path / "in.npz")["x"].shape == (0, 3)


FLOATS = header("'<f4'", "(4,)") + bytes(16)


@pytest.mark.parametrize(
    "members",
    [
        {"x.npy": header("'<f4'", "(1000000000000,)") + bytes(16)},
        {"x.npy": header("'<f4'", "(99999999999999999999, 99999999999)") + bytes(16)},
        {"x.npy": header("'<f4'", "(0, 99999999999999999999)")},
        {"x.npy": header("'<f4'", "(-4,)") + bytes(16)},
        {"x.npy": header("'<f4'", "(" + "1," * 100 + ")") + bytes(4)},
        {"x.npy": header("'<f4'", "(3,)") + bytes(16)},
        {"x.npy": header("'|O'", "(1,)") + b"cos\nsystem\n(S'id'\ntR."},
        {"x.npy": header("'nonsense'", "(4,)") + bytes(16)},
        {"x.npy": header("[('a', '|O')]", "(1,)") + bytes(8)},
        {"x.npy": b"\x93NUMPY\x09\x00" + bytes(100)},
        {"x.npy": b"\x93NUMPY\x01\x00\xff\xff{"},
        {"x.npy": b""},
        {"x.txt": b"hello"},
    ],
)
def test_what_a_header_claims_is_checked_before_anything_is_done(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = archive(tmp_path / "in.npz", members)
    for read in (read_headers, read_arrays, declared_arrays):
        with pytest.raises(InputShapeError, match=r"is no \.npz file of plain arrays: ") as caught:
            read(path)
        assert len(str(caught.value)) < 300 + len(str(path))


def damaged(path: Path, change: str) -> Path:
    content = bytearray(archive(path, {"x.npy": FLOATS}, zipfile.ZIP_DEFLATED).read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    if change == "encrypted":
        content[local + 6] |= 1
        content[central + 8] |= 1
    elif change == "unknown compression":
        content[local + 8] = content[central + 10] = 97
    elif change == "newer zip":
        content[local + 4] = content[central + 6] = 200
    elif change == "bad stream":
        content[local + 40 : local + 60] = b"\xff" * 20
    elif change == "bad checksum":
        content[central + 16] ^= 0xFF
        content[local + 14] ^= 0xFF
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("change", ["encrypted", "unknown compression", "newer zip", "bad stream", "bad checksum"])
def test_a_damaged_archive_is_one_message(tmp_path: Path, change: str) -> None:
    path = damaged(tmp_path / "in.npz", change)
    with pytest.raises(InputShapeError, match="^--inputs '"):
        read_arrays(path)


def test_outputs_of_any_name_come_back(tmp_path: Path) -> None:
    names = ["y\0z", "y", "a/b", "../x", "file", "", "n" * 100_000, "\u202e", "\ud800"]
    arrays = {name: np.full(3, number) for number, name in enumerate(names)}
    write_named(tmp_path / "out.npz", arrays)
    back = read_named(tmp_path / "out.npz")
    assert list(back) == names
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_a_folder_is_no_inputs_file(tmp_path: Path) -> None:
    with pytest.raises(InputShapeError, match="is no .npz file"):
        read_headers(tmp_path)
