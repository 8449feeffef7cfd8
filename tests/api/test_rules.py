"""The pure parts: marks, averages, mirrors, hashes of requests."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import ApiError
from trading.engine.commands import Amend, Place
from trading.readmodels.marks import HALF_PIPS_PER_CONTRACT, compute_mark
from trading.wire.commands import compute_body_hash
from trading.wire.options import mirror_pips
from trading.wire.reading import decode, read_query
from trading.wire.render import show_average
from trading.wire.schema import PlaceOrder

PRICES = st.integers(1, 9_999)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "half_pips", "source"),
    [
        (4_000, 4_500, 100, 8_500, "mid"),
        (4_000, 5_000, 100, 9_000, "mid"),
        (4_000, 5_001, 100, 200, "last"),
        (4_000, None, 100, 200, "last"),
        (None, 4_000, None, None, None),
        (1, 9_999, None, None, None),
        (None, None, 3_333, 6_666, "last"),
        (125, 250, None, 375, "mid"),
    ],
)
def test_a_mark_is_the_middle_or_the_last_price_or_unknown(bid, ask, last, half_pips, source):
    mark = compute_mark(bid, ask, last)
    assert (mark.half_pips, mark.source) == (half_pips, source)


@given(bid=st.none() | PRICES, ask=st.none() | PRICES, last=st.none() | PRICES)
def test_the_mark_of_no_is_that_of_its_own_prices(bid, ask, last):
    as_no = [mirror_pips(price_pips, as_no=True) for price_pips in (ask, bid, last)]
    yes, no = compute_mark(bid, ask, last), compute_mark(*as_no)
    assert (yes.source, yes.is_wide) == (no.source, no.is_wide)
    if yes.half_pips is not None and no.half_pips is not None:
        assert yes.half_pips + no.half_pips == HALF_PIPS_PER_CONTRACT


@given(lots=st.integers(1, 10**9), price=PRICES)
def test_the_average_of_one_price_is_that_price(lots, price):
    assert show_average(lots * price, lots) == f"{price / 10_000:.4f}00"


def test_an_average_is_rounded_half_up_and_mirrored():
    assert show_average(0, 0) is None
    assert show_average(10_000, 3) == "0.333333"
    assert show_average(20_000, 3) == "0.666667"
    assert show_average(10_000, 3, as_no=True) == "0.666667"


def test_a_body_hash_distinguishes_requests_but_not_their_ids():
    place = Place("a" * 32, 1, 1, 0, 1, 5_000, 100, client_order_id="x")
    again = Place("b" * 32, 1, 1, 0, 1, 5_000, 100, client_order_id="x")
    other = Place("a" * 32, 1, 1, 0, 1, 5_001, 100, client_order_id="x")
    assert compute_body_hash("place", 1, place) == compute_body_hash("place", 1, again)
    hashes = {
        compute_body_hash("place", 1, place),
        compute_body_hash("place", 2, place),
        compute_body_hash("place", 1, other),
        compute_body_hash("amend", 1, place),
        compute_body_hash("amend", 1, Amend("a" * 32, 1, 5_000)),
        compute_body_hash("amend", 1, Amend("a" * 32, 1, None, 5_000)),
    }
    assert len(hashes) == 6


def test_a_body_hash_is_the_same_for_ever():
    """Written down: a release that changes it would answer old retries with 409."""
    place = Place("a" * 32, 1, 1, 0, 1, 5_000, 100, client_order_id="x")
    written_down = "9ddee7f8924788977d73b594a06a77902c184ad89c55e5b8fdb1411efbf3a29d"
    assert compute_body_hash("place", 7, place).hex() == written_down


decoder = msgspec.json.Decoder(PlaceOrder)


@given(st.binary(max_size=200))
def test_no_bytes_are_anything_but_an_order_or_a_named_error(body):
    with contextlib.suppress(ApiError):
        decode(decoder, body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_is_anything_but_an_order_or_a_named_error(value):
    for body in (value, {"market": value, "side": value}, {"side": "buy", "price": value}):
        with contextlib.suppress(ApiError):
            decode(decoder, msgspec.json.encode(body))


@given(st.text(max_size=100))
def test_no_query_is_anything_but_its_fields_or_a_named_error(query):
    with contextlib.suppress(ApiError):
        assert set(read_query(query, ("market",))) <= {"market"}
