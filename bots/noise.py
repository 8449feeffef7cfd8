"""A noise trader: takes a little liquidity of a random book, or rests a small order there.

    PREDEX_KEY=pdx_... python -m bots.noise [--tag TAG]

It has no information and no goal; over time it pays the spread to traders who do.
"""

import argparse
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from bots.client import Client, Json, RequestRefusedError, connect_from_environment, run

PAUSE_SECONDS = 2.5
REFRESH_STEPS = 6
CONTRACTS = (1, 25)
BUDGET_CREDITS = (2, 12)
REST_SECONDS = 90


class Noise:
    def __init__(self, client: Client, *, tag: str, dice: random.Random) -> None:
        self.client = client
        self.dice = dice
        self.filter = {"status": "open", **({"tag": tag} if tag else {})}
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
        self.slugs = [market["slug"] for market in self.client.list("markets", **self.filter)]

    def trade(self, slug: str) -> None:
        books = self.client.call("GET", f"markets/{slug}/book")["books"]
        order = choose_order(self.dice.choice(books), self.dice, datetime.now(UTC))
        try:
            if order is not None:
                self.client.call("POST", "orders", {"market": slug, **order})
        except RequestRefusedError as refusal:
            if refusal.is_trouble:
                raise  # any other refusal is harmless: try something else


def choose_order(book: Json, dice: random.Random, now: datetime) -> Json | None:
    """Return a small order for one outcome's book, or None if it lacks one of the sides."""
    if not book["bids"] or not book["asks"]:
        return None
    side = dice.choice(["buy", "sell"])
    order: dict[str, Any] = {"outcome": book["outcome"], "side": side}
    style = dice.random()
    if style < 0.6:
        return {**order, "type": "market", "quantity": dice.randint(*CONTRACTS)}
    if style < 0.75:
        return {**order, "side": "buy", "type": "market", "budget": dice.randint(*BUDGET_CREDITS)}
    own_side = book["bids"] if side == "buy" else book["asks"]
    return {
        **order,
        "price": dice.choice(own_side)[0],
        "quantity": dice.randint(*CONTRACTS),
        "time_in_force": "gtd",
        "expires_at": (now + timedelta(seconds=REST_SECONDS)).isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Take a little of random books.")
    parser.add_argument("--tag", default="", help="only markets with this tag")
    tag = parser.parse_args().tag
    run(Noise(connect_from_environment(), tag=tag, dice=random.Random()))


if __name__ == "__main__":
    main()
