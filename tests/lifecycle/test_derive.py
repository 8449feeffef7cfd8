"""Candles and statistics follow from the journal alone, in one pass or incrementally."""

import random
from collections import defaultdict

import pytest
from django.core.management import call_command

from accounts.models import Account
from kernel.clock import now_us
from markets.models import MarketStats
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.models import BookState, Candle, OutcomeStats, Trade
from trading.readmodels import projections

pytestmark = pytest.mark.django_db

MINUTE_US = 60_000_000


@pytest.fixture
def clock(monkeypatch):
    """The engine's clock, to be moved by hand."""

    class Clock:
        us = now_us() // MINUTE_US * MINUTE_US

        def pass_seconds(self, seconds):
            self.us += seconds * 1_000_000

        @property
        def minute(self):
            return self.us // MINUTE_US

    clock = Clock()
    world.set_clock(monkeypatch, lambda: clock.us)
    return clock


def trade(shard, market, seller, buyer, cents, lots, outcome=0):
    run(
        shard,
        sell(market, seller, cents, lots, outcome=outcome),
        buy(market, buyer, cents, lots, outcome=outcome),
    )


def values(row, *names):
    return tuple(getattr(row, name) for name in names)


def stored():
    return (
        list(Candle.objects.order_by("market", "outcome_index", "minute").values(
            "market", "outcome_index", "minute", *projections.CANDLE_FIELDS)),
        list(OutcomeStats.objects.order_by("market", "outcome_index").values(
            "market", "outcome_index", *projections.STATS_FIELDS)),
        list(MarketStats.objects.order_by("market").values()),
    )  # fmt: skip


def test_a_minute_has_open_high_low_close_volume_and_what_its_end_looks_like(
    clock, shard, market, alice, bob
):
    for cents, lots in ((60, 100), (70, 200), (50, 100), (55, 300)):
        trade(shard, market, bob, alice, cents, lots)
        clock.pass_seconds(5)
    run(shard, buy(market, alice, 40, 100), sell(market, bob, 45, 100))
    projections.project_market(market.pk)
    candle = Candle.objects.get()
    assert values(candle, "open_pips", "high_pips", "low_pips", "close_pips") == (
        6_000, 7_000, 5_000, 5_500
    )  # fmt: skip
    assert values(candle, "volume_lots", "trades", "minute") == (700, 4, clock.minute)
    assert values(candle, "bid_pips", "ask_pips") == (4_000, 4_500)
    assert candle.open_interest_lots == 700
    assert candle.seq == BookState.objects.get().seq


def test_quiet_minutes_have_no_rows_and_minutes_without_trades_no_prices(
    clock, shard, market, alice, bob
):
    trade(shard, market, bob, alice, 60, 100)
    clock.pass_seconds(600)
    run(shard, buy(market, alice, 40, 100))
    clock.pass_seconds(60)
    run(shard, buy(market, alice, 0, 100))  # refused: off the scale
    projections.project_market(market.pk)
    first, last = Candle.objects.order_by("minute")
    assert last.minute - first.minute == 10
    assert values(last, "open_pips", "close_pips", "bid_pips", "trades") == (None, None, 4_000, 0)
    assert last.open_interest_lots == 100
    assert OutcomeStats.objects.get().seq == BookState.objects.get().seq


def test_open_interest_is_escrow_in_contracts(shard, operator, alice, bob):
    market = world.make_market(outcomes=3)
    world.open_market(shard, market)
    chance = random.Random(7)
    for _ in range(40):
        seller, buyer = chance.sample([alice, bob], 2)
        trade(shard, market, seller, buyer, chance.randint(1, 99), 100 * chance.randint(1, 9),
              chance.randrange(3))  # fmt: skip
    projections.project_market(market.pk)
    escrow = Account.objects.get(kind="escrow", market_id=market.pk)
    stats = OutcomeStats.objects.filter(market=market)
    assert {row.open_interest_lots for row in stats} == {escrow.cash_micros // 10_000}
    assert len(stats) == 3


def test_statistics_of_a_market_count_volume_traders_and_the_last_price(
    clock, shard, market, alice, bob
):
    carol = world.make_account()
    trade(shard, market, bob, alice, 60, 100)
    trade(shard, market, bob, carol, 65, 100)
    clock.pass_seconds(-2 * 86_400)  # an engine's time never steps back
    projections.project_market(market.pk)
    projections.refresh_stats()
    stats = MarketStats.objects.get(market=market)
    assert values(stats, "volume_lots", "volume_24h_lots", "last_price_pips", "traders") == (
        200, 200, 6_500, 3
    )  # fmt: skip
    Candle.objects.update(minute=clock.minute - 2_000)
    projections.refresh_stats()
    assert MarketStats.objects.get(market=market).volume_24h_lots == 0


def test_todays_volume_and_the_traders_never_lag_behind_the_volume(
    clock, shard, market, alice, bob
):
    trade(shard, market, bob, alice, 60, 100)
    projections.project_market(market.pk)
    trade(shard, market, bob, alice, 61, 300)
    projections.project_market(market.pk)
    stats = MarketStats.objects.get(market=market)
    assert values(stats, "volume_lots", "volume_24h_lots", "traders") == (400, 400, 2)
    projections.refresh_stats()
    assert MarketStats.objects.get(market=market).volume_24h_lots == 400
    late = projections.Projection.empty(market)
    late._today = clock.minute + 1  # a fold of what was done days ago
    for row, body in projections.read_rows(market.pk):
        late.add(row, body)
    assert (late.today_lots, late.stats[0].volume_lots) == (0, 400)


def play(shard, clock, market, accounts, chance, steps, after_each=lambda: None):
    for _ in range(steps):
        seller, buyer = chance.sample(accounts, 2)
        outcome = chance.randrange(market.book_count)
        tasks = [
            make(market, account, chance.randint(40, 60), 100 * chance.randint(1, 5),
                 outcome=outcome)
            for make, account in ((sell, seller), (buy, buyer))
        ]  # fmt: skip
        run(shard, *tasks)
        clock.pass_seconds(chance.choice((0, 1, 20, 70)))
        after_each()


@pytest.mark.parametrize("outcomes", [2, 4])
def test_bit_by_bit_gives_the_same_rows_as_at_once_and_as_the_trades_say(
    clock, shard, operator, outcomes, monkeypatch
):
    market = world.make_market(outcomes=outcomes)
    world.open_market(shard, market)
    accounts = [world.make_account() for _ in range(4)]
    chance = random.Random(outcomes)

    def sometimes():
        if chance.random() < 0.4:
            projections.project_market(market.pk)

    monkeypatch.setattr(projections, "ROWS_MAX", 3)
    play(shard, clock, market, accounts, chance, 60, sometimes)
    actions.do_close_market(market, by=None)
    projections.project_market(market.pk)
    projections.refresh_stats()
    bit_by_bit = stored()
    check_against_trades(market)
    Candle.objects.all().delete()
    OutcomeStats.objects.all().delete()
    MarketStats.objects.filter(market=market).delete()
    monkeypatch.undo()
    world.set_clock(monkeypatch, lambda: clock.us)
    projections.project_market(market.pk)
    projections.refresh_stats()
    assert stored() == bit_by_bit


def check_against_trades(market):
    """Volume and prices of every minute, added up from the trades' own rows."""
    minutes = defaultdict(list)
    for row in Trade.objects.filter(market=market).order_by("id"):
        minutes[row.outcome_index, row.created_at_us // MINUTE_US].append(row)
    candles = {(c.outcome_index, c.minute): c for c in Candle.objects.filter(market=market)}
    traded = {key for key, candle in candles.items() if candle.trades}
    assert traded == minutes.keys()
    for key, rows in minutes.items():
        prices = [row.price_pips for row in rows]
        candle = candles[key]
        assert values(candle, "open_pips", "high_pips", "low_pips", "close_pips") == (
            prices[0], max(prices), min(prices), prices[-1]
        )  # fmt: skip
        assert candle.volume_lots == sum(row.quantity_lots for row in rows)
        assert candle.trades == len(rows)


def test_deriving_twice_changes_nothing(clock, shard, market, alice, bob):
    trade(shard, market, bob, alice, 60, 100)
    projections.project_market(market.pk)
    before = stored()
    projections.project_market(market.pk)
    assert stored() == before
    assert projections.list_behind(10) == []
    trade(shard, market, bob, alice, 61, 100)
    assert projections.list_behind(10) == [market.pk]


def test_rebuild_finds_rows_as_they_should_be(clock, shard, market, alice, bob, capsys):
    play(shard, clock, market, [alice, bob], random.Random(1), 30)
    projections.project_market(market.pk)
    projections.refresh_stats()
    before = stored()
    call_command("rebuild")
    assert "0 rows differed" in capsys.readouterr().out
    assert stored() == before


def test_rebuild_corrects_and_reports_differences(clock, shard, market, alice, bob, capsys):
    play(shard, clock, market, [alice, bob], random.Random(2), 30)
    projections.project_market(market.pk)
    projections.refresh_stats()
    before = stored()
    first, second = Candle.objects.order_by("minute")[:2]
    Candle.objects.filter(pk=first.pk).update(volume_lots=1)
    second.delete()
    OutcomeStats.objects.update(last_pips=1)
    MarketStats.objects.update(volume_lots=5)
    with pytest.raises(SystemExit):
        call_command("rebuild")
    assert "4 rows differed" in capsys.readouterr().out
    assert stored() == before
    call_command("rebuild", market.slug)


def test_rebuild_from_nothing_makes_everything(clock, shard, market, alice, bob):
    play(shard, clock, market, [alice, bob], random.Random(3), 30)
    projections.project_market(market.pk)
    projections.refresh_stats()
    before = stored()
    Candle.objects.all().delete()
    OutcomeStats.objects.all().delete()
    MarketStats.objects.filter(market=market).delete()
    call_command("rebuild", market.slug)
    assert stored() == before
