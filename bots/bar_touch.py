"""A maker that a naive fill model likes: `python -m bots.bar_touch FILE...` prints both profits.

It joins both sides of the book for each bar and holds at most SIZE contracts either way. The naive
model fills a side whenever the bar's trades touch its price; the exchange has a queue, in which the
orders of others are first. docs/simulator.md
"""

import sys
from decimal import Decimal
from typing import NamedTuple

from predex_client import Client
from predex_client.models import Trade
from predex_client.testing import Exchange

BAR_SECONDS, SIZE = 5, 10


class Naive:
    """Fills what a bar touches, whole and at once."""

    def __init__(self) -> None:
        self.cash, self.position, self.fills = Decimal(0), 0, 0

    def see(self, bid: Decimal | None, ask: Decimal | None, prices: list[Decimal]) -> None:
        if bid is not None and prices and min(prices) <= bid and self.position < SIZE:
            self._fill(SIZE, bid)
        if ask is not None and prices and max(prices) >= ask and self.position > -SIZE:
            self._fill(-SIZE, ask)

    def _fill(self, size: int, price: Decimal) -> None:
        self.cash -= size * price
        self.position += size
        self.fills += 1


class BarTouchResult(NamedTuple):
    naive_profit: Decimal
    naive_fills: int
    profit: Decimal
    fills: int


def play(path: str, *options: str) -> BarTouchResult:
    naive, seen = Naive(), ""
    with Exchange(recordings=[path], options=["--paused", *options]) as exchange:
        simulator, client, slug = exchange.simulator(), exchange.client(), exchange.markets[0]
        simulator.step(5)
        while client.market(slug).status == "open":
            bid, ask = quote(client, slug)
            simulator.step(BAR_SECONDS)
            bar = list_new_trades(client, slug, seen)
            seen = bar[0].id if bar else seen
            naive.see(bid, ask, [trade.price for trade in bar])
        report, payout = exchange.simulator(0).report(), client.market(slug).outcomes[0].payout
    naive_profit = naive.cash + naive.position * (payout or 0)
    return BarTouchResult(
        naive_profit, naive.fills, Decimal(report["profit"]), len(report["fills"])
    )


def quote(client: Client, slug: str) -> tuple[Decimal | None, Decimal | None]:
    """Join the best bid and ask of the others; return them."""
    client.cancel_all()
    book = client.book(slug)["YES"]
    bid, ask = (side[0].price if side else None for side in (book.bids, book.asks))
    held = sum(one.position for own in client.positions() for one in own.outcomes)
    if bid is not None and held < SIZE:
        client.place(slug, "buy", min(SIZE, SIZE - held), bid, post_only=True)
    if ask is not None and held > -SIZE:
        client.place(slug, "sell", min(SIZE, SIZE + held), ask, post_only=True)
    return bid, ask


def list_new_trades(client: Client, slug: str, seen: str) -> list[Trade]:
    """Return the trades after this one, newest first."""
    found = []
    for trade in client.trades(slug):
        if trade.id == seen:
            break
        found.append(trade)
    return found


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *play(path))
