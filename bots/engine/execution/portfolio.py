"""Positions and profit by strategy and token, exactly; everything is expressed as YES."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from bots.engine.cache import View
from bots.engine.events import Key
from bots.engine.units import PAYOUT_PIPS

Place = tuple[str, Key]
"""A strategy, and a YES token."""
OUTSIDE = "(outside)"
"""Whose positions are that the venue has and no strategy made."""


class StrategyHolding(Struct):
    """`lots` below 0 are sold. `open_micros` is what the open position has cost (below 0: brought);
    fees are apart.
    """

    lots: int = 0
    open_micros: int = 0
    realised_micros: int = 0
    fees_micros: int = 0

    def trade(self, lots: int, money_micros: int, fee_micros: int) -> None:
        """Take a fill: signed lots, and what it brought without its fee."""
        self.fees_micros += fee_micros
        closed = min(abs(lots), abs(self.lots)) if lots * self.lots < 0 else 0
        if closed:
            closed_money = money_micros * closed // abs(lots)
            part = self.open_micros * closed // abs(self.lots)
            self.realised_micros += closed_money - part
            self.open_micros -= part
            money_micros -= closed_money
        self.lots += lots
        if abs(lots) > closed:
            self.open_micros -= money_micros

    def release(self, lots: int) -> int:
        """Take out so many of the lots; return what they have cost."""
        part = self.open_micros * lots // self.lots
        self.lots -= lots
        self.open_micros -= part
        return part

    @property
    def at_risk_micros(self) -> int:
        """What is lost if the worse outcome happens."""
        return self.open_micros + max(0, -self.lots) * PAYOUT_PIPS

    def value_micros(self, mark_pips: int) -> int:
        """Return the profit that is not realised, at this price."""
        return self.lots * mark_pips - self.open_micros


class EnginePortfolio:
    def __init__(self, holdings: dict[Place, StrategyHolding] | None = None) -> None:
        self.holdings = holdings if holdings is not None else {}

    def get(self, strategy: str, key: Key) -> StrategyHolding:
        return self.holdings.setdefault((strategy, key), StrategyHolding())

    def redeem(self, strategy: str, event: Sequence[Key], key: Key) -> list[Key]:
        """Pay out complete sets: of one lot of each market of an event exactly one pays. The profit
        is booked with `key`. Return the tokens whose holdings have changed.
        """
        holdings = [self.get(strategy, one) for one in event]
        counts = [one.lots for one in holdings]
        if len(counts) < 2 or min(counts) * max(counts) <= 0:
            return []
        sets = min(counts) if min(counts) > 0 else max(counts)
        cost = sum(one.release(sets) for one in holdings)
        self.get(strategy, key).realised_micros += sets * PAYOUT_PIPS - cost
        return list(event)

    def settle(self, key: Key, payout_pips: int | None) -> int:
        """Book that a token has paid, or was refunded (None); return the profit of it."""
        profit_micros = 0
        for holding in self._of([key]):
            pips, lots = payout_pips, holding.lots
            cost_micros = holding.release(lots) if lots else 0
            profit = 0 if pips is None else lots * pips - cost_micros
            holding.realised_micros += profit
            profit_micros += profit
        return profit_micros

    def count_lots(self, key: Key) -> int:
        return sum(one.lots for one in self._of([key]))

    def count_at_risk(self, keys: Iterable[Key] | None = None) -> int:
        """Return what is at risk in these tokens; None: in all."""
        return sum(one.at_risk_micros for one in self._of(keys))

    def _of(self, keys: Iterable[Key] | None) -> Iterator[StrategyHolding]:
        wanted = None if keys is None else set(keys)
        for (_, key), holding in self.holdings.items():
            if wanted is None or key in wanted:
                yield holding

    def compute_profit(self, strategy: str, view: View) -> tuple[int, int | None]:
        """Return realised profit net of fees, and the unrealised one: what is held is valued at
        what it could be closed for; None where there is no price.
        """
        realised, unrealised = 0, 0
        is_known = True
        for (owner, key), holding in self.holdings.items():
            if owner != strategy:
                continue
            realised += holding.realised_micros - holding.fees_micros
            if holding.lots:
                ladder = view.get(key)
                levels = () if ladder is None else ladder.bids if holding.lots > 0 else ladder.asks
                is_known = is_known and bool(levels)
                unrealised += holding.value_micros(levels[0].price_pips) if levels else 0
        return realised, unrealised if is_known else None
