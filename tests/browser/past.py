"""A past for the demo's people and markets, so that pictures of it have something to show.

`python -m tests.browser.past people` makes the people as of ten days ago, before anything else;
`... markets` then gives candles and statistics to the markets that have opened, and days a volume.
They are written as if they had been derived, and no money moves: a site to be looked at, not to be
verified. It must not run meanwhile.
"""

import math
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markets.models import Market
    from trading.models import Candle

DAYS = 10
STEP_MINUTES = 10
SEED = 7
DRIFT = 0.025
HALF_SPREAD_PIPS = 100
PAYOUT_PIPS = 10_000
BUSY = 0.4
"""In so many of the steps something is traded."""

Prices = list[int]
"""What each outcome is worth at one moment, in pips."""


def main(part: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")
    if part == "people":
        turn_back_clock()  # before anything keeps a clock of its own
    import django

    django.setup()
    {"people": make_people, "markets": make_past}[part]()


def turn_back_clock() -> None:
    from django.utils import timezone

    back, read, read_ns = timedelta(days=DAYS + 1), time.time, time.time_ns
    now = timezone.now
    time.time = lambda: read() - back.total_seconds()
    time.time_ns = lambda: read_ns() - int(back.total_seconds()) * 10**9
    timezone.now = lambda: now() - back


def make_people() -> None:
    from trading.demo import seed

    seed.MARKETS = ()  # type: ignore[assignment]
    seed.do_seed_demo()


def make_past() -> None:
    from django.utils import timezone

    from markets.models import Market

    dice = random.Random(SEED)
    now = timezone.now()
    for market in Market.objects.filter(status=Market.Status.OPEN):
        age = timedelta(days=DAYS, minutes=dice.randrange(0, 3_000))
        Market.objects.filter(pk=market.pk).update(created_at=now - age)
        make_candles(market, int(age.total_seconds() // 60), dice)
    make_days(dice)


# --- markets --------------------------------------------------------------------------------------


def make_candles(market: "Market", age_minutes: int, dice: random.Random) -> None:
    from django.db.models import F

    from markets.models import MarketStats
    from trading.models import Candle, OutcomeStats

    stats = list(OutcomeStats.objects.filter(market=market).order_by("outcome_index"))
    now = [find_price(row.bid_pips, row.ask_pips, row.last_pips) for row in stats]
    first = Candle.objects.filter(market=market).order_by("minute").first()
    assert first is not None, "the market makers have not begun"
    minutes = range(first.minute - 1, first.minute - age_minutes, -STEP_MINUTES)
    moments = zip(minutes, walk_back(now, dice), strict=False)
    candles = [
        candle
        for minute, prices in moments
        for candle in build_candles(market, minute, prices, dice)
    ]
    Candle.objects.bulk_create(candles, batch_size=2_000)
    for row in stats:
        own = [candle for candle in candles if candle.outcome_index == row.outcome_index]
        lots = sum(candle.volume_lots for candle in own)
        trades = sum(candle.trades for candle in own)
        OutcomeStats.objects.filter(pk=row.pk).update(
            volume_lots=F("volume_lots") + lots, trades=F("trades") + trades
        )
        MarketStats.objects.filter(market=market).update(volume_lots=F("volume_lots") + lots)


def find_price(bid_pips: int | None, ask_pips: int | None, last_pips: int | None) -> int:
    if bid_pips is not None and ask_pips is not None:
        return (bid_pips + ask_pips) // 2
    return last_pips or PAYOUT_PIPS // 2


def walk_back(prices: Prices, dice: random.Random) -> Iterator[Prices]:
    """Yield prices that led to these, the latest first. Without rest they make up one credit."""
    shares = [*prices, max(PAYOUT_PIPS - sum(prices), 100)] if len(prices) == 1 else prices
    weights = [math.log(max(share, 50)) for share in shares]
    while True:
        sizes = [math.exp(weight) for weight in weights]
        yield [round(PAYOUT_PIPS * size / sum(sizes)) for size in sizes[: len(prices)]]
        weights = [weight + dice.gauss(0, DRIFT) for weight in weights]


def build_candles(
    market: "Market", minute: int, prices: Sequence[int], dice: random.Random
) -> Iterator["Candle"]:
    from trading.models import Candle

    for outcome, price in enumerate(prices):
        if dice.random() > BUSY:
            continue
        pips = min(max(round(price, -2), 200), 9_800)
        opened = pips + dice.choice([-100, 0, 0, 100])
        yield Candle(
            market=market,
            outcome_index=outcome,
            minute=minute,
            open_pips=opened,
            high_pips=max(opened, pips) + dice.choice([0, 0, 100]),
            low_pips=min(opened, pips) - dice.choice([0, 0, 100]),
            close_pips=pips,
            bid_pips=pips - HALF_SPREAD_PIPS,
            ask_pips=pips + HALF_SPREAD_PIPS,
            volume_lots=dice.randint(1, 60) * 100,
            trades=dice.randint(1, 4),
            seq=0,
        )


# --- days -----------------------------------------------------------------------------------------


def make_days(dice: random.Random) -> None:
    """What was traded on each day."""
    from django.utils import timezone

    from trading.models import ExchangeDay

    today = timezone.now().date()
    days = [today - timedelta(days=ago) for ago in range(3 * DAYS - 1, 0, -1)]
    for number, day in enumerate(days):
        lots = dice.randint(40_000, 90_000) * (10 + number)
        figures = {
            "volume_lots": lots,
            "volume_micros": lots * 5_000,
            "trades": lots // 900,
            "traders": dice.randint(6, 10) + number,
        }
        ExchangeDay.objects.update_or_create(
            day=day, defaults={**figures, "counted_at": timezone.now()}
        )


if __name__ == "__main__":
    main(sys.argv[1])
