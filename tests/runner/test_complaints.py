from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.complaints import complaint_in

VERSIONS = ", ".join(f"1.{minor}.0" for minor in range(40))
PIP = f"""WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NewConnectionError': /simple/x/
WARNING: The directory or its parent directory is not owned or is not writable by the current user.
ERROR: Ignored the following versions that require a different python version: 1.5.0 Requires-Python <3.8
ERROR: Could not find a version that satisfies the requirement onnxruntime==9.9 (from versions: {VERSIONS})
[notice] A new release of pip is available: 25.0 -> 26.1
ERROR: No matching distribution found for onnxruntime==9.9
"""
UV = """  \u00d7 No solution found when resolving dependencies:
  \u2570\u2500\u25b6 Because there is no version of onnxruntime==9.9 and you require onnxruntime==9.9, we can conclude
      that your requirements are unsatisfiable.
"""


def test_pips_errors_are_told_without_its_warnings_and_without_forty_versions() -> None:
    assert complaint_in(PIP) == (
        "Ignored the following versions that require a different python version: 1.5.0 Requires-Python <3.8 "
        "Could not find a version that satisfies the requirement onnxruntime==9.9 "
        "(there are 40; the newest are 1.37.0, 1.38.0, 1.39.0) No matching distribution found for onnxruntime==9.9"
    )


def test_uvs_reason_is_told_whole() -> None:
    told = complaint_in(UV)
    assert told.startswith("No solution found when resolving dependencies:")
    assert told.endswith("that your requirements are unsatisfiable")


@pytest.mark.parametrize(("output", "told"), [("", ""), ("error: no such python.\n", "no such python")])
def test_short_ones_stay_as_they_are(output: str, told: str) -> None:
    assert complaint_in(output) == told


@given(st.lists(st.sampled_from(["resolution", "impossible", "onnxruntime==1.24.4"]), min_size=60, max_size=200))
def test_long_ones_end_with_a_whole_word(words: list[str]) -> None:
    told = complaint_in(" ".join(words)).removesuffix(" \u2026").split(" ")
    assert told == words[: len(told)]
    assert len(" ".join(told)) <= 600
