"""Bindings that keep their addresses, as a CUDA graph needs them; on the CPU, where addresses are kept as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ortbench.engines.ort import one_node_model
from ortbench.engines.ort_binding import Binder, Bound, replays_a_graph


@pytest.fixture
def session(tmp_path: Path) -> Any:
    (tmp_path / "one.onnx").write_bytes(one_node_model())
    return onnxruntime.InferenceSession(str(tmp_path / "one.onnx"), providers=["CPUExecutionProvider"])


def doubled(session: Any, bound: Bound) -> float:
    """Run y = x + x."""
    session.run_with_iobinding(bound.binding, bound.options)
    [output] = bound.binding.copy_outputs_to_cpu()
    return float(output[0])


def array(value: float) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    return {"x": np.full(1, value, np.float32)}


def test_each_batch_has_a_binding_of_its_own(session: Any) -> None:
    binder = Binder(session, ["y"], "cpu")
    first, second = binder.bind(array(1)), binder.bind(array(2))
    assert (doubled(session, first), doubled(session, second), doubled(session, first)) == (2, 4, 2)
    assert first.binding is not second.binding
    assert first.options is None


def test_a_graphs_binding_keeps_its_addresses_and_takes_the_next_inputs(session: Any) -> None:
    binder = Binder(session, ["y"], "cpu", fixed=True)
    first = binder.bind(array(1))
    address = first.values["x"].data_ptr()
    assert doubled(session, first) == 2
    again = binder.bind(array(3))
    assert again is first
    assert again.values["x"].data_ptr() == address
    assert doubled(session, again) == 6


def test_every_set_of_shapes_has_a_graph_of_its_own(session: Any) -> None:
    binder = Binder(session, ["y"], "cpu", fixed=True)
    bounds = [binder.bind({"x": np.ones(size, np.float32)}) for size in (1, 2, 1, 3)]
    assert bounds[0] is bounds[2]
    numbers = [bound.options.get_run_config_entry("gpu_graph_id") for bound in bounds]
    assert numbers == ["1", "2", "1", "3"]


@pytest.mark.parametrize(
    ("options", "replays"),
    [
        ({"enable_cuda_graph": "1"}, True),
        ({"enable_cuda_graph": "true"}, True),
        ({"trt_cuda_graph_enable": "True"}, True),
        ({"enable_cuda_graph": "0"}, False),
        ({"use_tf32": "1"}, False),
    ],
)
def test_a_graph_is_replayed_where_the_provider_was_told_so(options: dict[str, str], replays: bool) -> None:
    assert replays_a_graph(options) is replays
