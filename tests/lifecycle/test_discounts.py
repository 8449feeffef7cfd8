"""Fees that are lower for a time: exact, begun and ended once, shown."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from markets.models import MarketDiscount
from tests.lifecycle.results import refuse
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions, tasks
from trading.models import JournalRow, Trade
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 20_000, "fee_taker_rate": 80_000}


@pytest.fixture
def dear(shard, operator):
    """A market with fees: 0.005 and 0.02 a contract at 0.50."""
    market = world.make_market(**FEES)
    world.open_market(shard, market)
    market.refresh_from_db()
    return market


def trade_fees(shard, market, alice, bob):
    run(shard, sell(market, bob, 50, 10_000), buy(market, alice, 50, 10_000))
    trade = Trade.objects.order_by("-id")[0]
    return trade.maker_fee_micros, trade.taker_fee_micros


def set_discount(market, operator, **fields):
    given = {"maker_percent": 100, "taker_percent": 50, "starts_at": timezone.now(), **fields}
    return actions.do_set_discount(market, by=operator, fields=given)


def move(discount, **times):
    MarketDiscount.objects.filter(pk=discount.pk).update(**times)


def test_fees_are_lower_from_its_beginning_to_its_end(shard, dear, operator, alice, bob):
    now = timezone.now()
    assert trade_fees(shard, dear, alice, bob) == (500_000, 2_000_000)
    discount = set_discount(dear, operator, starts_at=now + timedelta(days=1))
    tasks.discount_due()
    assert trade_fees(shard, dear, alice, bob) == (500_000, 2_000_000)
    move(discount, starts_at=now - timedelta(seconds=1))
    tasks.discount_due()
    assert trade_fees(shard, dear, alice, bob) == (0, 1_000_000)
    move(discount, ends_at=timezone.now())
    tasks.discount_due()
    assert trade_fees(shard, dear, alice, bob) == (500_000, 2_000_000)
    assert [finding for finding in check_everything() if finding.breaches] == []


def test_each_change_is_journalled_once_however_often_it_is_tried(shard, dear, operator):
    before = JournalRow.objects.filter(market=dear).count()
    discount = set_discount(dear, operator)
    for _ in range(3):
        tasks.discount_due()
        actions.do_apply_discount(MarketDiscount.objects.get(market=dear))
    assert JournalRow.objects.filter(market=dear).count() == before + 1
    # The process died after the engine's commit and before its note of it.
    move(discount, is_applied=False)
    tasks.discount_due()
    assert JournalRow.objects.filter(market=dear).count() == before + 1
    assert MarketDiscount.objects.get(market=dear).is_applied
    actions.do_end_discount(dear, by=operator)
    for _ in range(3):
        tasks.discount_due()
    assert JournalRow.objects.filter(market=dear).count() == before + 2


def test_a_market_opens_with_the_discount_that_is_due(shard, operator, alice, bob):
    market = world.make_market(**FEES)
    set_discount(market, operator)
    actions.do_open_market(market, by=operator)
    assert trade_fees(shard, market, alice, bob) == (0, 1_000_000)
    before = JournalRow.objects.filter(market=market).count()
    tasks.discount_due()
    assert JournalRow.objects.filter(market=market).count() == before


def test_what_a_discount_may_be(shard, dear, market, operator, alice):
    now = timezone.now()
    for fields in (
        {"maker_percent": 0, "taker_percent": 0},
        {"taker_percent": 101},
        {"ends_at": now - timedelta(days=1)},
    ):
        refuse("bad_discount", set_discount, dear, operator, **fields)
    refuse("no_fees", set_discount, market, operator)
    refuse("no_discount", actions.do_end_discount, dear, by=operator)


def test_api_admin_and_page_set_and_show_it(shard, dear, operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    url = f"/api/v1/markets/{dear.slug}"
    body = {"maker_percent": 100, "ends_at": "2040-03-01T00:00:00Z"}
    put = client.put(f"{url}/discount", body, content_type="application/json")
    assert put.status_code == 200, put.json()
    shown = put.json()["fee_discount"]
    assert (shown["maker_percent"], shown["taker_percent"]) == (100, 0)
    assert shown["ends_at"].startswith("2040-03-01")
    page = client.get(f"/markets/{dear.slug}/").content.decode()
    assert "makers pay nothing" in page
    assert client.delete(f"{url}/discount").status_code == 200
    assert client.delete(f"{url}/discount").status_code == 409
    act = f"/admin/markets/market/{dear.pk}/do/set-discount/"
    form = {"maker_percent": "0", "taker_percent": "50", "starts_at": "", "ends_at": ""}
    assert client.post(act, form).status_code == 302
    assert MarketDiscount.objects.get(market=dear).taker_percent == 50
    act = f"/admin/markets/market/{dear.pk}/do/end-discount/"
    assert client.post(act, {"reason": "Enough."}).status_code == 302
