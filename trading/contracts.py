"""Display names of contracts: an outcome, or NO of one, in the viewer's language."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from markets.models import Market, Outcome

NO = 1
"""The place of NO among the outcomes of a binary market."""


class Contract(NamedTuple):
    """A contract as displayed. `is_mirrored`: NO of one of several outcomes, booked as a sale."""

    code: str
    label: str
    is_mirrored: bool = False


def get_outcome(market: Market, index: int, *, as_no: bool) -> Outcome:
    is_binary = market.has_one_book
    return list(market.outcomes.all())[NO if as_no and is_binary else index]


def name_contract(market: Market, code: str, *, is_mirrored: bool = False) -> Contract:
    """Return the display name of an outcome's contract, as on the buttons that trade it."""
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


def name_payout(market: Market, contract: Contract) -> str:
    """Return the condition under which a contract pays."""
    if market.has_one_book:
        return _("Pays if Yes") if contract.code == "YES" else _("Pays if No")
    outcome = {"outcome": name_contract(market, contract.code).label}
    if contract.is_mirrored:
        return _("Pays if not %(outcome)s") % outcome
    return _("Pays if %(outcome)s") % outcome
