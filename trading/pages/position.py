"""The account's position before an order, in terms of the ticket's contract.

Anonymous viewers have none, but see the contract's prices.
"""

from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.models import Account
from markets.models import Market
from trading.contracts import Contract, name_opposite
from trading.pages.numbers import show_lots, write_cents, write_lots
from trading.pages.ticket import Ticket, compute_affordable_lots, mirror
from trading.pipeline.config import fees_of
from trading.pipeline.instruments import build_instrument
from trading.readmodels.holdings import Holding, list_holdings, list_margins
from trading.readmodels.queries import read_tops
from trading.wire.levels import find_best_prices


class ContractPosition(NamedTuple):
    """Prices of the contract; contracts owned (below 0: of its opposite); available credits.

    `paid_micros` is the cost of those contracts with their share of the fees in this market, None
    if unknown; `available_micros` is None for anonymous viewers.
    """

    bid_pips: int | None
    ask_pips: int | None
    position_lots: int = 0
    paid_micros: int | None = None
    available_micros: int | None = None

    @property
    def owned_lots(self) -> int:
        return max(0, self.position_lots)


class Most(NamedTuple):
    """The values that the ticket's button "max" fills in; "" if there are none."""

    contracts: str
    credits: str


def read_position(market: Market, contract: Contract, account_id: int | None) -> ContractPosition:
    """Read the contract's prices and the account's position, in 5 queries; 1 if anonymous."""
    instrument = build_instrument(market)
    is_no = contract.is_mirrored or (instrument.binary and contract.code == instrument.codes[1])
    outcome = 0 if instrument.binary else instrument.codes.index(contract.code)
    _seq, _ts_us, tops = read_tops(instrument)
    bid_pips, ask_pips = find_best_prices(instrument, tops)[outcome]
    if is_no:
        bid_pips, ask_pips = mirror(ask_pips), mirror(bid_pips)
    if account_id is None:
        return ContractPosition(bid_pips, ask_pips)
    available_micros = Account.objects.get(pk=account_id).available_micros
    holding = find_holding(account_id, market)
    if holding is None:
        return ContractPosition(bid_pips, ask_pips, available_micros=available_micros)
    lots = holding.position_lots[outcome]
    paid_micros = holding.paid_of(outcome)
    return ContractPosition(
        bid_pips, ask_pips, -lots if is_no else lots, paid_micros, available_micros
    )


def describe_bet(market: Market, contract: Contract, account_id: int) -> str:
    """Return a text of what is owned after a sale of contracts that were not owned."""
    position = read_position(market, contract, account_id)
    if position.position_lots >= 0:
        return ""
    said = {
        "quantity": show_lots(-position.position_lots),
        "outcome": name_opposite(market, contract).label,
    }
    return _("You now own %(quantity)s %(outcome)s.") % said


def find_holding(account_id: int, market: Market) -> Holding | None:
    """Return the account's holding in the market; None if it never had one."""
    margins = list(list_margins(account_id).filter(market=market))
    holdings = list_holdings(margins, {market.pk: build_instrument(market)})
    return holdings[0] if holdings else None


def find_most(ticket: Ticket, market: Market, position: ContractPosition) -> Most | None:
    """Return the ticket's maximum: what is owned, or what can be paid."""
    if position.available_micros is None:
        return None
    if ticket.side == "sell":
        return Most(write_lots(position.owned_lots) if position.owned_lots else "", "")
    price_pips = _find_price_pips(ticket, position)
    lots = 0
    if price_pips is not None:
        lots = compute_affordable_lots(
            position.available_micros,
            price_pips,
            fees=fees_of(market),
            step_lots=market.lot_step_lots,
        )
    return Most(write_lots(lots) if lots else "", write_cents(position.available_micros))


def _find_price_pips(ticket: Ticket, position: ContractPosition) -> int | None:
    if ticket.type == "market":
        return position.ask_pips
    try:
        return ticket.price_pips
    except ValueError:
        return None
