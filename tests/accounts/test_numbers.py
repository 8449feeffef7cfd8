"""Numbers as they are typed: read in the page's language, or refused in words."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from accounts.numbers import read_number, write_number
from kernel.units import UnitError, format_amount, parse_amount_micros

AMBIGUOUS = object()
SPACE = "\N{NO-BREAK SPACE}"
# What is typed, and what it is on an English and on a German page; None: no number at all.
# static/js/numbers.js is held to the same (tests/browser/test_ticket.py).
TYPED = [
    ("10", "10", "10"),
    ("16,9", "16.9", "16.9"),
    ("16.9", "16.9", "16.9"),
    ("0,625", "0.625", "0.625"),
    ("0.625", "0.625", "0.625"),
    (".62", "0.62", "0.62"),
    (",62", "0.62", "0.62"),
    ("1.234", "1.234", AMBIGUOUS),
    ("1,234", AMBIGUOUS, "1.234"),
    ("1.234,5", None, "1234.5"),
    ("1,234.5", "1234.5", None),
    ("1.234.567", None, "1234567"),
    ("1,234,567", "1234567", None),
    ("1 234,5", None, "1234.5"),
    (f"1{SPACE}234.5", "1234.5", None),
    ("1 234 567", "1234567", "1234567"),
    ("1234.567", "1234.567", "1234.567"),
    ("12.3456", "12.3456", "12.3456"),
    (" 5 ", "5", "5"),
    ("-5", "-5", "-5"),
    ("\N{MINUS SIGN}5,5", "-5.5", "-5.5"),
    ("1 2", None, None),
    ("1,2,3", None, None),
    ("12,34.5", None, None),
    ("1.234 567", None, None),
    ("1e3", None, None),
    ("+5", None, None),
    ("5 cr", None, None),
    ("٣", None, None),
    ("", None, None),
    ("-", None, None),
    (".", None, None),
    ("5.", None, None),
]


def read(text, language):
    """Return the plain text, None where its unit would refuse it, or AMBIGUOUS."""
    with translation.override(language):
        try:
            plain = read_number(text)
            parse_amount_micros(plain)
        except UnitError as error:
            return AMBIGUOUS if error.code == "ambiguous_number" else None
    return plain


@pytest.mark.parametrize(("typed", "english", "german"), TYPED)
def test_a_number_is_read_in_the_page_s_language_or_not_at_all(typed, english, german):
    assert (read(typed, "en"), read(typed, "de")) == (english, german)


def test_what_can_be_two_numbers_is_refused_with_both():
    with translation.override("en"), pytest.raises(UnitError) as refused:
        read_number("1,234")
    assert refused.value.message == "“1,234” is ambiguous. Enter 1234 or 1.234."


@given(st.integers(-(10**15), 10**15), st.sampled_from(["en", "de"]))
def test_what_a_field_is_given_is_read_as_the_same_number(micros, language):
    with translation.override(language):
        assert parse_amount_micros(read_number(write_number(format_amount(micros)))) == micros


@given(st.text("0123456789.,- \N{NO-BREAK SPACE}", max_size=12), st.sampled_from(["en", "de"]))
def test_nothing_that_is_typed_gains_or_loses_a_digit(text, language):
    plain = read(text, language)
    if isinstance(plain, str):
        digits = "".join(filter(str.isdigit, text))
        assert "".join(filter(str.isdigit, plain)) in {digits, f"0{digits}"}
