"""What surrounds an engine in its worker."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ortbench.engines.base import LoadRequest
from ortbench.engines.null import NullEngine
from ortbench.models.spec import ModelSource
from ortbench.runner import protocol
from ortbench.runner.serve import EngineHost


@pytest.fixture
def _collecting() -> Iterator[None]:
    """The worker's settings are this process's here; they are undone."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("_collecting")
def test_garbage_is_not_collected_while_an_engine_loads_nor_while_slices_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    load, bind = NullEngine.load, NullEngine.bind

    def loading(self: NullEngine, request: LoadRequest) -> None:
        seen.append(("load", gc.isenabled()))
        load(self, request)

    def binding(self: NullEngine, inputs: dict[str, object]) -> None:
        seen.append(("bind", gc.isenabled()))
        bind(self, inputs)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(NullEngine, "load", loading)
    monkeypatch.setattr(NullEngine, "bind", binding)
    host = EngineHost()
    host.load("null", LoadRequest(source=ModelSource(name="m", inputs=()), artifact=None, target="cpu", threads=1))
    host.prepare(protocol.Prepare(batch_size=1, reference_path=None, reference="torch"))
    assert seen == [("load", False), ("bind", True)]
    assert not gc.isenabled()
