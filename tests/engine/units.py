"""Books that are matched with one another, lot by lot: the rule of `trading.engine.cross`, plainly.

A book is a list of single lots for each side, the best price first, the older first at one price.
Each lot of a taker goes to the better of two offers, to its own book when they are equal: the first
lot there, or the first lots of all other books together, at what is missing to a pay-out. A mint
does without the books that have no bid (one bid is enough), a merge needs an ask in all others.
Nothing here knows of money, holds, owners or options.
"""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from trading.engine.commands import AnyCommand, Cancel, Place
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Config, Tif

Fills = Counter[tuple[str, int]]
"""(order id, price) -> lots."""
PRICES_NEAR = 4


class Lot(NamedTuple):
    order_id: str
    price_pips: int


class UnitBooks:
    """All books of one market. `sides[outcome][side]` is a list of lots."""

    def __init__(self, outcomes: int) -> None:
        self.sides: list[dict[int, list[Lot]]] = [{BUY: [], SELL: []} for _ in range(outcomes)]

    def execute(self, command: AnyCommand) -> Fills:
        """Carry out a Place or a Cancel, and return what was filled, of taker and makers."""
        if isinstance(command, Cancel):
            self._cancel(command.order_id)
            return Counter()
        assert isinstance(command, Place)
        assert command.price_pips is not None
        assert command.quantity_lots is not None
        fills: Fills = Counter()
        for number in range(command.quantity_lots):
            price_pips, makers = self._find_offer(command)
            if not makers or (command.price_pips - price_pips) * command.side < 0:
                if command.tif is not Tif.IOC:
                    self._rest(command, command.quantity_lots - number)
                break
            fills[command.order_id, price_pips] += 1
            for queue in makers:
                fills[queue.pop(0)] += 1
        return fills

    def _find_offer(self, place: Place) -> tuple[int, list[list[Lot]]]:
        """Return the price of the taker's next lot, and the queues that it takes one lot from."""
        own = self.sides[place.outcome][-place.side]
        others = [s[place.side] for k, s in enumerate(self.sides) if k != place.outcome]
        bid_for = [queue for queue in others if queue]
        implied_pips = PAYOUT_PIPS - sum(queue[0].price_pips for queue in bid_for)
        has_implied = bool(bid_for) if place.side == BUY else len(bid_for) == len(others)
        if own and not (has_implied and (own[0].price_pips - implied_pips) * place.side > 0):
            return own[0].price_pips, [own]
        return implied_pips, bid_for if has_implied else []

    def _rest(self, place: Place, lots: int) -> None:
        queue = self.sides[place.outcome][place.side]
        assert place.price_pips is not None
        queue += [Lot(place.order_id, place.price_pips)] * lots
        queue.sort(key=lambda lot: -place.side * lot.price_pips)  # stable: the older first

    def _cancel(self, order_id: str) -> None:
        for sides in self.sides:
            for queue in sides.values():
                queue[:] = [lot for lot in queue if lot.order_id != order_id]

    def list_orders(self) -> list[tuple[int, int, str, int, int]]:
        """Return outcome, side, id, price and quantity of what rests, in order of priority."""
        return [
            (outcome, side, *lot, len(list(lots)))
            for outcome, sides in enumerate(self.sides)
            for side, queue in sides.items()
            for lot, lots in groupby(queue)
        ]


def make_commands(config: Config, seed: int, count: int) -> Iterator[AnyCommand]:
    """Yield random limit and IOC orders around 1 / n, each of an owner of its own, and cancels."""
    rng = random.Random(seed)
    ticks, tick = PAYOUT_PIPS // config.tick_pips, config.tick_pips
    fair = ticks // config.outcomes + rng.randint(-2, 1)
    buyers = rng.choice((0.25, 0.5))  # of all: with few there are asks for a merge in every book
    for number in range(count):
        if number and rng.random() < 0.25:
            earlier = rng.randrange(max(0, number - 40), number)
            yield Cancel(f"order{earlier}", _account(earlier))
            continue
        outcome, side = rng.randrange(config.outcomes), BUY if rng.random() < buyers else SELL
        near = rng.randint(-PRICES_NEAR, PRICES_NEAR) * rng.choice((1, 1, 3))
        middle = fair - side * rng.randint(0, 2)
        tif = Tif.IOC if rng.random() < 0.25 else Tif.GTC
        if tif is Tif.IOC:  # takes all it can get, in its book and across
            near += side * ticks // 2
        price_pips = min(max(middle + near, 1), ticks - 1) * tick
        lots, owner_id = rng.choice((1, 2, 3, 5, 8)), number + 1
        yield Place(
            f"order{number}", _account(number), owner_id, outcome, side, price_pips, lots, tif
        )


def _account(number: int) -> int:
    """Few accounts for many owners: one account has several legs of a match now and then."""
    return number % 12 + 1
