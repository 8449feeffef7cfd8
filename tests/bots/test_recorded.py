"""A day's recorded best prices of six exclusive outcomes, through parser, cache and strategy."""

import csv
import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from bots.engine.cache import Cache
from bots.engine.events import Key
from bots.engine.fees import FREE, FeeSchedule
from bots.engine.markets import BinaryMarket, MarketEvent, MarketMap
from bots.engine.signals import Signal
from bots.engine.strategies.base import BookUpdate
from bots.engine.strategies.cross_outcome import CrossOutcome
from bots.engine.venues.kalshi_feed import KalshiFeed
from tests.exchange import ROOT

DATA = Path(os.environ.get("PREDEX_DATA", ROOT.parent / "shared" / "data"))
FILE = DATA / "kalshi_bbo_highny" / "market_data_KXHIGHNY-25DEC10.csv.gz"
CONTRACTS = 100


def read_ticks() -> list[tuple[str, int, int]]:
    """Return ticker, best bid for YES and best bid for NO, in cents; 0 for none."""
    with gzip.open(FILE, "rt") as file:
        return [
            (row["market_ticker"], int(row["best_yes_bid"] or 0), int(row["best_no_bid"] or 0))
            for row in csv.DictReader(file)
        ]


def write_frame(seq: int, ticker: str, yes: int, no: int) -> str:
    sides = {
        f"{name}_dollars_fp": [[f"0.{cents:02}00", f"{CONTRACTS}.00"]]
        for name, cents in (("yes", yes), ("no", no))
        if cents
    }
    body = {"market_ticker": ticker, "market_id": "", **sides}
    return json.dumps({"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": body})


@pytest.mark.parametrize(
    ("fees", "gains"),
    [
        (FREE, {"sell": 10_017, "buy": 102}),
        (FeeSchedule(rate_ppm=70_000, unit_micros=10_000), {"sell": 990, "buy": 5}),
    ],
)
def test_the_recorded_day_gives_a_signal_at_exactly_the_ticks_that_gain(
    fees: FeeSchedule, gains: dict[str, int]
) -> None:
    if not FILE.exists():
        pytest.skip(f"no recorded data at {FILE}")
    ticks = read_ticks()
    tickers = sorted({ticker for ticker, _, _ in ticks})
    markets = tuple(
        BinaryMarket(
            id=name, yes=Key("kalshi", name), no=Key("kalshi", f"{name}:no"), has_one_book=True,
            fees=fees,
        )
        for name in tickers
    )  # fmt: skip
    map_ = MarketMap([MarketEvent(id="day", markets=markets, is_exhaustive=True)])
    cache, strategy = Cache(map_), CrossOutcome("s", map_)
    feed = KalshiFeed({market.id: market.yes for market in markets})
    feed.connect(0)
    best: dict[str, tuple[int, int]] = {}
    seen: Counter[str] = Counter()
    for seq, (ticker, yes, no) in enumerate(ticks, 1):
        for event in feed.receive(write_frame(seq, ticker, yes, no), seq).events:
            assert cache.apply(event)
        best[ticker] = yes, no
        signals = list(strategy.on_change(cache, BookUpdate(Key("kalshi", ticker), seq)))
        expected = expect(best, fees) if len(best) == len(tickers) else {}
        assert {find_way(signal): signal.edge_micros for signal in signals} == expected
        seen.update(expected.keys())
    assert len(ticks) == 44_957
    assert seen == gains


def expect(best: dict[str, tuple[int, int]], fees: FeeSchedule) -> dict[str, int]:
    """Return what buying and selling one of each gains in micros, where that is above 0."""
    asks = [100 - no for _, no in best.values() if no]
    bids = [yes for yes, _ in best.values() if yes]
    found = {}
    for way, cents, sign in (("buy", asks, 1), ("sell", bids, -1)):
        if len(cents) == len(best):
            due = sum(-(-fees.rate_ppm * c * (100 - c) // 1_000_000) for c in cents) * 10_000
            edge = sign * (100 - sum(cents)) * CONTRACTS * 10_000 - due
            found |= {way: edge} if edge > 0 else {}
    return found


def find_way(signal: Signal) -> str:
    return "buy" if signal.payout_pips > 0 else "sell"
