"""Arrays of an .npz file, read so that nothing is unpacked before its header says what it is and what it takes.

An .npz is a zip of .npy files (numpy.lib.format). Its directory and the first bytes of each file tell names, types and
shapes; a few MB can say that they hold terabytes.
"""

from __future__ import annotations

import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import psutil
from numpy.lib import format as npy
from numpy.typing import NDArray

from ortbench.errors import InputShapeError

_SUFFIX = ".npy"
# What zipfile, zlib and numpy's reading of a header, which is Python's own syntax, raise for damaged files.
_DAMAGED = (
    *(OSError, ValueError, EOFError, RuntimeError, LookupError, TypeError, ArithmeticError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
_BLOCK = 1 << 20
# No array that a model takes has more axes.
_MOST_AXES = 64
# Of a size, in bytes or items: numpy's own limit is that of a signed 64-bit integer.
_LARGEST = 1 << 62
_MIB = 1 << 20


@dataclass(frozen=True)
class ArrayHeader:
    """What a file says of one of its arrays.

    Attributes:
        shape: of the array.
        dtype: never one of Python objects.
        fortran: the first axis is the one that changes fastest.
        offset: where the values begin, in bytes from the member's beginning.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """How much the values take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def placeholder(self) -> NDArray[np.generic]:
        """Return an array of this shape and type that takes no memory; its values mean nothing."""
        # Bytes stand for text in UTF-8, which is read as such.
        return np.broadcast_to(np.zeros((), "U1" if self.dtype.kind == "S" else self.dtype), self.shape)


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """Return what a file says of its arrays, by name; their values are not read.

    Raises:
        InputShapeError: it does not exist, is no such file, or holds Python objects.
    """
    with _opened(path) as archive:
        return {_name(member): _header(archive, member) for member in archive.infolist()}


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """Return arrays by name.

    Args:
        path: of the file.
        names: those wanted; all without.

    Raises:
        InputShapeError: as for `read_headers`, and where they do not fit into the memory that is free.
    """
    with _opened(path) as archive:
        members = [member for member in archive.infolist() if names is None or _name(member) in names]
        headers = [_header(archive, member) for member in members]
        _check_fits(path, sum(header.nbytes for header in headers))
        return {
            _name(member): _values(archive, member, header, 0, math.prod(header.shape)).reshape(
                header.shape, order="F" if header.fortran else "C"
            )
            for member, header in zip(members, headers, strict=True)
        }


def read_rows(path: Path, name: str, axis: int, rows: Collection[int]) -> NDArray[np.generic]:
    """Return some rows of an array, and unpack no more than has to be read to get there.

    Args:
        path: of the file.
        name: of the array.
        axis: what its rows are counted along.
        rows: their numbers.

    Raises:
        InputShapeError: as for `read_arrays`.
    """
    with _opened(path) as archive:
        member = next((member for member in archive.infolist() if _name(member) == name), None)
        if member is None:
            raise InputShapeError(f"--inputs '{path}' has no array '{name}'.")
        header = _header(archive, member)
        if axis or header.fortran or not rows:
            return np.ascontiguousarray(np.take(read_arrays(path, [name])[name], list(rows), axis=axis))
        first, last = min(rows), max(rows)
        row = math.prod(header.shape[1:])
        _check_fits(path, (last + 1 - first) * row * header.dtype.itemsize)
        values = _values(archive, member, header, first * row, (last + 1 - first) * row)
        chosen = np.array(list(rows)) - first
        return np.ascontiguousarray(values.reshape(last + 1 - first, *header.shape[1:])[chosen])


def write_named(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays whose names may be any text: a zip's own names end at a NUL, and are at most 65535 bytes long."""
    names = np.frombuffer(json.dumps(list(arrays)).encode("ascii"), np.uint8)
    with path.open("wb") as file:
        np.savez(file, names, *arrays.values())


def read_named(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return what `write_named` wrote; for files of this process's own making."""
    with np.load(path, allow_pickle=False) as file:
        names: list[str] = json.loads(file["arr_0"].tobytes())
        return {name: file[f"arr_{number}"] for number, name in enumerate(names, start=1)}


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a file, and word whatever is wrong with it or with what is read of it.

    Raises:
        InputShapeError: something is.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
                raise InputShapeError(f"--inputs '{path}' holds one array; expected an .npz file of named arrays.")
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except FileNotFoundError as error:
        raise InputShapeError(f"--inputs '{path}' does not exist.") from error
    except NotImplementedError as error:  # a method of compression, or a version of zip
        raise InputShapeError(f"--inputs '{path}' is packed in a way that cannot be read: {error}.") from error
    except MemoryError as error:
        raise InputShapeError(f"--inputs '{path}' does not fit into memory.") from error
    except _DAMAGED as error:
        # Of the last kind are encrypted members. What a file says wrong can be longer than anybody reads.
        reason = str(error).split("\n")[0][:200]
        raise InputShapeError(f"--inputs '{path}' is no .npz file of plain arrays: {reason}") from error


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(_SUFFIX)


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayHeader:
    """Read one array's header.

    Raises:
        ValueError: it is no plain array, or its size is not what the archive's directory says.
    """
    with archive.open(member) as file:
        version = npy.read_magic(file)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"'{_name(member)}' is of the .npy version {'.'.join(map(str, version))}")
        shape, fortran, dtype = readers[version](file)
        header = ArrayHeader(tuple(int(size) for size in shape), dtype, fortran, file.tell())
    if dtype.hasobject:
        raise ValueError(f"'{_name(member)}' holds Python objects, which are not read")
    if len(header.shape) > _MOST_AXES or any(not 0 <= size < _LARGEST for size in header.shape):
        raise ValueError(f"'{_name(member)}' has an impossible shape")
    if math.prod(filter(None, header.shape)) * dtype.itemsize >= _LARGEST:
        raise ValueError(f"'{_name(member)}' has an impossible size")
    if header.nbytes != member.file_size - header.offset:
        raise ValueError(
            f"'{_name(member)}' is said to take {header.nbytes} bytes, and {member.file_size - header.offset} are there"
        )
    return header


def _check_fits(path: Path, needed: int) -> None:
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputShapeError(
            f"--inputs '{path}' holds {needed // _MIB} MiB, and {free // _MIB} MiB of memory are free. Give fewer rows."
        )


def _values(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: ArrayHeader, start: int, count: int
) -> NDArray[np.generic]:
    """Read so many values from one on, in the order in which they are kept."""
    if not count or not header.dtype.itemsize:
        return np.zeros(count, header.dtype)
    with archive.open(member) as file:
        _skip(file, header.offset + start * header.dtype.itemsize)
        content = bytearray()
        wanted = count * header.dtype.itemsize
        while len(content) < wanted:
            block = file.read(min(_BLOCK, wanted - len(content)))
            if not block:
                raise EOFError(f"'{_name(member)}' ends early")
            content += block
    return np.frombuffer(content, dtype=header.dtype, count=count)


def _skip(file: IO[bytes], size: int) -> None:
    """Pass over bytes; a member of a zip cannot be jumped into."""
    while size:
        block = file.read(min(_BLOCK, size))
        if not block:
            raise EOFError("it ends early")
        size -= len(block)
