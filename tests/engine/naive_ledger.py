"""Positions, cash, cost and fees of a market, folded from the legs of its fills.

The naive engine's money half. Nothing is kept between two uses: a `Ledger` is rebuilt
from all legs whenever there is one more. Fees are exact fractions until they are rounded up.
"""

from fractions import Fraction
from typing import Final

import msgspec

from trading.engine.types import BUY, PAYOUT_PIPS, Config, FeeKind

LOTS_PER_CONTRACT: Final = 100
HOUSE: Final = -1
"""In place of an entry: the house has no orders."""


class Leg(msgspec.Struct, frozen=True):
    """One account's half of a fill."""

    account_id: int
    entry: int
    is_maker: bool
    fee_free: bool
    outcome: int
    side: int
    price_pips: int
    lots: int
    percent_off: int = 0


class Charge(msgspec.Struct):
    """What the fills of one order came to; `spent_micros` as a budget counts, fees included."""

    maker_basis: int = 0
    taker_basis: int = 0
    fee_micros: int = 0
    filled_micros: int = 0
    spent_micros: int = 0


class Account(msgspec.Struct):
    """What the legs of one account came to: lists over the outcomes (binary: YES and NO)."""

    lots: list[int]
    cost_micros: list[int]
    realised_micros: list[int]
    paid_micros: int = 0
    fees_micros: int = 0

    @property
    def sets_lots(self) -> int:
        return -min(self.lots)


class Ledger:
    """Accounts and charges, folded from the legs of every fill in the market."""

    def __init__(self, config: Config, legs: tuple[Leg, ...]) -> None:
        self.config = config
        self.accounts: dict[int, Account] = {}
        self.charges: dict[int, Charge] = {}
        for leg in legs:
            self._add(leg)

    def account(self, account_id: int) -> Account:
        zeros = [0] * self.config.outcomes
        blank = Account(zeros, zeros[:], zeros[:])
        return self.accounts.get(account_id, blank)

    def charge(self, entry: int) -> Charge:
        return self.charges.get(entry, Charge())

    def position(self, account_id: int, outcome: int) -> int:
        lots = self.account(account_id).lots
        return lots[outcome] - max(min(lots), min(max(lots), 0))

    def basis(self, price_pips: int, lots: int, percent_off: int = 0) -> int:
        kind = self.config.fees.kind
        if kind == FeeKind.NONE:
            return 0
        whole = lots if kind == FeeKind.FLAT else price_pips * (PAYOUT_PIPS - price_pips) * lots
        return whole * (100 - percent_off) // 100

    def round_up(self, rated_basis: int) -> int:
        """Micros that a sum of rate x basis comes to, rounded up to the unit."""
        quadratic = self.config.fees.kind == FeeKind.QUADRATIC
        divisor = LOTS_PER_CONTRACT * (PAYOUT_PIPS**2 if quadratic else 1)
        unit_micros = self.config.fees.unit_micros
        return -(-Fraction(rated_basis, divisor) // unit_micros) * unit_micros

    def rated(self, charge: Charge) -> int:
        fees = self.config.fees
        return charge.maker_basis * fees.maker_rate_ppm + charge.taker_basis * fees.taker_rate_ppm

    def fee(self, leg: Leg) -> int:
        """What this leg, coming next, is charged."""
        if leg.fee_free:
            return 0
        charge, fees = self.charge(leg.entry), self.config.fees
        rate_ppm = fees.maker_rate_ppm if leg.is_maker else fees.taker_rate_ppm
        rated = (
            self.rated(charge) + self.basis(leg.price_pips, leg.lots, leg.percent_off) * rate_ppm
        )
        cap_micros = min(leg.price_pips, PAYOUT_PIPS - leg.price_pips) * leg.lots
        return min(self.round_up(rated) - charge.fee_micros, cap_micros)

    def fee_to_come(self, entry: int, price_pips: int, lots: int) -> int:
        """The most that an open order can still be charged for these lots, at its limit."""
        fees, charge = self.config.fees, self.charge(entry)
        if fees.kind == FeeKind.NONE:
            return 0
        rate_ppm = max(fees.maker_rate_ppm, fees.taker_rate_ppm)
        rated = self.rated(charge) + self.basis(price_pips, lots) * rate_ppm
        spare_micros = fees.unit_micros if fees.unit_micros > 1 else 0
        return self.round_up(rated) - charge.fee_micros + spare_micros

    def cost(self, leg: Leg) -> int:
        """What a budget is charged for this leg, coming next."""
        return unit_cost(leg.side, leg.price_pips) * leg.lots + self.fee(leg)

    def _add(self, leg: Leg) -> None:
        account = self.accounts.setdefault(leg.account_id, self.account(leg.account_id))
        if leg.entry == HOUSE:  # It pays nothing: the other legs pay for the sets, or are paid.
            return _move(account, leg)
        charge = self.charges.setdefault(leg.entry, Charge())
        fee_micros, cost_micros = self.fee(leg), self.cost(leg)
        sets_before = account.sets_lots
        _move(account, leg)
        traded_micros = leg.price_pips * leg.lots
        minted_micros = PAYOUT_PIPS * (account.sets_lots - sets_before)
        account.paid_micros += leg.side * traded_micros + minted_micros + fee_micros
        account.fees_micros += fee_micros
        basis = 0 if leg.fee_free else self.basis(leg.price_pips, leg.lots, leg.percent_off)
        charge.maker_basis += basis if leg.is_maker else 0
        charge.taker_basis += 0 if leg.is_maker else basis
        charge.fee_micros += fee_micros
        charge.filled_micros += traded_micros
        charge.spent_micros += cost_micros


def unit_cost(side: int, price_pips: int) -> int:
    return price_pips if side == BUY else PAYOUT_PIPS - price_pips


def _move(account: Account, leg: Leg) -> None:
    """Change position, cost and realised profit: first close the old position, then open anew."""
    j, held = leg.outcome, account.lots[leg.outcome]
    closed = min(leg.lots, abs(held)) if held * leg.side < 0 else 0
    if closed:
        sign = -leg.side
        part_micros = abs(account.cost_micros[j]) * closed // abs(held)
        account.realised_micros[j] += sign * (leg.price_pips * closed - part_micros)
        account.cost_micros[j] -= sign * part_micros
    account.cost_micros[j] += leg.side * leg.price_pips * (leg.lots - closed)
    account.lots[j] += leg.side * leg.lots
