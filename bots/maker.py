"""A market maker: quotes both sides of every book around fair values that drift.

    PREDEX_KEY=pdx_... python -m bots.maker [--tag TAG]

It has no information: its fair values start at the market's prices and follow a random walk. At
each step it picks a book at random, lets the market's fair values drift, and updates its quotes:
an order that rests is amended, one that is gone is replaced, one without room is cancelled.
"""

import argparse
import math
import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from bots.loop import connect, run
from predex_client import (
    Client,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from predex_client.models import Market, OutcomePrice
from predex_client.own import Order
from predex_client.terms import Side

STEP_SECONDS = 0.5
FIRST_STEP_SECONDS = 0.05
REFRESH_STEPS = 20
LEVELS = 3
HALF_SPREAD = 0.01
LEVEL_GAP = 0.01
CONTRACTS = (20, 120)
REFUSALS = (ConflictError, InvalidRequestError, NotFoundError, RefusedError)
GONE = ("order_not_open", "not_found")
DRIFT = 0.04
WEIGHT_MAX = 1.8


class DesiredQuote(NamedTuple):
    """The wanted quote at one position of a book. `price` None: there is no room for it."""

    side: Side
    level: int
    price: Decimal | None
    quantity: int


class Resting(NamedTuple):
    order_id: str
    filled: Decimal


Place = tuple[str, str, int]
"""Outcome, side, level."""


class QuotedMarket:
    """A market, the maker's belief about it, and its orders there.

    A belief is a weight per outcome; fair values are the weights' shares (see `find_fair`).
    """

    def __init__(self, market: Market, prices: Sequence[OutcomePrice], dice: random.Random) -> None:
        self.slug = market.slug
        self.tick = market.tick
        outcomes = [row for row in market.outcomes if row.withdrawn_payout is None]
        codes = [outcome.code for outcome in outcomes]
        # Of a binary or scalar market NO is YES seen from the other side.
        self.codes = codes if market.kind == "categorical" else codes[:1]
        known = {price.outcome: price.price for price in prices}
        self.weights = start_weights([known.get(code) for code in codes], dice)
        self.quoted: dict[str, float] = {}
        self.resting: dict[Place, Resting] = {}


class Maker:
    def __init__(self, client: Client, *, tag: str, dice: random.Random) -> None:
        self.client = client
        self.dice = dice
        self.tag = tag or None
        self.views: dict[str, QuotedMarket] = {}
        self.steps = 0

    def begin(self) -> None:
        self.views = {}
        self.refresh()

    def step(self) -> float:
        """Quote a book without quotes, if any, else update a random book's."""
        self.steps += 1
        if self.steps % REFRESH_STEPS == 0 or not self.views:
            self.refresh()
        books = [(view, code) for view in self.views.values() for code in view.codes]
        new = [(view, code) for view, code in books if code not in view.quoted]
        if new:
            self.quote(*new[0])
            return FIRST_STEP_SECONDS
        if books:
            view, code = self.dice.choice(books)
            view.weights = drift(view.weights, self.dice)
            self.quote(view, code)
        return STEP_SECONDS

    def refresh(self) -> None:
        """Start quoting markets that have opened, stop in those that have closed."""
        listed = self.client.markets(status="open", tag=self.tag)
        markets = {market.slug: market for market in listed}
        self.views = {slug: view for slug, view in self.views.items() if slug in markets}
        for slug, market in markets.items():
            if slug not in self.views:
                self.views[slug] = self.take_up(market)

    def take_up(self, market: Market) -> QuotedMarket:
        """Start in a market without orders: the state of earlier ones is unknown."""
        prices = self.client.prices(market.slug).prices
        self.client.cancel_all(market=market.slug)
        return QuotedMarket(market, prices, self.dice)

    def quote(self, view: QuotedMarket, code: str) -> None:
        fair = find_fair(view.weights)[view.codes.index(code)]
        quotes = build_quotes(fair, tick=view.tick, dice=self.dice)
        if fair > view.quoted.get(code, fair):
            quotes.reverse()  # sells first, to make room for buys
        view.quoted[code] = fair
        for quote in quotes:
            place = (code, quote.side, quote.level)
            resting = view.resting.pop(place, None)
            moved = self.move(view.slug, code, quote, resting)
            if moved is not None:
                view.resting[place] = moved

    def move(
        self, slug: str, code: str, quote: DesiredQuote, resting: Resting | None
    ) -> Resting | None:
        """Place, amend or cancel one order as wanted; return what rests there afterwards."""
        try:
            if resting is None:
                return self.place(slug, code, quote) if quote.price else None
            return self.amend(resting, quote) if quote.price else self.cancel(resting)
        except REFUSALS as refusal:
            return None if refusal.code in GONE else resting

    def place(self, slug: str, code: str, quote: DesiredQuote) -> Resting | None:
        side, quantity, price = quote.side, quote.quantity, quote.price
        order = self.client.place(slug, side, quantity, price, outcome=code, post_only=True)
        return read_resting(order)

    def amend(self, resting: Resting, quote: DesiredQuote) -> Resting | None:
        quantity = resting.filled + quote.quantity
        return read_resting(
            self.client.amend(resting.order_id, price=quote.price, quantity=quantity)
        )

    def cancel(self, resting: Resting) -> Resting | None:
        return read_resting(self.client.cancel(resting.order_id))


def read_resting(order: Order) -> Resting | None:
    """Return what rests of an order in the book."""
    return Resting(order.id, order.filled) if order.is_open else None


# --- what it believes ----------------------------------------------------------------------------


def start_weights(prices: Sequence[Decimal | None], dice: random.Random) -> list[float]:
    """Return weights whose shares are the known prices, with a default where none is known."""
    if all(price is None for price in prices):
        return [dice.gauss(0, 0.7) for _ in prices]
    floor = 1 / (10 * len(prices))
    return _bounded(math.log(max(float(price or 0), floor)) for price in prices)


def drift(weights: Sequence[float], dice: random.Random) -> list[float]:
    return _bounded(weight + dice.gauss(0, DRIFT) for weight in weights)


def find_fair(weights: Sequence[float]) -> list[float]:
    """Return fair values: above 0, with sum 1."""
    shares = [math.exp(weight) for weight in weights]
    return [share / sum(shares) for share in shares]


def _bounded(weights: Iterable[float]) -> list[float]:
    """Centre weights on 0 and bound them, so that every outcome keeps a probability."""
    weights = list(weights)
    middle = sum(weights) / len(weights)
    return [max(-WEIGHT_MAX, min(WEIGHT_MAX, weight - middle)) for weight in weights]


# --- what it wants -------------------------------------------------------------------------------


def build_quotes(fair: float, *, tick: Decimal, dice: random.Random) -> list[DesiredQuote]:
    """Return LEVELS buys, then as many sells, on the tick, around the fair value."""
    buys, sells = [], []
    for level in range(LEVELS):
        away = HALF_SPREAD + level * LEVEL_GAP
        bid = math.floor(Decimal(fair - away) / tick) * tick
        ask = math.ceil(Decimal(fair + away) / tick) * tick
        buys.append(DesiredQuote("buy", level, bid if bid > 0 else None, dice.randint(*CONTRACTS)))
        sells.append(
            DesiredQuote("sell", level, ask if ask < 1 else None, dice.randint(*CONTRACTS))
        )
    return [*buys, *sells]


def main() -> None:
    parser = argparse.ArgumentParser(description="Quote both sides of every open book.")
    parser.add_argument("--tag", default="", help="only markets with this tag")
    tag = parser.parse_args().tag
    run(Maker(connect(), tag=tag, dice=random.Random()))


if __name__ == "__main__":
    main()
