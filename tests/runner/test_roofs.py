"""The machine's roofs: which a study measures, and measuring them for real."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from ortbench.engines.registry import resolve_engines
from ortbench.errors import ArmError
from ortbench.models.spec import BATCH, ModelSource, TensorSpec
from ortbench.results.folder import read_run
from ortbench.results.roofline import Peaks
from ortbench.runner import job_messages, roofs
from ortbench.runner.cpus import choose_cpus, thread_limit
from ortbench.runner.jobs import Reference
from ortbench.runner.peaks import sides
from ortbench.runner.process import Worker
from ortbench.runner.roofs import affordable, better, measure_layout, together, without_roof
from ortbench.runner.sysfs import last_caches_bytes, parse_size
from tests.conftest import CommandLine

needs_two_cpus = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")


def test_roofs_may_take_a_tenth_of_the_studys_time() -> None:
    wanted = [(2, 1), (1, 2), (1, 1)]
    assert affordable(wanted, 300) == wanted
    assert affordable(wanted, 60) == wanted[:2]
    assert affordable(wanted, 30) == wanted[:1]
    assert affordable(wanted, 29) == []


def test_what_does_not_compute_on_the_processor_has_no_roof() -> None:
    text = "torch,ort,ort:openvino,ort:cuda,torch:cuda,ort[precision=int8],scripted"
    text += ",ort:openvino[provider.device_type=GPU]"
    assert without_roof(resolve_engines(text)) == {
        "ort:cuda": "it runs on cuda, whose roof is not measured",
        "torch:cuda": "it runs on cuda, whose roof is not measured",
        "ort[precision=int8]": "it computes in int8, for whose arithmetic no roof is measured",
        "scripted": "it is a fake",
        "ort:openvino[provider.device_type=GPU]": "it runs on openvino, whose roof is not measured",
    }


def test_instances_are_judged_by_what_they_did_at_the_same_time() -> None:
    first = job_messages.PeaksMeasured(
        gflop_per_s={"a": (10, 2), "b": (7, 6)}, gbyte_per_s={"copy": (4, 3), "add": (5, 5)}
    )
    # The best of `a` would be 10 and 9, but not in the same repetition.
    second = job_messages.PeaksMeasured(
        gflop_per_s={"a": (1, 9), "b": (8, 5)}, gbyte_per_s={"copy": (4, 3), "add": (2, 3)}
    )
    assert together(3, [first, second]) == Peaks(
        threads=3, instances=2, gflop_per_s=14, gbyte_per_s=8, product="b", stream="copy"
    )
    assert together(1, [first]).product == "a"


def test_a_second_measurement_counts_where_it_was_quiet_and_the_best_where_it_was_not() -> None:
    def peaks(product: float, stream: float, disturbed: str | None) -> Peaks:
        return Peaks(threads=1, gflop_per_s=product, gbyte_per_s=stream, disturbed=disturbed)

    first, quiet, again = peaks(9, 4, "others"), peaks(8, 3, None), peaks(8, 5, "others again")
    assert better(first, quiet) == quiet
    assert better(first, again) == peaks(9, 5, "others")


def test_roofs_that_were_disturbed_are_measured_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = iter(["other programs used 0.30 s of CPU time"] * 2)
    monkeypatch.setattr(roofs, "spoiled_reason", lambda *_: next(reasons))
    found = measure_layout(1, 1)
    assert found.disturbed == "other programs used 0.30 s of CPU time"
    assert list(reasons) == []
    monkeypatch.setattr(roofs, "spoiled_reason", lambda *_: None)
    assert measure_layout(1, 1).disturbed is None


def test_more_threads_multiply_larger_matrices() -> None:
    assert [sides(threads) for threads in (1, 3, 4, 64)] == [(512, 1024), (512, 1024), (1024, 2048), (2048, 4096)]


def test_the_last_caches_of_the_cpus_in_use_are_added_up_each_once(tmp_path: Path) -> None:
    for cpu, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        for index, (level, size) in enumerate([(1, "32K"), (3, "16M"), (2, "1024K")]):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
            folder.mkdir(parents=True)
            own = shared if level == 3 else str(cpu)
            for name, text in (("level", str(level)), ("size", size), ("shared_cpu_list", own)):
                (folder / name).write_text(text, encoding="ascii")
    assert last_caches_bytes([0], tmp_path) == 16 << 20
    assert last_caches_bytes([0, 1], tmp_path) == 16 << 20
    assert last_caches_bytes([0, 1, 2], tmp_path) == 32 << 20
    assert last_caches_bytes([0], tmp_path / "nothing") == 0
    assert [parse_size(text) for text in ("512", "1G", "", "many")] == [512, 1 << 30, 0, 0]


def test_a_worker_tries_every_way() -> None:
    with Worker("the roofs", choose_cpus(1), 1) as worker:
        found = worker.ask(job_messages.MeasurePeaks(threads=1, array_bytes=8 << 20), job_messages.PeaksMeasured, 60)
    names = [f"{library}, {side} x {side}" for side in (512, 1024) for library in ("numpy", "onnxruntime")]
    assert list(found.gflop_per_s) == names
    assert list(found.gbyte_per_s) == ["copy", "add"]
    assert min(map(min, [*found.gflop_per_s.values(), *found.gbyte_per_s.values()])) > 0
    assert {len(rates) for rates in [*found.gflop_per_s.values(), *found.gbyte_per_s.values()]} == {8}
    assert found.cpu_s > 0


@needs_two_cpus
def test_instances_are_measured_together() -> None:
    found = measure_layout(1, 2)
    assert (found.threads, found.instances) == (1, 2)
    assert found.gflop_per_s > 0
    assert found.gbyte_per_s > 0


def test_a_study_measures_its_roofs_once_and_shows_every_share(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofs, "_LAYOUT_S", 0.1)  # so that a short study may measure them
    words = ["--model", model_file, "--engines", "ort,scripted[latency=1ms]", "--threads", "1", "--batch-sizes", "1"]
    words += ["--output", "out"]
    outcome = ortbench("compare", *words, "--max-time", "2s")
    assert outcome.status == 0, outcome.stderr
    assert "roofs: measuring what 1 thread can reach at most\n" in outcome.stderr
    assert "roofs: 1 thread " in outcome.stdout
    assert "the machine's roofs took " in outcome.stdout
    run = read_run(Path("out"))
    assert run.roofline is not None
    # A product of 8 numbers with 8x4.
    [work] = run.roofline.work.values()
    assert (work.flops_per_item, work.weight_bytes, work.activation_bytes_per_item) == (64, 128, 48)
    assert [(peaks.threads, peaks.instances) for peaks in run.roofline.peaks] == [(1, 1)]
    assert run.time_s["roofs"] > 0
    [cell] = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"]
    ort, scripted, twin = cell["arms"]
    assert ort["roofline"]["share"] == pytest.approx(
        64 / (ort["latency_ms"]["median"] * 1e6) / ort["roofline"]["attainable_gflop_per_s"]
    )
    assert scripted["roofline"] is None
    assert twin["roofline"] is not None
    # Going on measures no roof again.
    assert "no share of the peak" not in outcome.stdout
    again = ortbench("compare", *words, "--max-time", "3s", "--resume")
    assert "roofs: measuring" not in again.stderr
    assert read_run(Path("out")).roofline == run.roofline
    assert read_run(Path("out")).time_s["roofs"] == run.time_s["roofs"]


def test_interrupted_roofs_lose_nothing_that_was_measured(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(roofs, "_LAYOUT_S", 0.1)
    monkeypatch.setattr(roofs, "measure_layout", interrupt)
    words = ["--model", model_file, "--engines", "ort", "--threads", "1", "--batch-sizes", "1", "--max-time", "1s"]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 130
    assert "speedup" in outcome.stdout
    run = read_run(Path("out"))
    assert (run.state, run.roofline) == ("complete", None)


def test_roofs_that_cannot_be_measured_cost_no_result(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ArmError("the roofs were killed by SIGKILL (perhaps out of memory)")

    monkeypatch.setattr(roofs, "_LAYOUT_S", 0.1)
    monkeypatch.setattr(roofs, "measure_layout", fail)
    words = ["--model", model_file, "--engines", "ort", "--threads", "1", "--batch-sizes", "1", "--max-time", "1s"]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 0
    told = "the roofs could not be measured: the roofs were killed by SIGKILL (perhaps out of memory)"
    assert f"note: {told}\n" in outcome.stdout


def test_the_reference_counts_a_file_or_says_why_not(model_file: Path) -> None:
    source = ModelSource(name="m", path=str(model_file), inputs=(TensorSpec("x", (BATCH, 8)),))
    with Reference("ort[graph_optimization_level=disable]", source) as reference:
        reference.ready()
        counted = reference.count_work(["fp32", "int8"])
        assert {lane: work.weight_bytes for lane, work in counted.work.items()} == {"fp32": 128, "int8": 32}
        node = helper.make_node("Einsum", ["x", "x"], ["y"], equation="ij,ij->ij")
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in ("x", "y"))
        # The file is another one by now.
        onnx.save(helper.make_model(helper.make_graph([node], "g", [x], [y])), str(model_file))
        counted = reference.count_work(["fp32"])
    assert counted.work == {}
    assert counted.reason == "the work of this model cannot be counted: what these operators do is not known: Einsum"
