"""Files with what real ones have, run by ONNX Runtime in this process: bound, called again and again, and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ortbench.engines.base import LoadRequest, OptionValue
from ortbench.engines.onnx_graph import load_graph, with_fault
from ortbench.engines.ort import OrtEngine
from ortbench.errors import ModelError
from ortbench.models.inputs import make_inputs
from ortbench.models.npz import read_named
from ortbench.models.parity import Parity, tolerance_for
from ortbench.models.reference_file import RANDOM
from ortbench.models.spec import ModelSource
from ortbench.runner import job_messages, protocol
from ortbench.runner.checking import check_batches
from ortbench.runner.reference_making import ReferenceMaker
from ortbench.runner.sources import InputOptions, resolve_model
from tests import odd_models as odd


def source_of(path: Path, seed: int = 0) -> ModelSource:
    return resolve_model(str(path), None, seed, InputOptions()).source


def loaded(source: ModelSource, artifact: str | None = None, **options: OptionValue) -> tuple[OrtEngine, LoadRequest]:
    request = LoadRequest(source=source, artifact=artifact or source.path, target="cpu", threads=1, options=options)
    engine = OrtEngine()
    engine.load(request)
    return engine, request


def reference(source: ModelSource, folder: Path, batches: int) -> tuple[tuple[str, ...], job_messages.ReferenceMade]:
    paths = tuple(str(folder / f"{index}.npz") for index in range(batches))
    maker = ReferenceMaker(*loaded(source, graph_optimization_level="disable"))
    return paths, maker.make(job_messages.MakeReference(batch_size=2, paths=paths, limit_s=60.0))


def checked(path: Path, folder: Path, artifact: Path | None = None, batches: int = 16, seed: int = 0) -> Parity:
    """Compare optimised ONNX Runtime, on another file where one is given, with the file as it is."""
    source = source_of(path, seed)
    paths, made = reference(source, folder, batches)
    assert not made.random
    engine, request = loaded(source, str(artifact) if artifact else None)
    engine.bind(make_inputs(source, 2))
    engine.run()
    prepare = protocol.Prepare(
        batch_size=2, reference_path=paths[0], reference="ort", batches=paths, wanted_inputs=2 * batches, limit_s=60.0
    )
    return check_batches(engine, source, prepare, tolerance_for(request.precision, source.facts.made))


def test_a_quantised_file_agrees_though_its_sums_lie_between_steps(tmp_path: Path) -> None:
    path = odd.write(odd.quantised(), tmp_path / "q.onnx")
    parity = checked(path, tmp_path)
    assert parity.ok, parity.reason
    # Far more than fp32 allows, and by rounding alone.
    assert parity.max_abs_error is not None
    assert parity.max_abs_error > 0.01
    assert parity.tolerance is not None
    assert parity.tolerance.lane == "int8, as made"


def negated_channel(made: onnx.ModelProto) -> onnx.ModelProto:
    [weights] = [tensor for tensor in made.graph.initializer if tensor.name == "w3"]
    array = onnx.numpy_helper.to_array(weights).copy()
    array[:, 5] = -array[:, 5]
    weights.CopyFrom(odd.constant("w3", array))
    return made


def swapped_classes(made: onnx.ModelProto) -> onnx.ModelProto:
    [weights] = [tensor for tensor in made.graph.initializer if tensor.name == "w3"]
    order = [1, 0, *range(2, 64)]
    weights.CopyFrom(odd.constant("w3", onnx.numpy_helper.to_array(weights)[:, order].copy()))
    return made


def shifted_layer(made: onnx.ModelProto) -> onnx.ModelProto:
    return with_fault(made, "m2")


@pytest.mark.parametrize("fault", [negated_channel, swapped_classes, shifted_layer])
def test_a_quantised_file_that_is_really_wrong_is_found(fault: object, tmp_path: Path) -> None:
    path = odd.write(odd.quantised(), tmp_path / "q.onnx")
    assert callable(fault)
    wrong = odd.write(fault(odd.quantised()), tmp_path / "wrong.onnx")
    parity = checked(path, tmp_path, wrong)
    assert parity.ok is False
    assert parity.reason
    assert parity.reason.startswith("output 'y' ")


def test_a_half_precision_file_is_compared_in_its_own_tolerance(tmp_path: Path) -> None:
    path = odd.write(odd.half(), tmp_path / "half.onnx")
    parity = checked(path, tmp_path)
    assert parity.ok, parity.reason
    assert parity.tolerance is not None
    assert parity.tolerance.lane == "fp16, as made"
    wrong = odd.write(with_fault_half(odd.half()), tmp_path / "wrong.onnx")
    assert checked(path, tmp_path, wrong).ok is False


def with_fault_half(made: onnx.ModelProto) -> onnx.ModelProto:
    [weights] = [tensor for tensor in made.graph.initializer if tensor.name == "w5"]
    weights.CopyFrom(odd.constant("w5", (onnx.numpy_helper.to_array(weights) * np.float16(1.05)).astype(np.float16)))
    return made


@pytest.mark.parametrize("made", [odd.random_values, odd.random_length])
def test_a_model_that_draws_random_numbers_is_known_by_running_it_twice(made: object, tmp_path: Path) -> None:
    assert callable(made)
    source = source_of(odd.write(made(), tmp_path / "r.onnx"))
    paths, said = reference(source, tmp_path, 1)
    assert said.random
    assert RANDOM in read_named(Path(paths[0]))
    assert len(source.facts.random) == 1


def test_random_nodes_that_no_output_shows_hide_nothing(tmp_path: Path) -> None:
    made = odd.random_values()
    made.graph.node[2].input[1] = "mean"
    assert reference(source_of(odd.write(made, tmp_path / "r.onnx")), tmp_path, 1)[1].random is False


@pytest.mark.parametrize(("made", "output"), [(odd.wrong_rank, "y"), (odd.random_length, "y")])
def test_an_output_of_another_shape_than_bound_is_bound_anew(made: object, output: str, tmp_path: Path) -> None:
    assert callable(made)
    source = source_of(odd.write(made(), tmp_path / "m.onnx"))
    engine, _ = loaded(source)
    for batch in range(2):
        engine.bind(make_inputs(source, 2, batch))
        for _ in range(20):
            engine.run()
        assert set(engine.outputs() or {}) == {output}
    assert engine.evidence().rebound == (output,)


def test_other_outputs_stay_bound(tmp_path: Path) -> None:
    source = source_of(odd.write(odd.segmentation(), tmp_path / "m.onnx"))
    engine, _ = loaded(source)
    engine.bind(make_inputs(source, 2))
    for _ in range(3):
        engine.run()
        engine.outputs()
    assert engine.evidence().rebound == ()


@pytest.mark.parametrize("io_binding", [True, False])
def test_text_goes_out_and_is_compared(io_binding: bool, tmp_path: Path) -> None:
    path = odd.write(odd.classifier(["setosa", "grün", "virginica"], as_maps=False), tmp_path / "c.onnx")
    source = source_of(path)
    engine, _ = loaded(source, io_binding=io_binding)
    engine.bind(make_inputs(source, 3))
    engine.run()
    engine.run()
    found = engine.outputs() or {}
    assert set(found["label"].tolist()) <= {"setosa", "grün", "virginica"}
    assert checked(path, tmp_path, batches=4).ok
    renamed = odd.write(odd.classifier(["virginica", "grün", "setosa"], as_maps=False), tmp_path / "other.onnx")
    assert checked(path, tmp_path, renamed, batches=4).reason == "output 'label' has other values"


@pytest.mark.parametrize("io_binding", [True, False])
def test_a_sequence_of_maps_is_computed_and_not_fetched(io_binding: bool, tmp_path: Path) -> None:
    source = source_of(odd.write(odd.classifier([0, 1, 2], as_maps=True), tmp_path / "c.onnx"))
    assert [spec.name for spec in source.outputs] == ["label"]
    engine, _ = loaded(source, io_binding=io_binding)
    engine.bind(make_inputs(source, 3))
    engine.run()
    assert list(engine.outputs() or {}) == ["label"]


def test_a_file_whose_outputs_are_all_sequences_is_refused(tmp_path: Path) -> None:
    made = odd.classifier([0, 1, 2], as_maps=True)
    del made.graph.output[0]
    path = odd.write(made, tmp_path / "c.onnx")
    with pytest.raises(ModelError) as caught:
        source_of(path)
    assert str(caught.value) == f"The model '{path}' has no output that is a tensor, so there is nothing to compare."


def test_classes_may_differ_where_the_logits_tie(tmp_path: Path) -> None:
    path = odd.write(odd.segmentation(), tmp_path / "s.onnx")
    weights = odd.segmentation().graph.initializer[0]
    array = onnx.numpy_helper.to_array(weights).copy()
    # Two classes tie for every pixel, and the file that is run prefers the other.
    array[1] = array[0]
    results = []
    for name, least in (("tie", 1 + 1e-6), ("wrong", 2.0)):
        made, other = odd.segmentation(), odd.segmentation()
        made.graph.initializer[0].CopyFrom(odd.constant("w", array))
        scaled = array.copy()
        scaled[1] *= np.float32(least)
        other.graph.initializer[0].CopyFrom(odd.constant("w", scaled))
        odd.write(made, path)
        results.append(checked(path, tmp_path, odd.write(other, tmp_path / f"{name}.onnx"), batches=4))
    tie, wrong = results
    assert tie.ok, tie.reason
    assert tie.ties
    assert wrong.ok is False


def test_weights_behind_a_hubs_links_can_be_read(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    onnx.save(odd.segmentation(), str(tmp_path / "m.onnx"), save_as_external_data=True, location="w", size_threshold=0)
    for name in ("m.onnx", "w"):
        (tmp_path / name).rename(blobs / f"digest of {name}")
        (snapshot / name).symlink_to(blobs / f"digest of {name}")
    [found, *_] = load_graph(snapshot / "m.onnx").graph.initializer
    np.testing.assert_array_equal(
        onnx.numpy_helper.to_array(found), onnx.numpy_helper.to_array(odd.segmentation().graph.initializer[0])
    )
