"""The market maker: where it quotes, and that its orders are amended, and gone after it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from bots.engine.events import BUY, SELL, Key
from bots.engine.execution import quoter
from bots.engine.markets import MarketEvent
from bots.engine.signals import QuoteSet, WantedQuote
from bots.engine.strategies.maker import MarketMaker
from tests.bots.conftest import Town, build_config, run, until
from tests.bots.desk import Desk, build_market

RAIN = Key("v", "rain")


def make_desk(folder: Path, **market) -> Desk:
    made = build_market("rain", **market)
    other = build_market("RAIN", venue="w")
    events = [MarketEvent(id=one.id, markets=(one,)) for one in (made, other)]
    desk = Desk(folder, events, same=[{"v": "rain", "w": "RAIN"}])
    desk.show(made.yes)
    return desk


def quote(desk: Desk, held: int = 0, key: Key = RAIN, **options) -> list[WantedQuote]:
    maker = MarketMaker("m", desk.markets, venue="v", **options)
    maker.portfolio = desk.portfolio
    desk.portfolio.get("m", Key("v", "rain")).lots = held
    wishes = desk.find(maker, key)
    assert all(isinstance(wish, QuoteSet) for wish in wishes)
    return [one for wish in wishes for one in wish.quotes]


def prices(quotes: list[WantedQuote], side: int) -> list[int]:
    return [one.price_pips for one in quotes if one.side == side]


def test_quotes_are_a_ladder_on_the_tick_around_the_fair_value(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    quotes = quote(desk, estimates={"rain": "0.305"}, half_spread="0.02", size=20, growth=50)
    assert prices(quotes, BUY) == [2_800, 2_700, 2_600]
    assert prices(quotes, SELL) == [3_300, 3_400, 3_500]
    assert [one.lots for one in quotes if one.side == BUY] == [2_000, 3_000, 4_000]
    desk.close()


def test_what_is_held_moves_the_quotes_and_too_much_of_it_ends_a_side(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    held = quote(desk, 10_000, estimates={"rain": "0.3"}, skew="0.0002", inventory_max=200)
    assert (prices(held, BUY)[0], prices(held, SELL)[0]) == (2_600, 3_000)
    full = quote(desk, 20_000, estimates={"rain": "0.3"}, skew="0", inventory_max=200)
    assert (prices(full, BUY), prices(full, SELL)) == ([], [3_200, 3_300, 3_400])
    short = quote(desk, -20_000, estimates={"rain": "0.3"}, skew="0", inventory_max=200)
    assert (prices(short, BUY), prices(short, SELL)) == ([2_800, 2_700, 2_600], [])
    desk.close()


def test_quotes_never_cross_what_others_offer(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.show(Key("v", "rain"), bids=[(5_000, 100)], asks=[(5_200, 100)])
    low, high = (quote(desk, estimates={"rain": value}) for value in ("0.30", "0.80"))
    assert prices(low, SELL)[0] == 5_100
    assert prices(high, BUY)[0] == 5_100
    desk.close()


def test_there_is_no_quote_where_there_is_no_room(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    quotes = quote(desk, estimates={"rain": "0.02"})
    assert prices(quotes, BUY) == []
    assert prices(quotes, SELL) == [400, 500, 600]
    desk.close()


def test_a_fair_value_is_the_price_of_an_lmsr_that_has_sold_as_much(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, tick_pips=1)
    options = {"fair": "lmsr", "liquidity": 100, "half_spread": "0.0001", "skew": "0"}
    fair = [prices(quote(desk, held, **options), SELL)[0] - 1 for held in (0, -10_000, 10_000)]
    assert fair == [5_000, 7_310, 2_689]  # e / (1 + e), and 1 less that
    desk.close()


def test_the_lmsr_of_an_event_shares_one_among_its_markets(tmp_path: Path) -> None:
    markets = tuple(build_market(name, tick_pips=1) for name in "abc")
    desk = Desk(tmp_path, [MarketEvent(id="e", markets=markets, is_exhaustive=True)])
    maker = MarketMaker("m", desk.markets, venue="v", fair="lmsr", liquidity=100)
    maker.portfolio = desk.portfolio
    desk.portfolio.get("m", markets[0].yes).lots = -10_000
    fair = [maker.find_fair(desk.cache, market) for market in markets]
    assert fair == [5_761, 2_119, 2_119]  # e / (2 + e), 1 / (2 + e)
    desk.close()


def test_a_fair_value_is_the_middle_of_another_venues_book(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    there = Key("w", "RAIN")
    assert quote(desk, fair="w", key=there) == []
    desk.show(there, bids=[(6_000, 1)], asks=[(6_200, 1)])
    assert prices(quote(desk, fair="w", key=there), BUY)[0] == 5_900
    assert prices(quote(desk, fair="w"), SELL)[0] == 6_300
    desk.close()


MAKER = {"name": "m", "kind": "maker", "venue": "predex", "levels": 2, "size": 10}


@pytest.mark.parametrize("kind", ["predex", "kalshi"])
async def test_a_maker_quotes_amends_is_filled_and_leaves_nothing_behind(
    town: Town, tmp_path: Path, kind: str
) -> None:
    slug, client, trader = town.slugs[0], town.clients[2], town.clients[1]
    venues = [town.venue(kind, 2, slug, executor="live")]
    options = {"skew": "0.001", "prior": "0.5", "half_spread": "0.02", "gap": "0.02"}
    strategies = [MAKER | {"venue": kind} | options]
    async with run(build_config(tmp_path, venues, strategies=strategies)) as engine:
        held = engine.portfolio.get("m", engine.markets.markets[0].yes)
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
        first = {order.id: order for order in client.orders(market=slug, status="open")}
        assert {order.price for order in first.values()} == {
            Decimal(text) for text in ("0.46", "0.48", "0.52", "0.54")
        }
        trader.place(slug, "sell", 15, "0.46")  # both buys: 10 at 0.48, 5 at 0.46
        await until(lambda: held.lots == 1_500)
        assert held.open_micros == 10 * 480_000 + 5 * 460_000
        await until(
            lambda: (
                Decimal("0.51")
                in [order.price for order in client.orders(market=slug, status="open")]
            )
        )  # the quotes have come down by 0.015
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
        later = {order.id for order in client.orders(market=slug, status="open")}
        sells = {key for key, order in first.items() if order.side == "sell"}
        assert sells <= later, "sells are amended, not placed again"
    assert list(client.orders(market=slug, status="open")) == []


async def test_the_kill_switch_takes_all_quotes_away(town: Town, tmp_path: Path) -> None:
    slug, client = town.slugs[1], town.clients[2]
    kill = tmp_path / "kill"
    config = build_config(
        tmp_path,
        [town.venue("predex", 2, slug, executor="live")],
        strategies=[MAKER],
        engine={"kill_file": str(kill)},
    )
    async with run(config):
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
        kill.touch()
        await until(lambda: list(client.orders(market=slug, status="open")) == [])
        kill.unlink()
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)


async def test_quotes_of_a_run_that_was_killed_are_cancelled_by_the_next(
    town: Town, tmp_path: Path
) -> None:
    slug, client = town.slugs[1], town.clients[2]
    venues = [town.venue("predex", 2, slug, executor="live")]
    async with run(build_config(tmp_path, venues, strategies=[MAKER])) as engine:
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
        async with engine.quoter._lock:  # as if it were gone: it cancels nothing at its end
            engine.quoter.submit = lambda wish: None  # type: ignore[method-assign]
            engine.quoter._wanted.clear()
            engine.quoter.resting.clear()
    assert len(list(client.orders(market=slug, status="open"))) == 4
    async with run(build_config(tmp_path, venues)):
        await asyncio.sleep(0)
        assert list(client.orders(market=slug, status="open")) == []


async def test_quotes_do_not_outlive_an_engine_that_has_died(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoter, "STAY_SECONDS", 4)
    slug, client = town.slugs[1], town.clients[2]
    venues = [town.venue("predex", 2, slug, executor="live")]
    async with run(build_config(tmp_path, venues, strategies=[MAKER])) as engine:
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
        await until(lambda: client.cancel_timer().cancels_at is not None)
        async with engine.quoter._lock:  # it says and does nothing more
            await until(lambda: list(client.orders(market=slug, status="open")) == [])
        await until(lambda: len(list(client.orders(market=slug, status="open"))) == 4)
    assert client.cancel_timer().cancels_at is None
