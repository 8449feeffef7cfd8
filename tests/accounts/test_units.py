import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.units import (
    INT64_MAX,
    UnitError,
    format_amount,
    format_price,
    format_quantity,
    parse_amount_micros,
    parse_price_pips,
    parse_quantity_lots,
)


def test_the_three_units_multiply_exactly():
    assert parse_price_pips("0.55") == 5_500
    assert parse_quantity_lots("10") == 1_000
    assert parse_amount_micros("5.5") == 5_500_000 == 5_500 * 1_000


def test_formats_always_show_every_decimal():
    assert format_price(5_500) == "0.5500"
    assert format_quantity(1_000) == "10.00"
    assert format_amount(5_500_000) == "5.500000"
    assert format_amount(-1) == "-0.000001"
    assert format_price(0) == "0.0000"


@given(st.integers(-INT64_MAX, INT64_MAX))
def test_formatting_then_parsing_gives_the_same_integer(units):
    assert parse_price_pips(format_price(units)) == units
    assert parse_quantity_lots(format_quantity(units)) == units
    assert parse_amount_micros(format_amount(units)) == units


def test_ints_and_raw_json_values_are_read_from_their_text():
    assert parse_quantity_lots(7) == 700
    assert parse_quantity_lots(-7) == -700
    assert parse_price_pips(msgspec.Raw(b"0.1")) == 1_000
    assert parse_price_pips(msgspec.Raw(b'"0.1"')) == 1_000


def test_a_number_that_binary_floats_cannot_hold_stays_exact():
    assert parse_amount_micros(msgspec.Raw(b"9007199254740.993001")) == 9_007_199_254_740_993_001


@pytest.mark.parametrize(
    "text",
    [
        "", " 1", "1 ", "+1", "1e3", "1E3", "NaN", "nan", "Infinity", "-", "--1", ".5", "5.", "1,5",
        "1_000", "0x10", "\u0661", "\uff11", "1\n", "1.2.3", "one", "1\x00", "½",
    ],
)  # fmt: skip
def test_texts_that_are_no_plain_decimals_are_refused(text):
    with pytest.raises(UnitError) as refusal:
        parse_price_pips(text)
    assert refusal.value.code == "not_a_number"


@pytest.mark.parametrize(
    "value", [0.5, True, None, [], {}, b"1", msgspec.Raw(b"true"), msgspec.Raw('"½"'.encode())]
)
def test_other_types_are_refused(value):
    with pytest.raises(UnitError) as refusal:
        parse_price_pips(value)
    assert refusal.value.code == "not_a_number"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_price_pips, "0.55555"),
        (parse_quantity_lots, "1.234"),
        (parse_amount_micros, "0.1234567"),
    ],
)
def test_more_decimals_than_the_unit_has_are_refused(parse, text):
    with pytest.raises(UnitError) as refusal:
        parse(text)
    assert refusal.value.code == "too_many_decimals"


@pytest.mark.parametrize(
    "value", ["9" * 18, 10**18, 10**19, 10**4000, -(10**30), "1" * 5000, "9" * 19 + ".5"]
)
def test_numbers_beyond_64_bits_are_refused(value):
    with pytest.raises(UnitError) as refusal:
        parse_amount_micros(value)
    assert refusal.value.code == "number_too_large"
