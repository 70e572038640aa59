from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.units import (
    format_bytes,
    format_clock,
    format_overrun,
    format_seconds,
    format_significant,
    parse_counts,
    parse_duration,
    parse_fraction,
    parse_memory,
)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("50ms", 0.05), ("1.5m", 90)])
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text, "--max-time") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 minutes", "five", "1h30m", "nan s", "\u0665m"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text, "--max-time")
    expected = f"Expected --max-time to be a duration such as 90s, 5m, 1h or 50ms, but got '{text}'."
    assert str(caught.value) == expected


@pytest.mark.parametrize(("text", "fraction"), [("2%", 0.02), ("0.5%", 0.005), ("100%", 1.0)])
def test_a_percentage_is_a_fraction(text: str, fraction: float) -> None:
    assert parse_fraction(text, "--target") == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["2", "0%", "-1%", "101%", "%", "two%"])
def test_anything_else_is_no_percentage(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fraction(text, "--target")
    assert str(caught.value) == f"Expected --target to be a percentage such as 2%, but got '{text}'."


@given(st.sets(st.integers(1, 999_999_999), min_size=1, max_size=9))
def test_counts_come_back_ascending(numbers: set[int]) -> None:
    assert parse_counts(",".join(map(str, numbers)), "--threads") == sorted(numbers)


@pytest.mark.parametrize("text", ["", "0", "-1", "1,,2", "1,x", "1.5", "1 2", "²", "9999999999"])
def test_counts_below_one_and_text_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="whole numbers of at least 1 separated by commas"):
        parse_counts(text, "--threads")


def test_a_count_given_twice_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        parse_counts("1,4,1", "--threads")
    assert str(caught.value) == "Expected each of --threads once, but got 1 twice in '1,4,1'."


@pytest.mark.parametrize(("text", "mib"), [("512MiB", 512), ("2GiB", 2048), (" 0.5GiB ", 512)])
def test_a_memory_size_is_in_mib(text: str, mib: float) -> None:
    assert parse_memory(text, "--max-memory") == mib


@pytest.mark.parametrize("text", ["", "2", "2GB", "2 GiB", "0MiB", "-1GiB"])
def test_a_memory_size_without_a_binary_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_memory(text, "--max-memory")
    assert str(caught.value) == f"Expected --max-memory to be a size such as 512MiB or 2GiB, but got '{text}'."


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (45.2, "45 s"), (300, "5 min"), (3900, "1 h 5 min"), (7200, "2 h")]
)
def test_spans_are_worded_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_a_clock_counts_minutes(seconds: float, text: str) -> None:
    assert format_clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (1.4159, "1.42"), (85.34, "85.3"), (1240.4, "1240")]
)
def test_figures_have_three_significant_digits(value: float, text: str) -> None:
    assert format_significant(value) == text


@given(st.floats(1e-9, 1e9))
def test_a_formatted_figure_is_within_half_a_unit_of_its_last_digit(value: float) -> None:
    assert float(format_significant(value)) == pytest.approx(value, rel=0.0051)


def test_sizes_are_binary() -> None:
    assert [format_bytes(n) for n in (12, 2048, 102_231_935, 5 * 2**40)] == [
        "12 B",
        "2.0 KiB",
        "97.5 MiB",
        "5120.0 GiB",
    ]


def test_nothing_is_left_of_a_span_below_zero() -> None:
    assert (format_seconds(-7.0), format_clock(-7.0)) == ("0.0 s", "0:00")


def test_an_overrun_is_told_from_a_second_on() -> None:
    assert format_overrun(31, 20) == "11 s over --max-time (20 s)"
    assert format_overrun(20.9, 20) == format_overrun(3, 20) == ""
