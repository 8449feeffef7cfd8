"""The obvious slow market of resting orders and an LMSR maker: step by step, by the textbook.

The rule. A taker takes one step (the market's lot step) at a time at the better price: the maker's,
rounded to the tick against the taker, or that of the best resting order, which wins ties. With each
step from the maker the other outcomes' prices move: buying one makes the others cheaper. After it
the resting bids at or above the maker's new ask are sold to at their own price, until none is left
(selling: the asks at or below its new bid are bought from). That sweep goes through the outcomes
in order, each until it is no longer crossed, and again while that has crossed another.
Consecutive steps from the maker are one fill; its amount is rounded once.
"""

from decimal import ROUND_FLOOR, Context, Decimal
from typing import NamedTuple

PAYOUT_PIPS = 10_000
BUY, SELL = 1, -1
CONTEXT = Context(prec=50, Emin=-999_999, Emax=999_999)


class Fill(NamedTuple):
    """`side` is what the taker or, where the maker sweeps, the resting order did in the outcome.

    `against` is a resting order's id, or None: the maker. `amount_micros` is paid by the buyer.
    """

    taker_id: str | None
    against: str | None
    outcome: int
    side: int
    lots: int
    amount_micros: int


class Resting:
    """An order in the book."""

    def __init__(self, order_id: str, outcome: int, side: int, price_pips: int, lots: int) -> None:
        self.order_id, self.outcome, self.side = order_id, outcome, side
        self.price_pips, self.lots = price_pips, lots


class BlendedMarket:
    """Orders in order of arrival, and what the maker has sold of each outcome."""

    def __init__(self, b_lots: int, priors: tuple[int, ...], *, tick_pips: int, step_lots: int):
        self.b_lots, self.priors = b_lots, priors
        self.tick_pips, self.step_lots = tick_pips, step_lots
        self.sold_lots = [0] * len(priors)
        self.orders: list[Resting] = []
        self.fills: list[Fill] = []
        self.run_started: Decimal | None = None
        """The maker's potential where its present fill began; None when the last fill was a book's.
        """

    def place(self, order_id: str, outcome: int, side: int, limit_pips: int, lots: int) -> None:
        """Take what there is within the limit; the rest of the order rests."""
        self.run_started = None
        while lots:
            maker_pips = self.shown_pips(outcome, side)
            best = self.best(outcome, -side)
            if maker_pips is not None and is_better(best, maker_pips, side):
                if side * maker_pips > side * limit_pips:
                    break
                self.take_from_maker(order_id, outcome, side)
                self.sweep(side)
            elif best is not None and side * best.price_pips <= side * limit_pips:
                self.take_from_book(order_id, best)
            else:
                break
            lots -= self.step_lots
        if lots:
            self.orders.append(Resting(order_id, outcome, side, limit_pips, lots))

    def take_from_maker(self, order_id: str, outcome: int, side: int) -> None:
        before = self.potential()
        self.sold_lots[outcome] += side * self.step_lots
        if self.run_started is None:
            self.run_started = before
            self.fills.append(Fill(order_id, None, outcome, side, 0, 0))
        lots = self.fills[-1].lots + self.step_lots
        cost_micros = round_up(CONTEXT.subtract(self.potential(), self.run_started))
        self.fills[-1] = Fill(order_id, None, outcome, side, lots, side * cost_micros)

    def take_from_book(self, taker_id: str | None, resting: Resting) -> None:
        """Trade one step with a resting order; `taker_id` None: the maker does."""
        self.run_started = None
        side = resting.side if taker_id is None else -resting.side
        resting.lots -= self.step_lots
        if not resting.lots:
            self.orders.remove(resting)
        fill = Fill(taker_id, resting.order_id, resting.outcome, side, 0, 0)
        if self.fills and self.fills[-1][:4] == fill[:4]:
            fill = self.fills.pop()
        lots = fill.lots + self.step_lots
        self.fills.append(fill._replace(lots=lots, amount_micros=lots * resting.price_pips))

    def sweep(self, side: int) -> None:
        """Let the maker trade with the resting orders of `side` that its prices have crossed."""
        swept = True
        while swept:
            swept = False
            for outcome in range(len(self.priors)):
                while (resting := self.crossed(outcome, side)) is not None:
                    self.sold_lots[outcome] += side * self.step_lots
                    self.take_from_book(None, resting)
                    swept = True

    def crossed(self, outcome: int, side: int) -> Resting | None:
        """The best resting order of `side` that the maker's shown price has come to or passed."""
        best, maker_pips = self.best(outcome, side), self.shown_pips(outcome, side)
        if best is None or maker_pips is None:
            return None
        return best if side * maker_pips <= side * best.price_pips else None

    def best(self, outcome: int, side: int) -> Resting | None:
        """The resting order that comes first: best price, then earliest."""
        orders = [order for order in self.orders if (order.outcome, order.side) == (outcome, side)]
        return max(orders, key=lambda order: side * order.price_pips, default=None)

    def shown_pips(self, outcome: int, side: int) -> int | None:
        """The maker's ask (for a taker who buys) or bid for one more step, on the tick."""
        before = self.potential()
        self.sold_lots[outcome] += side * self.step_lots
        cost = CONTEXT.subtract(self.potential(), before)
        self.sold_lots[outcome] -= side * self.step_lots
        ticks = -(-round_up(cost) // (self.tick_pips * self.step_lots))  # negative for a bid
        price_pips = side * ticks * self.tick_pips
        return price_pips if 0 < price_pips < PAYOUT_PIPS else None

    def potential(self) -> Decimal:
        """b ln(sum of prior x e^(sold / b)), in micros."""
        total = Decimal(0)
        for prior, sold in zip(self.priors, self.sold_lots, strict=True):
            power = CONTEXT.exp(CONTEXT.divide(sold, self.b_lots))
            total = CONTEXT.add(total, CONTEXT.multiply(prior, power))
        return CONTEXT.multiply(CONTEXT.ln(total), self.b_lots * PAYOUT_PIPS)


def round_up(exact_micros: Decimal) -> int:
    """The next whole micro above, also of what is whole but for errors of the last digits."""
    above_micros = CONTEXT.add(exact_micros, Decimal("1e-12"))
    return int(above_micros.to_integral_value(ROUND_FLOOR)) + 1


def is_better(best: Resting | None, maker_pips: int, side: int) -> bool:
    """Whether the maker's price is strictly better for a taker than the best resting order's."""
    return best is None or side * maker_pips < side * best.price_pips
