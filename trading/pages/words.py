"""Pages' texts about orders: contracts, outcomes of orders, refusals."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kernel.errors import ApiError, describe
from kernel.units import (
    LOTS_PER_CONTRACT,
    format_quantity,
    parse_amount_micros,
    parse_price_pips,
    parse_quantity_lots,
)
from markets.models import Market
from markets.templatetags.scalars import distance_in
from trading.contracts import MICROS_PER_PIP, Contract
from trading.engine.types import PAYOUT_PIPS
from trading.pages.numbers import show_exact, show_lots, show_money, show_price
from trading.wire.refusals import InsufficientFundsError
from trading.wire.schema import OrderAnswer, OrderState, OrderTrade

PAYOUT_MICROS: Final = PAYOUT_PIPS * MICROS_PER_PIP

FIELDS: Final = ("outcome", "price", "amount", "time_in_force", "expires_at", "post_only",
                 "reduce_only", "trigger", "take_profit", "stop_loss")  # fmt: skip
"""The field at which an error of an order is shown; "" is beside the button."""
_FIELD_OF: Final = {
    "quantity": "amount",
    "budget": "amount",
    "trigger_price": "trigger",
    "trail": "trigger",
    **{name: name for name in FIELDS},
}


class FieldMessage(NamedTuple):
    """The text of a refusal, and its field."""

    field: str
    text: str


# --- refusals ---------------------------------------------------------------------------------


def explain(error: ApiError, market: Market) -> FieldMessage:
    """Return the ticket's text for a refusal, with the market's own numbers."""
    if isinstance(error, InsufficientFundsError):
        missing = show_money(error.missing_micros)
        text = _("You need %(missing)s more for this order.") % {"missing": missing}
        return FieldMessage("amount", text)
    if error.code == "quantity_off_step" and market.lot_step_lots == LOTS_PER_CONTRACT:
        return FieldMessage("amount", _("Whole contracts only."))
    tick = distance_in(market.tick_pips, market)
    case = "number" if market.is_scalar and error.code.startswith("price_") else "order"
    text = describe(error, case, tick=tick, step=show_lots(market.lot_step_lots))
    name = (error.field or "").partition(".")[0]
    return FieldMessage(_FIELD_OF.get(name, ""), text)


# --- outcomes of orders -----------------------------------------------------------------------

_ENDS: Final[Mapping[str, str | Promise]] = {
    "immediate_remainder": gettext_lazy("there are no more offers at this price"),
    "fok_not_fillable": gettext_lazy("not all of it is available at this price"),
    "no_liquidity": gettext_lazy("there are no offers on the other side"),
    "budget_spent": gettext_lazy("the budget is spent"),
    "self_trade": gettext_lazy("it would trade with your own order"),
    "reduce_only": gettext_lazy("there is nothing left to close"),
    "insufficient_funds": gettext_lazy("your balance is too low for more"),
    "position_limit": gettext_lazy("the position limit is reached"),
    "match_limit": gettext_lazy("it matched too many orders at once"),
    "market_closed": gettext_lazy("trading has ended"),
    "market_halted": gettext_lazy("trading was halted"),
    "amended_to_filled": gettext_lazy("you reduced it to what has been filled"),
    "outcome_withdrawn": gettext_lazy("this outcome was withdrawn"),
    "expired": gettext_lazy("it expired"),
    "cancelled_by_owner": gettext_lazy("you cancelled it"),
    "cancelled_by_operator": gettext_lazy("an operator cancelled it"),
    "reduce_only_no_position": gettext_lazy("there was nothing to close"),
    "post_only_would_cross": gettext_lazy("it would have filled immediately"),
    "leg_fired": gettext_lazy("its take-profit or stop-loss was reached"),
    "order_group_stopped": gettext_lazy("its order group was stopped"),
    "engine_fault": gettext_lazy("it failed on our side"),
}


def describe_end(reason: str | None) -> str:
    """Return a phrase for why (the rest of) an order ended."""
    return str(_ENDS.get(reason or "", gettext_lazy("it was cancelled")))


def describe_unspent(spent_micros: int, budget_micros: int, reason: str | None) -> str:
    """Return why an order by credits spends less than its budget."""
    said = {
        "spent": show_money(spent_micros),
        "budget": show_money(budget_micros),
        "reason": describe_end(reason),
    }
    return _("%(spent)s of %(budget)s is spent: %(reason)s.") % said


def mirror_micros(micros: int, contract: Contract) -> int:
    """Convert a price of the order to one of the displayed contract."""
    return PAYOUT_MICROS - micros if contract.is_mirrored else micros


def is_buy(side: str, contract: Contract) -> bool:
    return (side == "buy") != contract.is_mirrored


def describe_order(order: OrderState, contract: Contract) -> str:
    """Return the outcome of an order, in one or two sentences."""
    parts = [_describe_fills(order, contract)] if order.average_price is not None else []
    left = {"quantity": show_lots(parse_quantity_lots(order.remaining)), "outcome": contract.label}
    if order.status in ("open", "partially_filled"):
        assert order.price is not None, "what rests has a price"
        pips_micros = parse_price_pips(order.price) * MICROS_PER_PIP
        left["price"] = show_price(mirror_micros(pips_micros, contract), contract)
        parts.append(_("Resting: %(quantity)s %(outcome)s at %(price)s.") % left)
    elif order.status == "untriggered":
        parts.append(_("Waiting for its trigger: %(quantity)s %(outcome)s.") % left)
    elif order.status != "filled" and not parts:
        why = {"reason": describe_end(order.reason)}
        parts.append(_("Nothing was traded: %(reason)s.") % why)
    elif order.status != "filled" and isinstance(order, OrderAnswer) and order.budget is not None:
        spent_micros = sum(_compute_cost_micros(trade, contract) for trade in order.trades)
        budget_micros = parse_amount_micros(order.budget)
        parts.append(describe_unspent(spent_micros, budget_micros, order.reason))
    elif order.status != "filled" and order.remaining != format_quantity(0):
        left["reason"] = describe_end(order.reason)
        parts.append(_("%(quantity)s not traded: %(reason)s.") % left)
    if isinstance(order, OrderAnswer):
        parts += [describe_leg(leg, contract) for leg in order.legs]
    return " ".join(parts)


def describe_leg(leg: OrderState, contract: Contract) -> str:
    """Return at which price an order that was placed takes its profit or stops its loss."""
    assert leg.trigger is not None
    if leg.trigger.price is None:
        return _("A stop loss follows the price.")
    price_micros = parse_price_pips(leg.trigger.price) * MICROS_PER_PIP
    said = {"price": show_price(mirror_micros(price_micros, contract), contract)}
    if leg.trigger.kind == "take_profit":
        return _("Takes profit at %(price)s.") % said
    return _("Stops the loss at %(price)s.") % said


def _compute_cost_micros(trade: OrderTrade, contract: Contract) -> int:
    """Return a trade's cost for the contract's buyer, including the fee."""
    price_micros = mirror_micros(parse_price_pips(trade.price) * MICROS_PER_PIP, contract)
    lots = parse_quantity_lots(trade.quantity)
    return price_micros * lots // LOTS_PER_CONTRACT + parse_amount_micros(trade.fee)


def _describe_fills(order: OrderState, contract: Contract) -> str:
    assert order.average_price is not None, "what was filled has an average price"
    said = {
        "quantity": show_lots(parse_quantity_lots(order.filled)),
        "outcome": contract.label,
        "price": show_price(
            mirror_micros(parse_amount_micros(order.average_price), contract), contract
        ),
        "fee": show_exact(parse_amount_micros(order.fees)),
    }
    has_fee = parse_amount_micros(order.fees) > 0
    if is_buy(order.side, contract):
        if has_fee:
            return _("Bought %(quantity)s %(outcome)s at %(price)s, fee %(fee)s.") % said
        return _("Bought %(quantity)s %(outcome)s at %(price)s.") % said
    if has_fee:
        return _("Sold %(quantity)s %(outcome)s at %(price)s, fee %(fee)s.") % said
    return _("Sold %(quantity)s %(outcome)s at %(price)s.") % said
