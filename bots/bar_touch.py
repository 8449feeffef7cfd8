"""A maker that a naive fill model likes: `python -m bots.bar_touch RECORDING...` prints both.

It joins both sides of the book for each bar. The naive model fills a side when the bar's trades
touch its price, as most home-made simulators do; the exchange has a queue. docs/simulator.md
"""

import sys
from decimal import Decimal

from predex_client.testing import Exchange

BAR_SECONDS, SIZE = 10, 10


def play(path: str) -> tuple[Decimal, Decimal, int, int]:
    """Return the naive profit and the true one, and how many fills each counted."""
    naive, position, touches, seen = Decimal(0), 0, 0, ""
    with Exchange(recordings=[path], options=["--paused"]) as exchange:
        simulator, client, slug = exchange.simulator(), exchange.client(), exchange.markets[0]
        simulator.step(5)
        while client.market(slug).status == "open":
            client.cancel_all()
            book = client.book(slug)["YES"]
            bid, ask = (side[0].price if side else None for side in (book.bids, book.asks))
            for side, price in (("buy", bid), ("sell", ask)):
                if price is not None:
                    client.place(slug, side, SIZE, price, post_only=True)
            simulator.step(BAR_SECONDS)
            bar = []
            for trade in client.trades(slug):
                if trade.id == seen:
                    break
                bar.append(trade)
            seen = bar[0].id if bar else seen
            prices = [trade.price for trade in bar]
            if bid is not None and prices and min(prices) <= bid:
                naive, position, touches = naive - SIZE * bid, position + SIZE, touches + 1
            if ask is not None and prices and max(prices) >= ask:
                naive, position, touches = naive + SIZE * ask, position - SIZE, touches + 1
        report = exchange.simulator(0).report()
        payout = next(one for one in client.market(slug).outcomes if one.code == "YES").payout
        return (
            naive + position * (payout or 0),
            Decimal(report["profit"]),
            touches,
            len(report["fills"]),
        )


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *play(path))
