"""A noise trader: takes a little liquidity of a random book, or rests a small order there.

    PREDEX_KEY=pdx_... python -m bots.noise [--tag TAG]

It has no information and no goal; over time it pays the spread to traders who do.
"""

import argparse
import random
from datetime import UTC, datetime, timedelta

from bots.loop import connect, run
from predex_client import Client, ConflictError, NewOrder, NotFoundError, RefusedError, calls
from predex_client.models import OutcomeBook
from predex_client.terms import Side

PAUSE_SECONDS = 2.5
REFRESH_STEPS = 6
CONTRACTS = (1, 25)
BUDGET_CREDITS = (2, 12)
REST_SECONDS = 90


class Noise:
    def __init__(self, client: Client, *, tag: str, dice: random.Random) -> None:
        self.client = client
        self.dice = dice
        self.tag = tag or None
        self.slugs: list[str] = []
        self.steps = 0

    def begin(self) -> None:
        self.refresh()

    def step(self) -> float:
        self.steps += 1
        if self.steps % REFRESH_STEPS == 0 or not self.slugs:
            self.refresh()
        if self.slugs:
            self.trade(self.dice.choice(self.slugs))
        return self.dice.uniform(0.2, 1.8) * PAUSE_SECONDS

    def refresh(self) -> None:
        self.slugs = [market.slug for market in self.client.markets(status="open", tag=self.tag)]

    def trade(self, slug: str) -> None:
        try:
            book = self.dice.choice(self.client.book(slug).books)
            order = choose_order(slug, book, self.dice, datetime.now(UTC))
            if order is not None:
                self.client.send(calls.place(order))
        except (ConflictError, NotFoundError, RefusedError):
            pass  # harmless: try something else


def choose_order(
    slug: str, book: OutcomeBook, dice: random.Random, now: datetime
) -> NewOrder | None:
    """Return a small order for one outcome's book, or None if it lacks one of the sides."""
    if not book.bids or not book.asks:
        return None
    sides: tuple[Side, Side] = ("buy", "sell")
    side, style = dice.choice(sides), dice.random()
    quantity, outcome = dice.randint(*CONTRACTS), book.outcome
    if style < 0.6:
        return NewOrder(slug, side, quantity, outcome=outcome, type="market")
    if style < 0.75:
        budget = dice.randint(*BUDGET_CREDITS)
        return NewOrder(slug, "buy", outcome=outcome, type="market", budget=budget)
    price, _ = dice.choice(book.bids if side == "buy" else book.asks)
    expires_at = now + timedelta(seconds=REST_SECONDS)
    return NewOrder(
        slug, side, quantity, price, outcome=outcome, time_in_force="gtd", expires_at=expires_at
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Take a little of random books.")
    parser.add_argument("--tag", default="", help="only markets with this tag")
    tag = parser.parse_args().tag
    run(Noise(connect(), tag=tag, dice=random.Random()))


if __name__ == "__main__":
    main()
