"""Books of a market that are matched with one another, on the path from a shard to the ledger."""

import pytest
from django.db.models import Sum

from accounts.models import Account, Transfer
from markets.models import Market
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.engine.types import OrderStatus, Tif, TradeKind
from trading.models import JournalRow, Margin, Order, OutcomeStats, Position, Trade
from trading.pipeline.config import config_of
from trading.pipeline.loading import load_engine
from trading.pipeline.replay import replay
from trading.readmodels import projections
from trading.settlement.payments import settle_market
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)

A, B, C = range(3)


@pytest.fixture
def race(shard):
    """A market of three candidates, open."""
    market = world.make_market(outcomes=3, dispute_seconds=0)
    world.open_market(shard, market)
    return market


@pytest.fixture
def bob():
    return world.make_account()


@pytest.fixture
def carol():
    return world.make_account()


def cash(account):
    account.refresh_from_db()
    return account.cash_micros


def escrow(market):
    return Account.objects.get(kind="escrow", market_id=market.pk).cash_micros


def house():
    return Account.objects.get(kind="house")


def positions(market):
    rows = Position.objects.filter(market=market).values_list("account_id", "outcome_index")
    return {
        key: Position.objects.get(account=key[0], outcome_index=key[1]).net_lots for key in rows
    }


def assert_sound():
    assert [finding for finding in check_everything() if finding.breaches] == []


def test_bids_for_all_outcomes_make_a_set_that_each_pays_a_part_of(shard, race, alice, bob, carol):
    run(shard, buy(race, alice, 30, 1000, outcome=A), buy(race, bob, 45, 600, outcome=B))
    [result] = run(shard, buy(race, carol, 40, 1000, outcome=C))
    [fill] = result.fills
    assert (fill.trade.price_pips, fill.trade.quantity_lots) == (2_500, 600)  # 1 - 0.30 - 0.45
    assert result.order.status == OrderStatus.PARTIALLY_FILLED
    assert [10_000 * CREDIT - cash(who) for who in (alice, bob, carol)] == [
        1_800_000, 2_700_000, 1_500_000,
    ]  # fmt: skip
    assert escrow(race) == 6 * CREDIT
    trades = Trade.objects.filter(market=race).order_by("id")
    assert {trade.match_id for trade in trades} == {trades[0].pk}
    assert {trade.kind for trade in trades} == {TradeKind.MINT}
    assert [(row.outcome_index, row.price_pips, row.taker_side) for row in trades] == [
        (C, 2_500, 1), (A, 3_000, -1), (B, 4_500, -1),
    ]  # fmt: skip
    assert positions(race)[house().pk, A] == -600
    assert_sound()


def test_asks_for_all_outcomes_redeem_a_set(shard, race, alice, bob, carol):
    for who, outcome in ((alice, A), (bob, B), (carol, C)):  # each gets a contract first
        run(shard, buy(race, who, 33 if outcome < C else 34, 500, outcome=outcome))
    assert escrow(race) == 5 * CREDIT
    run(shard, sell(race, alice, 30, 500, outcome=A), sell(race, bob, 30, 500, outcome=B))
    [result] = run(shard, sell(race, carol, 20, 500, outcome=C))
    assert [fill.trade.price_pips for fill in result.fills] == [4_000]
    assert escrow(race) == 0
    assert set(positions(race).values()) == {0}
    assert Margin.objects.get(account=house(), market=race).collateral_lots == 0
    assert_sound()


def test_the_house_is_neither_locked_nor_paid_and_gets_what_nobody_bid_for(
    shard, race, alice, bob, operator
):
    before = house().cash_micros
    run(shard, buy(race, alice, 60, 500, outcome=A), buy(race, bob, 50, 500, outcome=B))
    assert house().cash_micros == before
    assert not Transfer.objects.filter(kind="trade", credit_account=house()).exists()
    assert (escrow(race), cash(alice) + cash(bob)) == (5 * CREDIT, 19_995 * CREDIT)
    actions.do_close_market(race, by=operator)
    actions.do_resolve_market(race, by=operator, payout_pips=[0, 0, 10_000], evidence_text="x")
    assert settle_market(race.pk)
    assert house().cash_micros == before + 5 * CREDIT
    assert_sound()


def test_a_void_gives_back_what_matches_across_outcomes_cost(shard, race, alice, bob, operator):
    run(shard, buy(race, alice, 60, 500, outcome=A), buy(race, bob, 50, 500, outcome=B))
    actions.do_close_market(race, by=operator)
    actions.do_void_market(race, by=operator, reason="x")
    assert settle_market(race.pk)
    assert (cash(alice), cash(bob), escrow(race)) == (10_000 * CREDIT, 10_000 * CREDIT, 0)
    assert_sound()


def test_a_shard_that_starts_again_knows_what_the_house_holds(shard, race, alice, bob):
    run(shard, buy(race, alice, 60, 500, outcome=A), buy(race, bob, 50, 300, outcome=B))
    shard.markets.clear()
    run(shard, buy(race, bob, 50, 200, outcome=B))
    assert positions(race)[house().pk, A] == -500
    replayed = replay(race.pk)
    assert replayed.engine.state_hash() == load_engine(race.pk).state_hash()
    assert_sound()


def test_verify_names_books_that_would_make_or_redeem_a_set(shard, race, alice):
    for outcome in (A, B, C):
        run(shard, buy(race, alice, 30, 500, outcome=outcome))
        run(shard, sell(race, alice, 40, 500, outcome=outcome))
    assert_sound()
    for side, before_pips, wrong_pips in ((1, 3_000, 3_400), (-1, 4_000, 3_300)):
        orders = Order.objects.filter(market=race, side=side)
        orders.update(price_pips=wrong_pips)
        broken = [finding.what for finding in check_everything() if finding.breaches]
        assert "books that are matched with one another leave no set" in broken
        orders.update(price_pips=before_pips)
    assert_sound()


def test_each_leg_counts_in_its_outcomes_figures(shard, race, alice, bob, carol):
    run(shard, buy(race, alice, 30, 600, outcome=A), buy(race, bob, 45, 600, outcome=B))
    run(shard, buy(race, carol, 40, 600, outcome=C, tif=Tif.IOC))
    projections.project_market(race.pk)
    stats = OutcomeStats.objects.filter(market=race).order_by("outcome_index")
    assert [(row.last_pips, row.volume_lots) for row in stats] == [
        (3_000, 600), (4_500, 600), (2_500, 600),
    ]  # fmt: skip
    assert {row.open_interest_lots for row in stats} == {600}


def test_books_are_matched_by_themselves_where_the_market_says_so(shard, alice, bob):
    market = world.make_market(outcomes=3, matches_across_outcomes=False)
    world.open_market(shard, market)
    run(shard, buy(market, alice, 60, 500, outcome=A), buy(market, bob, 60, 500, outcome=B))
    assert not Trade.objects.filter(market=market).exists()
    assert config_of(market).house_account_id is None
    total = Margin.objects.filter(market=market).aggregate(held=Sum("held_micros"))["held"]
    assert total == 6 * CREDIT
    assert JournalRow.objects.filter(market=market).count() == 2
    assert Market.objects.get(pk=market.pk).status == "open"
