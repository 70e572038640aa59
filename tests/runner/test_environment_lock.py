"""An environment is made by one process; who comes second waits, and finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.engines.registry import resolve_engines
from ortbench.runner import environments


def test_an_environment_that_another_process_made_meanwhile_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    [engine] = resolve_engines("ort[version=0.0.1]")
    wheels = environments.unmade(engine)
    assert wheels
    seen: list[list[str]] = []

    def make(_wheels: object, folder: Path, *_: object) -> None:
        seen.append(sorted(path.name for path in folder.parent.iterdir()))

    monkeypatch.setattr(environments, "_make", make)
    environments.make_environment(engine, pytest.fail)
    folder = environments.environment_folder(wheels)
    assert seen == [[f".{folder.name}.lock"]], "it is locked while it is made"
    assert not list(folder.parent.iterdir())

    # As seen before the wait it is not there, and after it it is.
    monkeypatch.setattr(environments, "unmade", lambda _: wheels)
    monkeypatch.setattr(environments, "_is_whole", lambda _: True)
    environments.make_environment(engine, pytest.fail)
    assert len(seen) == 1, "it is not made again"
