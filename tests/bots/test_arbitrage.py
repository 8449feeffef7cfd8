"""Arbitrage is found where it is and nowhere else, and brings what was computed."""

import random
import time
from pathlib import Path

import pytest

from bots.engine.events import BUY, SELL, Key
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent
from bots.engine.signals import Signal
from bots.engine.strategies.cross_outcome import CrossOutcome
from bots.engine.strategies.cross_venue import CrossVenue
from bots.engine.units import PAYOUT_PIPS
from tests.bots.desk import Desk, Side, build_market

PLACES = 500
FEES = (
    FREE,
    FeeSchedule(rate_ppm=70_000, unit_micros=10_000),
    FeeSchedule(rate_ppm=70_000),
    FeeSchedule(rate_ppm=10_000, exponent=0),
    FeeSchedule(rate_ppm=250_000, exponent=2, unit_micros=100),
)
TICKS = (10, 50, 100)
STEPS = (1, 100, 500)


def build_place(number: int, dice: random.Random) -> MarketEvent:
    """Return a market of two books, or an event of several markets, with its own rules."""
    fees, tick, step = dice.choice(FEES), dice.choice(TICKS), dice.choice(STEPS)
    size = dice.choice((1, 2, 3, 5))
    markets = tuple(
        build_market(
            f"{number}-{index}", one_book=size > 1, fees=fees, tick_pips=tick, lot_step_lots=step
        )
        for index in range(size)
    )
    return MarketEvent(id=str(number), markets=markets, is_exhaustive=True)


def list_keys(event: MarketEvent) -> list[tuple[BinaryMarket, Key]]:
    if len(event.markets) == 1:
        [market] = event.markets
        return [(market, market.yes), (market, market.no)]
    return [(market, market.yes) for market in event.markets]


def make_books(
    event: MarketEvent, dice: random.Random, *, edge_pips: int
) -> tuple[int, dict[Key, tuple[Side, Side]]]:
    """Return the side to take and books whose best prices gain so much; elsewhere they lose."""
    keys, side = list_keys(event), dice.choice((BUY, SELL))
    tick, step = event.markets[0].tick_pips, event.markets[0].lot_step_lots
    total = PAYOUT_PIPS - side * edge_pips
    cuts = sorted(dice.sample(range(1, total // tick), len(keys) - 1))
    ends = [0, *cuts, total // tick]
    prices = [(ends[index + 1] - ends[index]) * tick for index in range(len(keys))]
    books: dict[Key, tuple[Side, Side]] = {}
    for (_, key), price in zip(keys, prices, strict=True):
        levels = [
            (price + side * depth * tick, dice.randint(1, 50 * step))
            for depth in range(dice.randint(1, 3))
        ]
        levels = [(pips, lots) for pips, lots in levels if 0 < pips < PAYOUT_PIPS]
        books[key] = ([], levels) if side == BUY else (levels, [])
    return side, books


def find_best_naively(
    event: MarketEvent, side: int, books: dict[Key, tuple[Side, Side]]
) -> tuple[int, int]:
    """Return the size of the most profit, and that profit, by trying every size."""
    keys = list_keys(event)
    step = event.markets[0].lot_step_lots
    deepest = min(sum(lots for _, lots in books[key][side == BUY]) for _, key in keys)
    best = 0, 0
    for lots in range(step, deepest + 1, step):
        profit = side * PAYOUT_PIPS * lots
        for market, key in keys:
            takes, left = [], lots
            for pips, there in books[key][side == BUY]:
                takes.append((pips, min(left, there)))
                left -= takes[-1][1]
                if not left:
                    break
            profit -= side * sum(pips * count for pips, count in takes)
            profit -= market.fees.compute_micros(takes)
        if profit > best[1]:
            best = lots, profit
    return best


async def test_arbitrage_in_500_places_is_found_and_executed_with_the_profit_that_was_computed(
    tmp_path: Path,
) -> None:
    dice = random.Random(11)
    events = [build_place(number, dice) for number in range(PLACES)]
    desk = Desk(tmp_path, events, is_durable=False)
    strategy = CrossOutcome("arbitrage", desk.markets)
    planted = found = 0
    for event in events:
        while True:
            edge = dice.randrange(0, 2_000, event.markets[0].tick_pips)
            side, books = make_books(event, dice, edge_pips=edge)
            lots, profit = find_best_naively(event, side, books)
            if profit > 20_000:  # two cents, which rounding by the cent can't eat
                break
        planted += 1
        for key, (bids, asks) in books.items():
            desk.show(key, bids, asks)
        [signal] = desk.find(strategy, event.markets[0].yes)
        assert 0 < signal.edge_micros <= profit
        assert signal.edge_micros >= profit - 10_000 * len(signal.legs), (lots, signal)
        executed = await desk.bridge.execute(signal, time.monotonic_ns())
        assert executed is not None
        assert executed.state == "done"
        assert executed.profit_micros == signal.edge_micros
        found += 1
        again = desk.find(strategy, event.markets[0].yes)
        assert [await desk.bridge.execute(one, time.monotonic_ns()) for one in again] == [None]
    assert (planted, found) == (PLACES, PLACES)
    assert desk.metric("execution_rejections_total", strategy="arbitrage", executor="paper") == 500
    desk.close()


def test_where_nothing_is_gained_net_of_fees_there_is_no_signal(tmp_path: Path) -> None:
    dice = random.Random(12)
    events = [build_place(number, dice) for number in range(PLACES)]
    desk = Desk(tmp_path, events)
    strategy = CrossOutcome("arbitrage", desk.markets)
    empty = nearly = 0
    for event in events:
        tick = event.markets[0].tick_pips
        edge = dice.randrange(-5 * tick, 5 * tick, tick)
        side, books = make_books(event, dice, edge_pips=edge)
        for key, (bids, asks) in books.items():
            desk.show(key, bids, asks)
        _, profit = find_best_naively(event, side, books)
        signals = desk.find(strategy, event.markets[0].yes)
        if profit <= 0:
            assert signals == []
            empty += 1
            nearly += edge > 0
        else:
            assert all(0 < signal.edge_micros <= profit for signal in signals)
    assert empty > 200
    assert nearly > 30, "some would gain, were it not for the fees"
    desk.close()


def test_a_book_that_is_not_current_makes_no_signal(tmp_path: Path) -> None:
    market = build_market("m", one_book=False)
    desk = Desk(tmp_path, [MarketEvent(id="m", markets=(market,))])
    strategy = CrossOutcome("arbitrage", desk.markets)
    desk.show(market.yes, asks=[(4_000, 1_000)])
    assert desk.find(strategy, market.yes) == []
    desk.show(market.no, asks=[(5_000, 1_000)])
    assert len(desk.find(strategy, market.yes)) == 1
    desk.cache.books[market.no].suspect()
    assert desk.find(strategy, market.yes) == []
    desk.close()


def test_yes_of_an_event_that_may_have_no_winner_is_sold_but_never_bought(tmp_path: Path) -> None:
    markets = tuple(build_market(name) for name in "abc")
    desk = Desk(tmp_path, [MarketEvent(id="e", markets=markets)])
    strategy = CrossOutcome("arbitrage", desk.markets)
    for market in markets:
        desk.show(market.yes, asks=[(2_000, 1_000)])
    assert desk.find(strategy, markets[0].yes) == []
    for market in markets:
        desk.show(market.yes, bids=[(4_000, 1_000)])
    [signal] = desk.find(strategy, markets[0].yes)
    assert {leg.side for leg in signal.legs} == {SELL}
    assert signal.edge_micros == 2_000 * 1_000
    desk.close()


@pytest.mark.parametrize("contracts_max", [10, 3])
def test_a_market_is_bought_at_one_venue_and_sold_at_another(
    tmp_path: Path, contracts_max: int
) -> None:
    fees = FeeSchedule(rate_ppm=70_000, unit_micros=10_000)
    here, there = build_market("rain", venue="a"), build_market("RAIN", venue="b", fees=fees)
    events = [MarketEvent(id=market.id, markets=(market,)) for market in (here, there)]
    desk = Desk(tmp_path, events, same=[{"a": "rain", "b": "RAIN"}])
    strategy = CrossVenue("between", desk.markets, contracts_max=contracts_max)
    desk.show(here.yes, asks=[(4_000, 500), (4_500, 2_000)])
    desk.show(there.yes, bids=[(5_000, 2_000)])
    [signal] = desk.find(strategy, there.yes)
    assert signal.lots == contracts_max * 100
    assert find_legs(signal) == {("a", BUY), ("b", SELL)}
    gross = {10: 500 * 1_000 + 500 * 500, 3: 300 * 1_000}[contracts_max]
    fee = {10: 180_000, 3: 60_000}[contracts_max]  # 7% of a quarter of 10 (3), rounded up to a cent
    assert signal.edge_micros == gross - fee
    desk.close()


def find_legs(signal: Signal) -> set[tuple[str, int]]:
    return {(leg.key.venue, leg.side) for leg in signal.legs}
