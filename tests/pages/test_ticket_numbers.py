"""The order ticket: numbers as people type them, and what credits buy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Policy
from accounts.policy import forget
from tests.pages.desk import (
    alice,
    bob,
    inside,
    read_errors,
    see,
    send,
)
from trading.engine.book import enter_order
from trading.engine.commands import Place
from trading.engine.fees import build_hold
from trading.engine.types import BUY, FeeKind, Fees
from trading.models import Order
from trading.pages.ticket import compute_affordable_lots

pytestmark = pytest.mark.one_database

__all__ = ["alice", "bob", "inside"]

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 20_000, "fee_taker_rate": 70_000}
CR = "\N{NO-BREAK SPACE}cr"
LIMIT = {"type": "limit", "side": "buy", "outcome": "YES"}


async def orders_of(caller):
    return [order async for order in Order.objects.filter(account=caller.account).order_by("id")]


fees = st.builds(
    Fees,
    st.sampled_from(FeeKind),
    st.integers(0, 1_000_000),
    st.integers(0, 1_000_000),
    st.sampled_from([1, 10_000]),
)


@given(st.integers(0, 10**10), st.integers(1, 9_999), fees, st.sampled_from([1, 50, 100, 1_000]))
def test_credits_buy_the_most_contracts_that_they_can_pay_for(budget, price_pips, fees, step):
    def hold_micros(lots):
        place = Place("1", 1, 1, 0, BUY, price_pips, lots)
        return build_hold(fees)(enter_order(place, 0, price_pips, lots))

    lots = compute_affordable_lots(budget, price_pips, fees=fees, step_lots=step)
    assert lots % step == 0
    assert lots == 0 or hold_micros(lots) <= budget
    assert hold_micros(lots + step) > budget


@pytest.mark.parametrize(
    ("language", "typed", "lots"),
    [("de", "16,9", 1_690), ("de", "16.9", 1_690), ("de", "1.234,5", 123_450),
     ("en", "16.9", 1_690), ("en", "16,9", 1_690), ("en", "1,234.5", 123_450)],
)  # fmt: skip
async def test_a_decimal_comma_is_read_and_never_dropped(inside, alice, language, typed, lots):
    market = await inside.open_market(lot_step_lots=10)
    alice.http.cookies.set("django_language", language)
    price = "0,50" if language == "de" else "0.50"
    answer = await send(alice, market, "orders/", **LIMIT, amount=typed, price=price)
    assert answer.status_code == 200
    [order] = await orders_of(alice)
    assert (order.quantity_lots, order.price_pips) == (lots, 5_000)


async def test_an_amount_that_can_be_two_numbers_is_refused_in_words(inside, alice):
    market = await inside.open_market()
    for measure in ("contracts", "credits"):
        ticket = {**LIMIT, "measure": measure, "amount": "1,234", "price": "0.50"}
        answer = await send(alice, market, "orders/", **ticket)
        words = "“1,234” is ambiguous. Enter 1234 or 1.234."
        assert read_errors(answer.text) == {"amount": words}
        assert 'value="1,234"' in answer.text
    assert await orders_of(alice) == []


async def test_a_ticket_speaks_of_the_currency_as_the_policy_names_it(inside, alice):
    market = await inside.open_market()
    try:
        await Policy.objects.aupdate(currency_name="acorns", currency_symbol="pts")
        forget()
        page = await see(alice, market)
        summary = await send(alice, market, "preview/", **LIMIT, amount="5", price="0.50")
    finally:
        forget()
    assert "Acorns to spend" in page
    assert "credits" not in re.sub(r"<[^>]*>", " ", page).lower()
    assert 'data-money="{amount}\N{NO-BREAK SPACE}pts"' in page
    assert "1,000.00\N{NO-BREAK SPACE}pts" in page
    assert "997.50\N{NO-BREAK SPACE}pts" in summary.text
