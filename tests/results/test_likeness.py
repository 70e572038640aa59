from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ortbench.results.likeness import differences
from ortbench.results.schema import ArtifactRecord
from tests.results.factory import make_run

RUN = make_run(
    settings={"threads": [2], "target": 0.02, "max_time_s": 60.0},
    machine={"cpu": "one", "cpu_flags": [f"flag{number}" for number in range(30)]},
    versions={"torch": "2.14.1", "onnxruntime": "1.32.0"},
    environment={"OMP_NUM_THREADS": "2", "ORTBENCH_CACHE": "here"},
    artifact=ArtifactRecord(path="model.onnx", sha256="aa"),
)


def test_a_run_is_like_itself() -> None:
    assert differences(RUN, RUN) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"settings": {"threads": [1], "target": 0.02, "max_time_s": 60.0}}, "threads was [2], is [1]"),
        ({"settings": {"target": 0.02, "max_time_s": 60.0}}, "threads was [2], is unset"),
        ({"artifact": ArtifactRecord(path="model.onnx", sha256="bb")}, "the artifact's sha256 was aa, is bb"),
        ({"artifact": None}, "the artifact's sha256 was aa, is unset"),
        ({"versions": {**RUN.versions, "torch": "2.15.0"}}, "the version of torch was 2.14.1, is 2.15.0"),
        ({"versions": {"torch": "2.14.1"}}, "the version of onnxruntime was 1.32.0, is unset"),
        ({"versions": {**RUN.versions, "openvino": "2026.1"}}, "the version of openvino was unset, is 2026.1"),
        (
            {"machine": {"cpu": "two", "cpu_flags": RUN.machine["cpu_flags"]}},
            "the machine's cpu was one, is two",
        ),
        (
            {"machine": {"cpu": "one", "cpu_flags": [*RUN.machine["cpu_flags"][1:], "amx"]}},
            "the machine's cpu_flags lost ['flag0'] and gained ['amx']",
        ),
        (
            {"environment": {**RUN.environment, "ATEN_CPU_CAPABILITY": "avx2"}},
            "the environment's ATEN_CPU_CAPABILITY was unset, is avx2",
        ),
        (
            {"environment": {**RUN.environment, "TORCHINDUCTOR_FREEZING": "1"}},
            "the environment's TORCHINDUCTOR_FREEZING was unset, is 1",
        ),
        ({"environment": {}}, "the environment's OMP_NUM_THREADS was 2, is unset"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], difference: str) -> None:
    assert differences(RUN, msgspec.structs.replace(RUN, **change)) == [difference]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"threads": [2], "target": 0.01, "max_time_s": 600.0}},
        {"artifact": ArtifactRecord(path="elsewhere/model.onnx", sha256="aa")},
        {
            "environment": {
                "OMP_NUM_THREADS": "2",
                "ORTBENCH_CACHE": "there",
                "PYTHONPATH": "x",
                "TRITON_CACHE_DIR": "y",
            }
        },
        {"created": "2026-02-01T12:00:00+00:00", "command": ("ortbench", "compare", "--resume")},
    ],
)
def test_what_changes_no_measurement_may_differ(change: dict[str, Any]) -> None:
    assert differences(RUN, msgspec.structs.replace(RUN, **change)) == []
