"""Files and folders are told by what is in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ortbench.models.files import folder_digest, is_as_made, put_verified


def test_a_file_is_as_made_or_not(tmp_path: Path) -> None:
    made, file = tmp_path / "made", tmp_path / "file"
    assert not is_as_made(file)
    made.write_bytes(b"content")
    put_verified(made, file)
    assert is_as_made(file)
    for damaged in (b"contenT", b"content ", b""):
        file.write_bytes(damaged)
        assert not is_as_made(file)
    file.write_bytes(b"content")
    (tmp_path / "file.sha256").unlink()
    assert not is_as_made(file), "what has no digest may be half-written"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    (root / "inner").mkdir(parents=True)
    (root / "small").write_bytes(b"abc")
    (root / "inner/large").write_bytes(bytes(3 << 20))
    (root / "link").symlink_to("small")
    (root / "loop").symlink_to(".")
    return root


def test_a_folder_is_told_by_names_sizes_links_modes_and_contents(folder: Path) -> None:
    first = folder_digest(folder)
    seen = {first}

    def changed() -> bool:
        digest = folder_digest(folder)
        new = digest not in seen
        seen.add(digest)
        return new

    os.utime(folder / "small", (1, 1))
    assert not changed(), "when it was written does not matter"
    (folder / "small").write_bytes(b"abd")
    assert changed()
    (folder / "small").chmod(0o755)
    assert changed()
    (folder / "small").rename(folder / "other")
    assert changed()
    (folder / "link").unlink()
    (folder / "link").symlink_to("other")
    assert changed()
    for at, content in ((0, b"x"), ((3 << 20) - 1, b"y"), (3 << 20, b"longer")):
        with (folder / "inner/large").open("r+b") as file:
            file.seek(at)
            file.write(content)
        assert changed()
    assert folder_digest(folder, ("other",)) != folder_digest(folder)


def test_bytecode_and_the_middle_of_large_files_are_not_looked_at(folder: Path) -> None:
    first = folder_digest(folder)
    (folder / "inner/__pycache__").mkdir()
    (folder / "inner/__pycache__/m.pyc").touch()
    with (folder / "inner/large").open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"x")
    assert folder_digest(folder) == first
