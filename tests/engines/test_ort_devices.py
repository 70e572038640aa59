from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ortbench.engines import ort_devices
from ortbench.engines.base import LoadRequest
from ortbench.engines.ort import OrtEngine, one_node_model
from ortbench.engines.ort_devices import EpDevice, choose_device, describe_devices, list_devices, register_and_choose
from ortbench.errors import ArmError, EngineUnavailable
from ortbench.models.spec import ModelSource, TensorSpec

# Recorded: onnxruntime 1.32.0 on an AMD processor, before and after onnxruntime-ep-openvino 1.8.1 was registered.
CPU = EpDevice(
    ep="CPUExecutionProvider", vendor="Microsoft", kind="CPU", hardware="AMD", metadata={"version": "1.32.0"}
)
# Not recorded: what a library with several devices would offer, to decide about.
ON_CPU, ON_GPU, ON_NPU = (
    EpDevice(ep="MyExecutionProvider", vendor="Me", kind=kind, hardware="Mine") for kind in ("CPU", "GPU", "NPU")
)
OTHER = EpDevice(ep="OtherExecutionProvider", vendor="Me", kind="GPU")


@pytest.mark.parametrize(
    ("after", "ep", "index", "place"),
    [
        ((CPU, ON_CPU), None, 0, 1),
        ((ON_GPU, CPU, ON_CPU), None, 1, 2),
        ((CPU, ON_CPU, OTHER, ON_NPU), "OtherExecutionProvider", 0, 2),
        ((CPU, ON_CPU, OTHER, ON_NPU), "MyExecutionProvider", 1, 3),
    ],
)
def test_the_device_asked_for_is_counted_among_its_providers_own(
    after: Sequence[EpDevice], ep: str | None, index: int, place: int
) -> None:
    assert choose_device((CPU,), after, ep, index) == place


@pytest.mark.parametrize(
    ("after", "ep", "index", "message"),
    [
        (
            (CPU,),
            None,
            0,
            "ONNX Runtime took the library, but the execution provider offers no device on this machine; there are "
            "only: CPUExecutionProvider on CPU (AMD)",
        ),
        (
            (CPU, ON_CPU, OTHER),
            None,
            0,
            "the library has several execution providers; say which with ep=NAME, one of: MyExecutionProvider, "
            "OtherExecutionProvider",
        ),
        (
            (CPU, ON_CPU, ON_GPU),
            None,
            2,
            "there is no device 2 of MyExecutionProvider; the library offers: MyExecutionProvider on CPU (Mine), "
            "MyExecutionProvider on GPU (Mine)",
        ),
        (
            (CPU, ON_CPU),
            "Mine",
            0,
            "there is no device 0 of Mine; the library offers: MyExecutionProvider on CPU (Mine)",
        ),
    ],
)
def test_a_device_that_is_not_offered_is_named_with_those_that_are(
    after: Sequence[EpDevice], ep: str | None, index: int, message: str
) -> None:
    with pytest.raises(ArmError) as caught:
        choose_device((CPU,), after, ep, index)
    assert str(caught.value) == message


def test_onnx_runtimes_own_device_is_described() -> None:
    import onnxruntime

    [device] = describe_devices(onnxruntime.get_ep_devices())
    assert (device.ep, device.vendor, device.kind) == ("CPUExecutionProvider", "Microsoft", "CPU")
    assert device.metadata["version"] == onnxruntime.__version__


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "library.so"
    file.write_bytes(b"no library")
    with pytest.raises(ArmError, match="^ONNX Runtime cannot register '.*library.so': .*invalid ELF header|too short"):
        register_and_choose({"library": str(file)})
    with pytest.raises(ArmError, match="^there is no execution provider library at '/nowhere.so'$"):
        register_and_choose({"library": "/nowhere.so"})
    with pytest.raises(EngineUnavailable, match="^The library cannot be used: ONNX Runtime cannot register "):
        list_devices(str(file))


def test_a_session_is_created_on_the_device_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin library runs on every machine: ONNX Runtime's own CPU device stands in for what one would offer."""

    def register(library: str) -> tuple[tuple[EpDevice, ...], Sequence[Any]]:
        import onnxruntime

        assert library == "/a/library.so"
        return (), onnxruntime.get_ep_devices()

    monkeypatch.setattr(ort_devices, "_register", register)
    (tmp_path / "one.onnx").write_bytes(one_node_model())
    source = ModelSource(name="one", inputs=(TensorSpec("x", (1,)),), outputs=(TensorSpec("y", (1,)),))
    engine = OrtEngine()
    engine.load(
        LoadRequest(
            source=source,
            artifact=str(tmp_path / "one.onnx"),
            target="plugin",
            threads=1,
            options={"library": "/a/library.so"},
        )
    )
    engine.bind({"x": np.ones(1, np.float32)})
    engine.run()
    np.testing.assert_array_equal((engine.outputs() or {})["y"], [2])
    placement = engine.evidence().placement
    assert placement is not None
    assert (placement.requested, placement.assigned) == ("CPUExecutionProvider", {"CPUExecutionProvider": 1})


def test_the_openvino_plugin_runs_where_it_offers_a_device() -> None:
    plugin = pytest.importorskip("onnxruntime_ep_openvino", reason="needs onnxruntime-ep-openvino")
    if not list_devices(plugin.get_library_path())["devices"]:
        pytest.skip("onnxruntime-ep-openvino offers no device on this machine")
    _, device = register_and_choose({"library": plugin.get_library_path()})
    assert device.ep == "OpenVINOExecutionProvider"
