"""Where the cache is, for users with and without a home. Root can write every folder, so files stand in the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engine
from ortbench.engines.spec import parse_engine
from ortbench.errors import UsageError
from ortbench.export import cache
from ortbench.export.cache import cache_note, cache_root, make_cache_folder
from ortbench.models.catalog import find_model
from ortbench.runner.builds import Builds
from ortbench.runner.process import worker_environment
from tests.conftest import CommandLine


@pytest.fixture(autouse=True)
def _no_cache_chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("ORTBENCH_CACHE", raising=False)
    cache._temporary_cache.cache_clear()
    yield
    cache._temporary_cache.cache_clear()


def test_a_users_own_cache_is_taken_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "home/.cache/ortbench"))
    assert cache_root() == tmp_path / "home/.cache/ortbench"
    assert cache_note() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", ["unknown", "~/.cache/ortbench", "/dev/null/.cache/ortbench"])
def test_a_user_without_a_home_has_a_cache_for_as_long_as_the_process_lives(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def users(*_: object, **__: object) -> str:
        if home == "unknown":
            raise RuntimeError("Could not determine home directory.")
        return home

    monkeypatch.setattr(platformdirs, "user_cache_dir", users)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = cache_root()
    make_cache_folder(root / "artifacts")
    assert root.parent == tmp_path
    # The processes that it starts find the same one.
    assert os.environ["ORTBENCH_CACHE"] == str(root)
    assert cache_note() == (
        "no cache is kept: there is no home folder that can be written to; ORTBENCH_CACHE=FOLDER names one"
    )


def test_a_chosen_cache_that_cannot_be_written_is_named_with_its_variable(
    ortbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "file"))
    outcome = ortbench("export", "--model", "tiny")
    assert outcome.status == 2
    assert outcome.stderr == (
        f"Error: The cache folder '{tmp_path}/file/artifacts' cannot be written: Not a directory. "
        "Set ORTBENCH_CACHE to a folder that can.\n"
    )


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="cannot be written: no permission. Set ORTBENCH_CACHE to a folder that can."):
        make_cache_folder(tmp_path)


def test_a_build_without_a_cache_says_how_to_give_it_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = resolve_engine(parse_engine("aoti"))
    request = LoadRequest(
        source=find_model("tiny").source(), artifact=None, target="cpu", threads=1, cache=str(tmp_path / "file/builds")
    )
    builds = Builds()
    builds.make(engine, request, lambda _: None)
    assert "Set ORTBENCH_CACHE to a folder that can." in (builds.outcome(engine, request).failure or "")


def test_workers_of_a_user_without_a_name_are_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert worker_environment(None, {})["USER"] == "ortbench"
    monkeypatch.setattr("getpass.getuser", lambda: "somebody")
    assert "USER" not in worker_environment(None, {})
