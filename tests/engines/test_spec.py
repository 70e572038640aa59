from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.spec import EngineSpec, parse_engine, parse_engines
from ortbench.errors import EngineSpecError

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
VALUES = st.text(string.ascii_letters + string.digits + "._/:=-", min_size=1, max_size=8)
SPECS = st.builds(
    EngineSpec,
    NAMES,
    st.none() | NAMES,
    st.dictionaries(NAMES, VALUES, max_size=3).map(lambda options: tuple(options.items())),
)


@given(SPECS)
def test_a_spelling_can_be_read_back(spec: EngineSpec) -> None:
    assert parse_engine(str(spec)) == spec


@given(st.lists(SPECS, min_size=1, max_size=4))
def test_commas_in_brackets_do_not_divide_a_list(specs: list[EngineSpec]) -> None:
    assert parse_engines(", ".join(map(str, specs))) == specs


@pytest.mark.parametrize(
    "text", ["", " ", "ort:", "ort[", "ort]", "ort[a=1", ":cuda", "1ort", "ort:cpu:cuda", "ort[a=1]x"]
)
def test_a_malformed_engine_is_refused(text: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        parse_engine(text)
    assert str(caught.value) == (
        "Expected an engine as name[:target][option=value,...], such as ort:cuda or torch[channels_last=true], "
        f"but got '{text.strip()}'."
    )


@pytest.mark.parametrize("text", ["torch,,ort", ",torch", "torch,", ""])
def test_an_empty_entry_is_refused(text: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        parse_engines(text)
    assert str(caught.value) == (
        f"Expected engines separated by commas, such as torch,ort, but '{text}' has an empty one."
    )


def test_an_option_without_a_value_is_refused() -> None:
    with pytest.raises(EngineSpecError) as caught:
        parse_engine("torch[channels_last]")
    assert str(caught.value) == (
        "Expected option=value in the brackets of 'torch[channels_last]', but got 'channels_last'."
    )


def test_an_option_twice_is_refused() -> None:
    with pytest.raises(EngineSpecError, match="gives a twice"):
        parse_engine("ort[a=1,a=2]")
