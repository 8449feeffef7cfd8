"""The automated maker of one market: where it stands on its curve (`lmsr`), and who paid for it.

Its account pays and is paid like any other, complete sets included. What it was funded with covers
its worst loss, so its cash never falls below zero, whatever trades come:

    funded - paid into the market + 10,000 x collateral >= what `compute_required_micros` says

which is at least the pay-out of the outcome that it sold most of, its collateral.
"""

from typing import Final, Self

import msgspec

from trading.engine.lmsr import (
    LIQUIDITY_LOTS_MAX,
    LIQUIDITY_LOTS_MIN,
    Lmsr,
    LmsrState,
    change_liquidity,
    compute_required_micros,
    count_lots_to_limit,
    list_levels,
    start_lmsr,
    trade_lots,
)
from trading.engine.types import PAYOUT_PIPS, MakerTerms

FUNDERS_MAX: Final = 1_000
"""Accounts that may have paid for one maker: who they are is part of its state."""
PRIOR_MAX: Final = 10**9


class MakerState(msgspec.Struct, frozen=True, array_like=True):
    """All there is to know of a maker; `funded_micros` by account, in order of id."""

    lmsr: LmsrState
    funded_micros: tuple[tuple[int, int], ...] = ()


class AutomatedMaker:
    """A maker in memory. Only `MarketState.apply` changes it."""

    __slots__ = ("_quoted", "funded_micros", "lmsr")

    def __init__(self, lmsr: Lmsr, funded_micros: dict[int, int]) -> None:
        self.lmsr = lmsr
        self.funded_micros = funded_micros
        self._quoted: tuple[Lmsr, int, int, int, Lmsr] | None = None
        """The last quote: from where, outcome, lots, its cost and where it would lead."""

    @classmethod
    def start(cls, terms: MakerTerms, step_lots: int) -> Self:
        return cls(start_lmsr(terms.b_lots, terms.priors, step_lots=step_lots), {})

    @classmethod
    def load(cls, state: MakerState, step_lots: int) -> Self:
        return cls(Lmsr.load(state.lmsr, step_lots=step_lots), dict(state.funded_micros))

    def save(self) -> MakerState:
        return MakerState(self.lmsr.state, tuple(sorted(self.funded_micros.items())))

    def copy(self) -> Self:
        """Return a copy to try a command on."""
        return type(self)(self.lmsr, dict(self.funded_micros))

    # What it would do

    def quote(self, outcome: int, lots: int) -> int:
        """Return what a taker pays for `lots` of an outcome, or -what it is paid for -`lots`."""
        cost_micros, moved = trade_lots(self.lmsr, outcome, lots)
        self._quoted = (self.lmsr, outcome, lots, cost_micros, moved)
        return cost_micros

    def count_lots(self, outcome: int, side: int, limit_pips: int) -> int:
        """Return how much a taker of this side has from it within a limit."""
        return count_lots_to_limit(self.lmsr, outcome, side, limit_pips)

    def find_price(self, outcome: int, side: int, tick_pips: int) -> int | None:
        """Return its price for a taker who buys (its ask) or sells, on the tick; None beyond."""
        levels = list_levels(self.lmsr, outcome, -side, tick_pips=tick_pips, levels_max=1)
        return levels[0][0] if levels else None

    def compute_change(self, by_lots: int) -> int | None:
        """Return what a change of liquidity costs (pays back if negative); None: out of bounds."""
        b_lots = self.lmsr.state.b_lots + by_lots
        if not by_lots or not LIQUIDITY_LOTS_MIN <= b_lots <= LIQUIDITY_LOTS_MAX:
            return None
        return change_liquidity(self.lmsr, b_lots)[0]

    def may_fund(self, account_id: int, amount_micros: int) -> bool:
        """Return whether an account may pay this, or has paid as much as it is to have back."""
        funded_micros = self.funded_micros.get(account_id, 0)
        if amount_micros < 0:
            return funded_micros + amount_micros >= 0
        return funded_micros > 0 or len(self.funded_micros) < FUNDERS_MAX

    # What changes it

    def sell(self, outcome: int, lots: int) -> None:
        """Move by what was sold (bought: -`lots`)."""
        quoted = self._quoted
        is_known = quoted is not None and quoted[0] is self.lmsr and quoted[1:3] == (outcome, lots)
        self.lmsr = quoted[4] if quoted and is_known else self.lmsr.move(outcome, lots)

    def fund(self, account_id: int, amount_micros: int, b_lots: int) -> None:
        """Take liquidity `b_lots` for what an account pays, or has back."""
        if b_lots != self.lmsr.state.b_lots:
            _, self.lmsr = change_liquidity(self.lmsr, b_lots)
        funded_micros = self.funded_micros.pop(account_id, 0) + amount_micros
        assert funded_micros >= 0
        if funded_micros:
            self.funded_micros[account_id] = funded_micros

    def check_cash(self, net_paid_micros: int, collateral_lots: int) -> None:
        """Assert that what its account has left pays every result."""
        cash_micros = sum(self.funded_micros.values()) - net_paid_micros
        assert cash_micros >= 0, "the maker has less than nothing"
        covered_micros = cash_micros + PAYOUT_PIPS * collateral_lots
        assert covered_micros >= compute_required_micros(self.lmsr), "the maker may go broke"


def is_possible(terms: MakerTerms, outcomes: int) -> bool:
    """Return whether a market of so many outcomes can open with this maker."""
    return (
        LIQUIDITY_LOTS_MIN <= terms.b_lots <= LIQUIDITY_LOTS_MAX
        and len(terms.priors) == outcomes
        and all(0 < prior <= PRIOR_MAX for prior in terms.priors)
        and terms.account_id != terms.funder_account_id
    )
