"""The adapters against a running exchange, each by its own door: only the address is not the
venue's.
"""

import asyncio
import contextlib
import json
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from bots.engine.events import Key
from bots.engine.execution.portfolio import StrategyHolding
from bots.engine.execution.state import State, TradedDay
from bots.engine.fees import FeeSchedule
from bots.engine.metrics import Metrics
from bots.engine.program import TradingEngine
from predex_client import Client
from tests.bots.conftest import Town, build_config, run, until
from tests.patience import PATIENCE_SECONDS

KINDS = ("predex", "kalshi", "polymarket")
Levels = dict[int, int]


def show(client: Client, slug: str) -> tuple[Levels, Levels]:
    """Return the levels of YES that the exchange's own API has, in pips and lots."""
    yes = client.book(slug)["YES"]
    bids, asks = ({int(p * 10_000): int(q * 100) for p, q in side} for side in (yes.bids, yes.asks))
    return bids, asks


def cached(engine: TradingEngine) -> tuple[Levels, Levels]:
    book = engine.cache.books[engine.markets.markets[0].yes]
    return (book.bids, book.asks) if book.is_current else ({-1: 0}, {})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_book_is_followed_and_found_again_after_a_lost_connection(
    town: Town, tmp_path: Path, kind: str
) -> None:
    slug, client = town.slugs[0], town.clients[0]
    async with run(build_config(tmp_path, [town.venue(kind, 0, slug)])) as engine:
        client.place(slug, "buy", 10, "0.40")
        sold = client.place(slug, "sell", 5, "0.60")
        await until(lambda: cached(engine) == show(client, slug) and cached(engine)[1])
        market = engine.markets.markets[0]
        assert engine.cache[market.no].bids == ((4_000, 500),)
        town.clients[1].place(slug, "buy", 2, "0.60")
        client.cancel(client.place(slug, "buy", 7, "0.39").id)
        await until(lambda: cached(engine) == ({4_000: 1_000}, {6_000: 300}))

        connection = engine.adapters[kind]._connection
        connection.transport.abort()
        await until(lambda: not engine.cache.books[market.yes].is_current)
        client.cancel(sold.id)
        await until(lambda: cached(engine) == ({4_000: 1_000}, {}))
        name = {"venue": kind, "event_type": "TradePrint"}
        assert engine.metrics.registry.get_sample_value("adapter_events_total", name)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_market_is_read_with_its_rules(town: Town, tmp_path: Path, kind: str) -> None:
    async with run(build_config(tmp_path, [town.venue(kind, 0, town.slugs[0])])) as engine:
        [market] = engine.markets.markets
        assert (market.tick_pips, market.lot_step_lots) == (100, 100)
        assert market.fees == FeeSchedule() or market.fees.rate_ppm == 0
        assert market.yes.venue == kind


async def test_many_changes_reach_all_three_caches_alike(town: Town, tmp_path: Path) -> None:
    slug, client = town.slugs[1], town.clients[0]
    venues = [town.venue(kind, 0, slug) for kind in KINDS]
    async with run(build_config(tmp_path, venues)) as engine:
        for price in range(10, 40):
            order = client.place(slug, "buy", price, f"0.{price}")
            if price % 3 == 0:
                client.cancel(order.id)
        expected = show(client, slug)
        assert len(expected[0]) == 20
        for market in engine.markets.markets:
            book = engine.cache.books[market.yes]
            await until(lambda book=book: (book.bids, book.asks) == expected)
        [poly] = [one for one in engine.markets.markets if one.venue == "polymarket"]
        assert engine.cache.books[poly.no].asks == {
            10_000 - pips: lots for pips, lots in expected[0].items()
        }


async def test_an_engine_whose_market_does_not_exist_says_so(town: Town, tmp_path: Path) -> None:
    config = build_config(tmp_path, [town.venue("kalshi", 0, "no-such-market")])
    with pytest.raises(Exception, match="NO-SUCH-MARKET"):
        async with run(config):
            await asyncio.sleep(0)


def pay_out(town: Town, *, void: bool) -> str:
    """Open a market, and end it; return its slug once that is paid."""
    slug = town.open(f"Is it paid ({void=})?", dispute_seconds=0)
    town.operate(f"markets/{slug}/close", {"reason": "over"})
    if void:
        town.operate(f"markets/{slug}/void", {"reason": "unclear", "house_cover": "0"})
    else:
        said = {"payout": ["0.3", "0.7"], "evidence_text": "seen"}
        town.operate(f"markets/{slug}/resolve", said)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while town.clients[0].market(slug).status not in ("settled", "voided"):
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    return slug


def read_token(town: Town, slug: str) -> str:
    """Return the token of YES at the Polymarket-compatible door."""
    row = httpx.get(f"{town.url}/poly/gamma/markets/slug/{slug}", timeout=PATIENCE_SECONDS).json()
    yes: str = json.loads(row["clobTokenIds"])[0]
    return yes


async def test_what_is_held_to_the_end_is_booked_as_it_was_paid(town: Town, tmp_path: Path) -> None:
    paid, void = [await asyncio.to_thread(pay_out, town, void=void) for void in (False, True)]
    kinds = ("predex", "kalshi", "polymarket")
    tables = [town.venue(kind, 0, paid) for kind in kinds]
    token = read_token(town, paid)
    keys = [Key("predex", f"{paid}:YES"), Key("kalshi", paid.upper()), Key("polymarket", token)]
    refunded = Key("predex", f"{void}:YES")
    state = State(tmp_path / "state.sqlite3")
    held = {("s", key): StrategyHolding(lots=1_000, open_micros=2_000_000) for key in keys}
    held["s", refunded] = StrategyHolding(lots=-500, open_micros=-3_000_000)
    state.write_holdings(held, TradedDay())
    state.close()
    engine = TradingEngine(build_config(tmp_path, tables), Metrics())
    running = asyncio.create_task(engine.run())
    await until(lambda: running.done() or hasattr(engine, "strategies"))
    await until(lambda: not engine.portfolio.count_lots(refunded))
    await until(lambda: not any(map(engine.portfolio.count_lots, keys)))
    engine.stop.set()
    await running
    state = State(tmp_path / "state.sqlite3")
    assert state.load_holdings() == {
        **{("s", key): StrategyHolding(realised_micros=1_000_000) for key in keys},
        ("s", refunded): StrategyHolding(),
    }
    state.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.sqlite3")) as rows:  # on any day
        assert rows.execute("SELECT sum(realised_micros) FROM days").fetchone() == (3_000_000,)
