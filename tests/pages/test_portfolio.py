"""The portfolio's pages: figures, lists, cancelling, and asking for money."""

import json
import re

import pytest
from django.test import Client
from django.utils.html import escape

from accounts.actions import (
    do_decide_deposit,
    do_decide_withdrawal,
    do_grant,
    do_request_withdrawal,
)
from accounts.models import AuditEvent, DepositRequest, WithdrawalRequest
from kernel import cache
from markets.models import Exchange
from tests.pages.desk import SITE, inside
from tests.pages.trading import browser_of, shard
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.models import DailyEquity, Order
from trading.pages.numbers import MINUS
from trading.pipeline.gateway import get_gateway
from trading.readmodels import equity, projections
from trading.readmodels.holdings import read_marks
from trading.readmodels.performance import read_performance
from trading.settlement.payments import settle_market

__all__ = ["inside", "shard"]

pytestmark = pytest.mark.django_db

TABS = ("", "orders/", "standing/", "fills/", "settlements/", "transfers/", "money/")
LONG = "W" * 190 + "?"


@pytest.fixture
def alice(shard):
    return world.make_account(1_000)


def trade(shard, alice, markets=1, **fields):
    """Alice holds 10 YES bought at 60 and has an order for 5 at 40, in each market."""
    bob = world.make_account()
    made = []
    for _ in range(markets):
        market = world.make_market(dispute_seconds=0, **fields)
        world.open_market(shard, market)
        run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
        run(shard, buy(market, alice, 40, 500), sell(market, bob, 64, 100))
        projections.project_market(market.pk)
        made.append(market)
    alice.refresh_from_db()
    return made


def text_of(response):
    assert response.status_code == 200
    text = re.sub(r"<script.*?</script>|<[^>]+>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)


def test_strangers_are_asked_to_log_in():
    for tab in TABS:
        assert Client().get(f"/portfolio/{tab}").status_code == 302


def test_empty_lists_say_what_would_stand_there(alice):
    browser = browser_of(alice)
    for tab in TABS:
        assert "Equity" in text_of(browser.get(f"/portfolio/{tab}"))
    assert "You hold no contracts" in text_of(browser.get("/portfolio/"))
    assert "No open orders" in text_of(browser.get("/portfolio/orders/"))


def test_the_head_adds_up(shard, alice):
    trade(shard, alice)
    figures = text_of(browser_of(alice).get("/portfolio/"))
    for part in (
        "Cash 994.00 cr",
        "Held for open orders 2.00 cr",
        "Available 992.00 cr",
    ):
        assert part in figures
    assert "Positions 6.00 cr" in figures  # bid 40 and ask 64 are too far apart: the last price
    assert "Equity 1,000.00 cr" in figures
    assert "Profit, all time 0.00 cr" in figures


def test_a_positions_profit_is_what_the_account_gained_and_closing_only_reduces(shard, alice):
    """10 YES bought at 0.60 for a fee of 0.168; the best bid of another account is 0.45."""
    [market] = trade(shard, alice, fee_kind="quadratic", fee_taker_rate=70_000)
    run(shard, buy(market, world.make_account(), 45, 1000))
    projections.project_market(market.pk)
    page = browser_of(alice).get("/portfolio/")
    text = text_of(page)
    assert f"Profit, all time {MINUS}0.17 cr" in text
    row = text.replace("if sold now: ", "").replace("if sold now : ", "")
    assert f"6.00 cr 4.33 cr {MINUS}0.17 cr {MINUS}1.84 cr Sell" in " ".join(row.split())
    assert "&amp;amount=10&amp;reduce_only=on#ticket" in page.content.decode()


def test_profit_is_without_deposits_and_since_midnight(shard, alice):
    holdings = []
    DailyEquity.objects.create(
        account=alice, day="2026-01-01", cash_micros=0, equity_micros=900 * CREDIT,
        deposited_micros=0,
    )  # fmt: skip
    now = read_performance(alice, holdings)
    assert now.deposited_micros == 1_000 * CREDIT
    assert now.profit_micros == 0
    assert now.today_micros == -900 * CREDIT


def test_positions_orders_fills_and_transfers_name_their_market(shard, alice):
    [market] = trade(shard, alice, title=LONG)
    browser = browser_of(alice)
    pages = {tab: browser.get(f"/portfolio/{tab}") for tab in TABS}
    for tab in ("", "orders/", "fills/", "transfers/"):
        assert LONG in text_of(pages[tab]), tab
    assert "Yes" in text_of(pages[""])
    assert "Paid for contracts" in text_of(pages["transfers/"])
    assert "Granted" in text_of(pages["transfers/"])
    assert "Buy Yes" in text_of(pages["orders/"])
    assert f"/portfolio/orders/{Order.objects.open().first().id.hex}" not in text_of(pages[""])
    assert market.slug in pages[""].content.decode()


def test_a_scripts_name_is_never_a_script(shard, alice):
    title = '</script><script>alert("x")</script>?'
    trade(shard, alice, title=title)
    for tab in TABS[:5]:
        page = browser_of(alice).get(f"/portfolio/{tab}").content.decode()
        assert title not in page
        assert escape(title) in page or tab == "settlements/"


def test_no_is_held_as_no(shard, alice):
    bob = world.make_account()
    market = world.make_market()
    world.open_market(shard, market)
    run(shard, buy(market, bob, 60, 1000), sell(market, alice, 60, 1000))
    projections.project_market(market.pk)
    text = text_of(browser_of(alice).get("/portfolio/"))
    assert "No 10 at 0.40 by selling Yes 10" in text
    assert "Value" in text
    assert "4.00 cr" in text


def test_settlements_say_what_each_market_paid(shard, alice):
    [market] = trade(shard, alice)
    operator = world.make_user("opera", staff=True)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="x")
    assert settle_market(market.pk)
    text = text_of(browser_of(alice).get("/portfolio/settlements/"))
    assert "6.00 cr 10.00 cr +4.00 cr" in text
    assert "Yes" in text
    browser = browser_of(alice)
    browser.cookies["django_language"] = "de"
    assert " Ja " in text_of(browser.get("/portfolio/settlements/"))


@pytest.mark.parametrize("tab", TABS)
def test_a_page_costs_as_many_queries_with_one_market_as_with_many(
    shard, alice, tab, django_assert_max_num_queries
):
    trade(shard, alice)
    browser = browser_of(alice)
    browser.get(f"/portfolio/{tab}")  # templates are read here
    cache.forget_all()  # what is kept for a second is read in each of the counted requests
    with django_assert_max_num_queries(24) as one:
        browser.get(f"/portfolio/{tab}")
    trade(shard, alice, markets=4)
    trade(shard, alice, markets=1, outcomes=5)
    cache.forget_all()
    with django_assert_max_num_queries(24) as many:
        browser.get(f"/portfolio/{tab}")
    assert len(many) == len(one)


# --- cancelling ----------------------------------------------------------------------------------


def url(rest):
    return f"{SITE}/portfolio/{rest}"


async def post(caller, rest, **options):
    return await caller.http.post(url(rest), follow_redirects=True, **options)


async def test_an_order_is_cancelled_and_said_so(inside):
    trader = await inside.join()
    market = await inside.open_market()
    order = await trader.placed(market, "buy 5 NO @ 0.30")
    page = (await trader.http.get(url("orders/"))).text
    assert f"/portfolio/orders/{order['id']}/cancel/" in page
    answer = await post(trader, f"orders/{order['id']}/cancel/")
    assert "Order cancelled." in answer.text
    assert "No open orders" in answer.text
    answer = await post(trader, f"orders/{order['id']}/cancel/")
    assert "This order has already ended." in answer.text
    page = (await trader.http.get(url("orders/?status=cancelled"))).text
    assert "you cancelled it" in page
    assert "Buy No" in page


async def test_an_order_that_waits_for_its_price_is_listed_with_it_and_cancelled(inside):
    trader = await inside.join()
    market = await inside.open_market()
    stop = {"kind": "stop", "price": "0.70"}
    order = {"market": market.slug, "side": "buy", "type": "market", "quantity": "5"}
    placed = await trader.send("POST", "orders", json={**order, "trigger": stop})
    page = (await trader.http.get(url("orders/"))).text
    assert "Waiting for its trigger" in page
    assert "Market price" in page
    assert ">0.70</span>" in page
    answer = await post(trader, f"orders/{placed.json()['id']}/cancel/")
    assert "Order cancelled." in answer.text
    assert "No open orders" in answer.text


async def test_other_peoples_orders_are_not_found(inside):
    trader, other = await inside.join(), await inside.join()
    market = await inside.open_market()
    order = await trader.placed(market, "buy 5 YES @ 0.30")
    for order_id in (order["id"], "nonsense"):
        answer = await post(other, f"orders/{order_id}/cancel/")
        assert "This order was not found." in answer.text
    assert await Order.objects.open().filter(pk=order["id"]).aexists()


async def test_all_orders_are_cancelled_at_once(inside):
    trader = await inside.join()
    for _ in range(2):
        await trader.placed(await inside.open_market(), "buy 5 YES @ 0.30")
    assert "2 orders cancelled." in (await post(trader, "orders/cancel/")).text
    assert not await Order.objects.open().aexists()


async def test_nothing_is_cancelled_by_a_link_or_without_a_token(inside):
    trader = await inside.join()
    order = await trader.placed(await inside.open_market(), "buy 5 YES @ 0.30")
    address = f"orders/{order['id']}/cancel/"
    assert (await trader.http.get(url(address))).status_code == 405
    del trader.http.headers["X-CSRFToken"]
    assert (await post(trader, address)).status_code == 403
    assert await Order.objects.open().aexists()


async def test_without_an_engine_it_says_so(inside):
    trader = await inside.join()
    order = await trader.placed(await inside.open_market(), "buy 5 YES @ 0.30")
    await inside.stop_engine()
    await get_gateway().close()
    answer = await post(trader, f"orders/{order['id']}/cancel/")
    await inside.start_engine()
    assert answer.status_code == 200
    assert "Nothing was changed" in answer.text or "No answer came" in answer.text


def test_orders_are_filtered_and_paged(shard, alice):
    [market] = trade(shard, alice)
    run(shard, *(buy(market, alice, 1, 100) for _ in range(60)))
    browser = browser_of(alice)
    page = browser.get("/portfolio/orders/?status=all").content.decode()
    assert page.count("data-order=") == 50
    more = re.search(r'href="(\?status=all&amp;cursor=[^"]+)"', page)[1].replace("&amp;", "&")
    assert browser.get(f"/portfolio/orders/{more}").content.decode().count("data-order=") == 12
    assert browser.get("/portfolio/orders/?status=filled").content.decode().count("data-order") == 1
    assert browser.get("/portfolio/orders/?cursor=damaged").status_code == 400
    assert browser.get("/portfolio/fills/?cursor=damaged").status_code == 400


# --- asking for money ----------------------------------------------------------------------------


def ask(browser, **values):
    page = browser.get("/portfolio/money/")
    form = page.context[f"{values['kind']}_form"]
    body = {"key": form.initial["key"], "note": "", **values}
    return browser.post("/portfolio/money/", body)


def test_a_withdrawal_is_set_aside_and_can_be_taken_back(alice):
    browser = browser_of(alice)
    response = ask(browser, kind="withdrawal", amount="120.500001", note="to my <b>bank</b>")
    assert response.status_code == 302
    request = WithdrawalRequest.objects.get()
    alice.refresh_from_db()
    assert (request.amount_micros, alice.withdrawing_micros) == (120_500_001, 120_500_001)
    text = text_of(browser.get("/portfolio/money/"))
    assert "120.500001 cr Waiting to my &lt;b&gt;bank" in text
    assert "Being withdrawn" in text
    browser.post(f"/portfolio/money/withdrawals/{request.pk.hex}/cancel/")
    alice.refresh_from_db()
    request.refresh_from_db()
    assert (request.status, alice.withdrawing_micros) == ("cancelled", 0)
    assert request.decided_by == alice.owner
    assert AuditEvent.objects.filter(action="cancel_withdrawal").exists()
    page = browser.post(f"/portfolio/money/withdrawals/{request.pk.hex}/cancel/", follow=True)
    assert "This has already been decided." in text_of(page)


def test_a_deposit_is_asked_for_decided_and_explained(alice):
    browser = browser_of(alice)
    assert ask(browser, kind="deposit", amount="25").status_code == 302
    request = DepositRequest.objects.get()
    operator = world.make_user("opera", staff=True)
    do_decide_deposit(request, approve=True, by=operator, reason="arrived")
    alice.refresh_from_db()
    assert alice.cash_micros == 1_025 * CREDIT
    assert "Approved arrived" in text_of(browser.get("/portfolio/money/"))
    assert ask(browser, kind="deposit", amount="30").status_code == 302
    second = DepositRequest.objects.get(status="requested")
    browser.post(f"/portfolio/money/deposits/{second.pk.hex}/cancel/")
    second.refresh_from_db()
    assert second.status == "cancelled"


def test_the_statement_says_why_operators_moved_money(alice):
    operator = world.make_user("opera", staff=True)
    do_grant(alice, amount_micros=CREDIT, by=operator, reason="A new season")
    request = do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    do_decide_withdrawal(request, approve=True, by=operator, reason="By transfer")
    browser = browser_of(alice)
    shown = text_of(browser.get("/portfolio/transfers/"))
    assert "Granted A new season" in shown
    assert "Withdrawal By transfer" in shown
    lines = b"".join(browser.get("/portfolio/transfers.csv")).decode()
    rows = browser.get("/api/v1/ledger").json()["results"]
    assert [row["reason"] for row in rows] == ["By transfer", "A new season", ""]
    assert "A new season" in lines


def test_a_form_that_is_sent_twice_asks_once(alice):
    browser = browser_of(alice)
    body = {"kind": "deposit", "amount": "5", "note": "", "key": "one-and-only"}
    for _ in range(2):
        assert browser.post("/portfolio/money/", body).status_code == 302
    assert DepositRequest.objects.count() == 1
    again = browser.post("/portfolio/money/", {**body, "amount": "6"})
    assert again.status_code == 422
    assert "was already sent" in again.content.decode()


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("", "This field is required."),
        ("ten", "Enter a number"),
        ("1e3", "Enter a number"),
        ("-5", "Enter an amount above 0."),
        ("0", "Enter an amount above 0."),
        ("0.0000001", "At most 6 decimals."),
        ("9" * 25, "That number is too large."),
        ("1000.000001", "That is more than is available."),
    ],
)
def test_a_wrong_amount_is_shown_beside_its_field(alice, amount, message):
    response = ask(browser_of(alice), kind="withdrawal", amount=amount, note="kept")
    assert response.status_code == 422
    page = response.content.decode()
    assert message in page
    assert 'value="kept"' in page
    assert response.context["withdrawal_form"].errors.keys() == {"amount"}
    assert not response.context["deposit_form"].is_bound
    assert not WithdrawalRequest.objects.exists()


def test_what_was_refused_can_be_corrected_and_sent_from_the_same_page(alice):
    browser = browser_of(alice)
    body = {"kind": "withdrawal", "amount": "1000.5", "note": "", "key": "k"}
    refused = browser.post("/portfolio/money/", body)
    key = refused.context["withdrawal_form"]["key"].value()
    corrected = browser.post("/portfolio/money/", {**body, "amount": "100.5", "key": key})
    assert corrected.status_code == 302
    assert WithdrawalRequest.objects.get().amount_micros == 100_500_000


def test_others_requests_are_not_found(alice):
    request = do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    other = browser_of(world.make_account())
    for request_id in (request.pk.hex, "nonsense"):
        url = f"/portfolio/money/withdrawals/{request_id}/cancel/"
        assert other.post(url).status_code == 404
    request.refresh_from_db()
    assert request.status == "requested"


def test_what_an_operator_declined_is_shown_with_the_reason(alice):
    request = do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    operator = world.make_user("opera", staff=True)
    do_decide_withdrawal(request, approve=False, by=operator, reason="too small")
    assert "Declined too small" in text_of(browser_of(alice).get("/portfolio/money/"))


def test_maintenance_and_an_unverified_address_keep_from_asking(alice, settings):
    browser = browser_of(alice)
    settings.EMAIL_VERIFICATION_REQUIRED = True
    assert "Confirm your e-mail" in ask(browser, kind="deposit", amount="5").content.decode()
    settings.EMAIL_VERIFICATION_REQUIRED = False
    Exchange.objects.update(maintenance=True)
    assert ask(browser, kind="deposit", amount="5").status_code in (422, 503)
    assert not DepositRequest.objects.exists()


def test_complete_sets_are_worth_one_in_the_head_in_the_list_and_at_midnight(shard, alice):
    """Alice sold one of three outcomes; the marks of the three add up to 1.50."""
    market = world.make_market(outcomes=3)
    world.open_market(shard, market)
    bob = world.make_account()
    run(shard, buy(market, bob, 30, 1000), sell(market, alice, 30, 1000))
    for outcome in (1, 2):
        carol, dora = world.make_account(), world.make_account()
        run(
            shard,
            buy(market, carol, 60, 100, outcome=outcome),
            sell(market, dora, 60, 100, outcome=outcome),
        )
    projections.project_market(market.pk)
    page = browser_of(alice).get("/portfolio/").content.decode()
    found = re.search(r'id="positions-data">(.*?)</script>', page)
    [live] = json.loads(found[1])
    assert live["value"] == "7.000000"  # 10 complete sets less 10 at 0.30
    assert (live["sets"], live["positions"]) == ("10.000000", {"O0": "-10.00"})
    assert "Positions 7.00 cr" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert equity.value((-1000, 0, 0), read_market_marks(market), binary=False) == 7 * CREDIT


def read_market_marks(market):
    marks = read_marks([market.pk])
    return [marks[market.pk, outcome] for outcome in range(3)]


def test_money_is_asked_for_in_the_page_s_numbers(alice):
    browser = browser_of(alice)
    browser.cookies["django_language"] = "de"
    assert ask(browser, kind="deposit", amount="1.234,5").status_code == 302
    assert DepositRequest.objects.get().amount_micros == 1_234_500_000
    refused = ask(browser, kind="deposit", amount="1.234")
    assert refused.status_code == 422
    assert 'value="1.234"' in refused.content.decode()
    assert DepositRequest.objects.count() == 1
