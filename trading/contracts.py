"""Display names of contracts: an outcome, or NO of one, in the viewer's language."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.numbers import show_quantity_of
from accounts.templatetags.predex import price
from kernel.units import PIPS_PER_CREDIT, UnitError, parse_amount_micros, parse_price_pips
from markets.models import Market, Outcome
from markets.scalars import Scale

NO = 1
"""The place of NO among the outcomes of a binary market."""
SHARES_MAX = 4
"""Of several outcomes that are paid, so many are named."""
MICROS_PER_PIP = 100
"""In prices of one contract."""


class Contract(NamedTuple):
    """A contract as displayed. `is_mirrored`: NO of one of several outcomes, booked as a sale.

    With a `scale`, of a scalar market, its prices are shown and typed as numbers of the range.
    """

    code: str
    label: str
    is_mirrored: bool = False
    scale: Scale | None = None

    def find_yes_half_pips(self, price_micros: int) -> int:
        """Return YES's price, in half pips, of a price of this contract in micros, rounded."""
        half_pips = (2 * price_micros + MICROS_PER_PIP // 2) // MICROS_PER_PIP
        return half_pips if self.code == "YES" else 2 * PIPS_PER_CREDIT - half_pips

    def parse_price(self, text: str) -> int:
        """Return pips of a plain price, or of a number of the range; raises UnitError."""
        if self.scale is None:
            return parse_price_pips(text)
        yes_pips = self.scale.find_price_pips(parse_amount_micros(text))
        if yes_pips is None:
            raise UnitError("price_off_tick")
        return yes_pips if self.code == "YES" else PIPS_PER_CREDIT - yes_pips

    def parse_distance(self, text: str) -> int:
        """Return pips of a plain distance of prices, or of numbers; raises UnitError."""
        if self.scale is None:
            return parse_price_pips(text)
        pips = self.scale.find_price_pips(self.scale.low_millionths + parse_amount_micros(text))
        if pips is None:
            raise UnitError("price_off_tick")
        return pips


def get_outcome(market: Market, index: int, *, as_no: bool) -> Outcome:
    is_binary = market.has_one_book
    return list(market.outcomes.all())[NO if as_no and is_binary else index]


def name_contract(market: Market, code: str, *, is_mirrored: bool = False) -> Contract:
    """Return the display name of an outcome's contract, as on the buttons that trade it."""
    if market.scale is not None:
        label = _("Higher") if code == "YES" else _("Lower")
        return Contract(code, label, scale=market.scale)
    if market.has_one_book:
        return Contract(code, _("Yes") if code == "YES" else _("No"))
    name = next((row.name for row in market.outcomes.all() if row.code == code), code)
    if is_mirrored:
        return Contract(code, _("No on %(outcome)s") % {"outcome": name}, is_mirrored=True)
    return Contract(code, name)


def name_opposite(market: Market, contract: Contract) -> Contract:
    """Return the name of what a sale of a contract that is not owned bets on."""
    if market.has_one_book:
        return name_contract(market, "NO" if contract.code == "YES" else "YES")
    return name_contract(market, contract.code, is_mirrored=not contract.is_mirrored)


def find_stated_pips(market: Market, contract: Contract) -> int | None:
    """Return what a contract of a withdrawn outcome pays for certain."""
    outcome = next((row for row in market.outcomes.all() if row.code == contract.code), None)
    if outcome is None or outcome.withdrawn_pips is None:
        return None
    pips: int = outcome.withdrawn_pips
    return PIPS_PER_CREDIT - pips if contract.is_mirrored else pips


def name_payout(market: Market, contract: Contract) -> str:
    """Return the condition under which a contract pays, of a scalar market all."""
    if market.scale is not None:
        if contract.code == "YES":
            number = show_quantity_of(market.scale.find_number(2 * PIPS_PER_CREDIT))
            return _("Pays at %(number)s or above") % {"number": number}
        number = show_quantity_of(market.scale.find_number(0))
        return _("Pays at %(number)s or below") % {"number": number}
    stated_pips = find_stated_pips(market, contract)
    if stated_pips is not None:
        return _("Withdrawn: pays %(price)s") % {"price": price(stated_pips)}
    if market.has_one_book:
        return _("Pays if Yes") if contract.code == "YES" else _("Pays if No")
    outcome = {"outcome": name_contract(market, contract.code).label}
    if contract.is_mirrored:
        return _("Pays if not %(outcome)s") % outcome
    return _("Pays if %(outcome)s") % outcome


def describe_payout(market: Market, payout_pips: Sequence[int] | None, number: str = "") -> str:
    """Name the outcome with the full payout, a scalar market's number, or "Red 0.50, Green 0.50".

    None is a void.
    """
    if payout_pips is None:
        return _("void: every trade is undone")
    if number:
        return show_quantity_of(Decimal(number), market.number_unit)
    paid = [
        (name_contract(market, outcome.code).label, pips)
        for outcome, pips in zip(market.outcomes.all(), payout_pips, strict=True)
        if pips
    ]
    if len(paid) == 1:
        return paid[0][0]
    more = [_("%(n)d more") % {"n": len(paid) - SHARES_MAX}] if len(paid) > SHARES_MAX else []
    return ", ".join([*(f"{name} {price(pips)}" for name, pips in paid[:SHARES_MAX]), *more])
