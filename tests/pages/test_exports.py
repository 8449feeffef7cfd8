"""The portfolio's CSV files: every row, exact, safe to open, and sums that reconcile."""

import csv
import io
from collections import defaultdict
from decimal import Decimal

import pytest

from accounts.actions import do_request_deposit, do_request_withdrawal
from accounts.models import Account, Transfer
from kernel.ids import new_id
from tests.pages.trading import browser_of, shard
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.engine.types import Leg, OrderOptions, Trigger, TriggerKind
from trading.models import Margin
from trading.pages import exports
from trading.readmodels import projections
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = [
    pytest.mark.django_db,
    # Files are made for ASGI; Django's test client asks for them synchronously.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]


@pytest.fixture
def people(shard):
    """Alice and Bob after trades with fees in three markets: one open, one settled, one voided."""
    alice, bob = world.make_account(), world.make_account()
    markets = [
        world.make_market(
            dispute_seconds=0,
            title=title,
            outcomes=outcomes,
            fee_kind="quadratic",
            fee_maker_rate=20_000,
            fee_taker_rate=70_000,
        )
        for title, outcomes in (("=HYPERLINK(1)", 2), ("Plain?", 2), ("Which, and “why”?", 3))
    ]
    for market in markets:
        world.open_market(shard, market)
        run(shard, sell(market, bob, 61, 700), buy(market, alice, 63, 1300))
        run(shard, sell(market, bob, 63, 300), sell(market, alice, 70, 200))
        run(shard, buy(market, alice, 20, 100, client_order_id="-1+2"))
        projections.project_market(market.pk)
    operator = world.make_user("opera", staff=True)
    for market in markets[1:]:
        actions.do_close_market(market, by=operator)
    actions.do_resolve_market(markets[1], by=operator, payout_pips=[10_000, 0], evidence_text="x")
    actions.do_void_market(markets[2], by=operator, reason="unclear", house_cover_micros=10**12)
    for market in markets[1:]:
        assert settle_market(market.pk)
    alice.refresh_from_db()
    bob.refresh_from_db()
    return alice, bob, markets


def read(account, name):
    response = browser_of(account).get(f"/portfolio/{name}.csv")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith(f'attachment; filename="{name}-')
    text = b"".join(response).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def add(rows, column):
    return sum((Decimal(row[column]) for row in rows if row[column]), Decimal(0))


def credits(micros):
    return Decimal(micros) / CREDIT


@pytest.mark.parametrize("chunk", [1, 3, 1_000])
def test_transfers_add_up_to_the_cash_whatever_the_chunks(people, monkeypatch, chunk):
    monkeypatch.setattr(exports, "CHUNK_ROWS", chunk)
    for account in people[:2]:
        rows = read(account, "transfers")
        sides = Transfer.objects.filter(debit_account=account) | Transfer.objects.filter(
            credit_account=account
        )
        assert len(rows) == sides.count() == len({row["id"] for row in rows})
        assert add(rows, "amount") == credits(account.cash_micros)
        assert Decimal(rows[-1]["cash_after"]) == credits(account.cash_micros)
        assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)


@pytest.mark.parametrize("chunk", [1, 1_000])
def test_fills_and_settlements_reconcile_with_the_transfers(people, monkeypatch, chunk):
    monkeypatch.setattr(exports, "CHUNK_ROWS", chunk)
    for account in people[:2]:
        moved = defaultdict(Decimal)
        for row in read(account, "transfers"):
            moved[row["kind"]] += Decimal(row["amount"])
        fills = read(account, "fills")
        assert add(fills, "cash_change") == moved["trade"] + moved["fee"]
        assert -add(fills, "fee") == moved["fee"] != 0
        settlements = read(account, "settlements")
        assert add(settlements, "payout") == moved["settlement"] + moved["void"]
        assert {row["result"] for row in settlements} == {"YES", "void"}
        assert add([row for row in settlements if row["result"] == "void"], "profit") == 0


def test_orders_say_what_was_filled(people):
    alice, _, markets = people
    rows = read(alice, "orders")
    assert len(rows) == 9
    assert add(rows, "filled") == add(read(alice, "fills"), "quantity")
    first = rows[0]
    assert (first["side"], first["outcome"], first["price"]) == ("buy", "YES", "0.6300")
    assert (first["filled"], first["average_price"]) == ("10.00", "0.616000")
    assert {row["status"] for row in rows if row["market"] != markets[0].slug} == {"cancelled"}


def test_orders_that_wait_say_for_what_and_of_which_bracket_they_are(shard, people):
    alice, _, markets = people
    leg = Leg(new_id(), Trigger(TriggerKind.STOP, 3_000))
    run(shard, buy(markets[0], alice, 50, 200, options=OrderOptions(legs=(leg,))))
    found = {row["id"]: row for row in read(alice, "orders")}
    waiting = found[leg.order_id]
    entry = found[waiting["bracket"]]
    assert (waiting["trigger"], waiting["trigger_price"]) == ("stop", "0.3000")
    assert (waiting["status"], entry["status"]) == ("untriggered", "open")
    assert (entry["trigger"], entry["trigger_price"], entry["bracket"]) == ("", "", "")


def test_positions_are_worth_what_the_portfolio_says(people, client):
    alice, bob, markets = people
    [row] = read(alice, "positions")
    assert (row["outcome"], row["position"]) == ("YES", "10.00")
    assert Decimal(row["market_value"]) - Decimal(row["cost"]) == Decimal(row["unrealised_profit"])
    [row] = read(bob, "positions")
    assert (row["outcome"], row["position"], row["average_price"]) == ("NO", "10.00", "0.384000")
    assert Decimal(row["cost"]) == Decimal("3.84")
    margin = Margin.objects.get(account=bob, market=markets[0])
    assert Decimal(row["market_fees"]) == credits(margin.fees_micros)


def test_texts_are_no_formulas_and_numbers_stay_numbers(people):
    alice = people[0]
    orders = read(alice, "orders")
    assert orders[0]["title"] == "'=HYPERLINK(1)"
    assert {row["client_order_id"] for row in orders} == {"", "'-1+2"}
    assert any(row["amount"].startswith("-") for row in read(alice, "transfers"))
    assert any(row["title"] == "Which, and “why”?" for row in read(alice, "transfers"))


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"])
def test_a_note_that_begins_like_a_formula_gets_an_apostrophe(shard, start):
    account = world.make_account()
    do_request_withdrawal(account, amount_micros=1, by=account.owner, note=start)
    do_request_deposit(account, amount_micros=2_500_000, by=account.owner)
    rows = read(account, "money")
    assert [row["note"] for row in rows] == [f"'{start}", ""]
    assert [row["amount"] for row in rows] == ["0.000001", "2.500000"]


def test_an_account_without_anything_gets_heads_alone(shard):
    account = world.make_account(0)
    for name, (columns, _) in exports.FILES.items():
        response = browser_of(account).get(f"/portfolio/{name}.csv")
        assert b"".join(response).decode() == ",".join(columns) + "\r\n"


def test_files_are_ones_own_and_need_a_log_in(people, client):
    assert client.get("/portfolio/transfers.csv").status_code == 302
    assert browser_of(people[0]).get("/portfolio/secrets.csv").status_code == 404
    assert {row["id"] for row in read(people[0], "orders")}.isdisjoint(
        row["id"] for row in read(people[1], "orders")
    )
    assert Account.objects.count() > 2


def test_a_file_costs_a_constant_number_of_queries_a_chunk(people, django_assert_max_num_queries):
    browser = browser_of(people[0])
    browser.get("/portfolio/")
    with django_assert_max_num_queries(12):
        b"".join(browser.get("/portfolio/transfers.csv"))
    with django_assert_max_num_queries(12):
        b"".join(browser.get("/portfolio/fills.csv"))
