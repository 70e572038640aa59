"""The cache: verified where it is read, cleared as a whole, and never somebody's folder."""

from __future__ import annotations

import json
import py_compile
import shutil
import stat
import sys
from pathlib import Path

import pytest

from ortbench.charts import vega
from ortbench.errors import UsageError
from ortbench.export.artifact import Artifact, read_artifact
from ortbench.export.cache import MARKER_FILE, cache_root, clear_cache, list_cache, make_cache_folder
from ortbench.runner import bytecode, own_package
from ortbench.runner.process import worker_environment
from ortbench.verified import read_verified, write_verified
from tests.conftest import CommandLine


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is not there yet."""
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "script.js"
    assert read_verified(file) is None
    write_verified(file, b"alert(1)\n")
    assert read_verified(file) == b"alert(1)\n"
    whole = file.read_bytes()
    changed = whole.replace(b"alert(1)", b"alert(2)")
    for damaged in (whole[:-3], whole + b"x", changed, b"", b"\n", whole[:80], b"\xff\xfe"):
        file.write_bytes(damaged)
        assert read_verified(file) is None


def test_a_changed_script_is_not_put_into_a_report(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vega, "_bundle", lambda: "genuine")
    cache.mkdir()
    precious = cache.parent / "precious"
    precious.write_text("mine", encoding="utf-8")
    first = vega.vega_script(cache)
    [kept] = cache.glob("vega-*.js")
    for content in (b"evil()", b"\xff\xfe", kept.read_bytes()[:-9], b""):
        kept.write_bytes(content)
        kept.with_suffix(".part").unlink(missing_ok=True)
        kept.with_suffix(".part").symlink_to(precious)
        assert vega.vega_script(cache) == first
    kept.unlink()
    kept.symlink_to(precious)
    assert vega.vega_script(cache) == first
    assert precious.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "change", [{"flops_per_item": -5}, {"inputs": []}, {"sha256": "0" * 64}, {"digest": ""}, {"size_bytes": 10**400}]
)
def test_a_changed_manifest_is_no_artifact(tiny_artifact: Artifact, tmp_path: Path, change: dict[str, object]) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_artifact.folder, folder)
    assert read_artifact(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | change), encoding="utf-8")
    assert read_artifact(folder) is None


@pytest.mark.parametrize("change", ["changed", "added", "missing", "link"])
def test_a_changed_copy_of_ortbench_is_made_anew(cache: Path, change: str) -> None:
    folder = own_package.own_package()
    assert cache in folder.parents
    worker = folder / "ortbench/runner/worker.py"
    genuine = worker.read_bytes()
    if change == "changed":
        worker.write_text("evil()", encoding="utf-8")
    elif change == "added":
        (folder / "msgspec.py").write_text("evil()", encoding="utf-8")
    else:
        worker.unlink()
        if change == "link":
            worker.symlink_to(own_package.__file__)
    own_package._is_whole.cache_clear()  # as in another process
    again = own_package.own_package()
    assert (again / "ortbench/runner/worker.py").read_bytes() == genuine
    assert not (again / "msgspec.py").exists()
    assert not worker.is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_cache_to_which_others_may_write_is_refused(cache: Path, mode: int, ortbench: CommandLine) -> None:
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(UsageError, match="can be written to by others, and what lies in a cache is run"):
        cache_root()
    outcome = ortbench("cache")
    assert outcome.status == 2
    assert "ORTBENCH_CACHE" in outcome.stderr
    cache.chmod(0o755)
    assert cache_root() == cache


def test_a_new_cache_is_its_owners_alone_and_marked(cache: Path) -> None:
    make_cache_folder(cache / "artifacts")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert (cache / MARKER_FILE).is_file()


def test_somebodys_folder_is_neither_used_nor_cleared(cache: Path) -> None:
    for name in ("packages/mine", "builds/mine", "environments/mine", "artifacts/mine", "Documents"):
        (cache / name).mkdir(parents=True)
    assert list_cache() == []
    assert clear_cache() == []
    assert (cache / "packages/mine").is_dir()
    with pytest.raises(UsageError, match="holds files that ortbench did not make"):
        make_cache_folder(cache / "artifacts")
    assert not (cache / MARKER_FILE).exists()


def test_all_that_ortbench_made_is_listed_and_cleared(cache: Path) -> None:
    make_cache_folder(cache)
    for name in ("artifacts/a", "environments/e", "builds/b", "packages/p", "bytecode/c", "inputs"):
        (cache / name).mkdir(parents=True)
    (cache / "inputs/i.npz").write_bytes(bytes(10))
    (cache / "vega-1.js").write_bytes(bytes(20))
    (cache / "packages/p/file").write_bytes(bytes(30))
    outside = cache.parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (cache / "artifacts/link").symlink_to(outside)
    entries = clear_cache()
    assert {entry.kind for entry in entries} == {
        *("model", "environment", "build", "package", "bytecode", "inputs", "script"),
    }
    assert sum(entry.size_bytes for entry in entries) == 60
    assert list_cache() == []
    assert (outside / "precious").exists()
    shutil.rmtree(cache / "builds")
    (cache / "builds").symlink_to(outside)
    assert clear_cache() == [], "what a link leads to is not ours"
    assert (outside / "precious").exists()


def test_bytecode_that_a_full_disk_cut_short_is_deleted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache / "bytecode/deep"
    folder.mkdir(parents=True)
    source = cache / "bytecode/module.py"
    source.write_text("value = [1, 2, 3]\n" * 50, encoding="utf-8")
    whole = folder / f"a.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(source), cfile=str(whole))
    content = whole.read_bytes()
    bad = [whole.with_name(whole.name.replace("a.", f"{name}.", 1)) for name in ("b", "c", "d")]
    for path, damaged in zip(bad, (content[:-20], content[:16], b""), strict=True):
        path.write_bytes(damaged)
    source.unlink()
    bytecode.sweep.cache_clear()
    monkeypatch.setattr(bytecode, "_ROOM_BYTES", 0)
    environment = worker_environment(1, {"PYTHONDONTWRITEBYTECODE": "1"})
    assert environment["PYTHONPYCACHEPREFIX"] == str(cache / "bytecode")
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert whole.exists()
    assert not any(path.exists() for path in bad)


def test_without_room_no_bytecode_is_kept_or_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "_ROOM_BYTES", 1 << 62)
    environment = worker_environment(1, {"PYTHONDONTWRITEBYTECODE": "1"})
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "PYTHONPYCACHEPREFIX" not in environment
    assert cache.is_dir()
