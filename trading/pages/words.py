"""What pages say of orders: their contracts, what became of them, and why one was refused."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.numbers import AMBIGUOUS
from kernel.errors import ApiError
from kernel.units import (
    LOTS_PER_CONTRACT,
    format_quantity,
    parse_amount_micros,
    parse_price_pips,
    parse_quantity_lots,
)
from markets.models import Market
from trading.engine.types import ORDER_LOTS_MAX, PAYOUT_PIPS
from trading.pages.numbers import show_average, show_exact, show_lots, show_money
from trading.wire.refusals import InsufficientFundsError
from trading.wire.schema import OrderAnswer, OrderState, OrderTrade

MICROS_PER_PIP: Final = 100
"""In prices of one contract."""
PAYOUT_MICROS: Final = PAYOUT_PIPS * MICROS_PER_PIP

FIELDS: Final = ("outcome", "price", "amount", "time_in_force", "expires_at", "post_only",
                 "reduce_only")  # fmt: skip
"""Where a fault of an order is shown; "" is beside the button."""
_FIELD_OF: Final = {"quantity": "amount", "budget": "amount", **{name: name for name in FIELDS}}


class Contract(NamedTuple):
    """What is traded, as it is shown. `is_mirrored`: NO of a choice, booked as a sale of it."""

    code: str
    label: str
    is_mirrored: bool = False


class FieldMessage(NamedTuple):
    """A refusal in words, and the field beside which it stands."""

    field: str
    text: str


def name_contract(market: Market, code: str, *, is_mirrored: bool = False) -> Contract:
    """Return how people are told of an outcome's contract, as the buttons that trade it say."""
    if market.kind == Market.Kind.BINARY:
        return Contract(code, _("Yes") if code == "YES" else _("No"))
    name = next((row.name for row in market.outcomes.all() if row.code == code), code)
    if is_mirrored:
        return Contract(code, _("No on %(outcome)s") % {"outcome": name}, is_mirrored=True)
    return Contract(code, name)


def name_opposite(market: Market, contract: Contract) -> Contract:
    """Return what somebody bets on who sells a contract without owning it."""
    if market.kind == Market.Kind.BINARY:
        return name_contract(market, "NO" if contract.code == "YES" else "YES")
    return name_contract(market, contract.code, is_mirrored=not contract.is_mirrored)


def name_payout(market: Market, contract: Contract) -> str:
    """Say in which case a contract pays."""
    if market.kind == Market.Kind.BINARY:
        return _("Pays if Yes") if contract.code == "YES" else _("Pays if No")
    outcome = {"outcome": name_contract(market, contract.code).label}
    if contract.is_mirrored:
        return _("Pays if not %(outcome)s") % outcome
    return _("Pays if %(outcome)s") % outcome


# --- refusals ---------------------------------------------------------------------------------

_CLOCK_WRONG: Final = gettext_lazy(
    "The exchange's clock is wrong, so no orders are accepted right now. Nothing was placed."
)
_LATER: Final = gettext_lazy("Nothing was sent. Try again in a moment.")
_REFUSALS: Final[Mapping[str, str | Promise]] = {
    "market_not_open": gettext_lazy("This market is not open for trading."),
    "market_closed": gettext_lazy("Trading in this market has ended."),
    "exchange_halted": gettext_lazy("Trading is halted on the whole exchange."),
    "maintenance": gettext_lazy(
        "The exchange is in maintenance: nothing can be changed right now."
    ),
    "engine_away": gettext_lazy("The matching engine is away. Nothing was sent; try again."),
    "overloaded": _LATER,
    "account_busy": _LATER,
    "clock_wrong": _CLOCK_WRONG,
    "too_many_requests": gettext_lazy("Too many requests. Wait a moment, then try again."),
    "timed_out": gettext_lazy(
        "No answer came in time. Send the same order again: it is placed once at most."
    ),
    "client_order_id_reused": gettext_lazy(
        "This form was sent before with other values, and that order may be open. Check your "
        "orders, then send this one again if you still want it."
    ),
    "email_not_verified": gettext_lazy("Confirm your e-mail address first."),
    "account_suspended": gettext_lazy("Your account is suspended."),
    "account_closed": gettext_lazy("This account is closed."),
    "outcome_unknown": gettext_lazy("Choose one of the outcomes."),
    "price_missing": gettext_lazy("A limit order needs a price."),
    "price_out_of_range": gettext_lazy("The price must lie between 0 and 1."),
    "budget_invalid": gettext_lazy(
        "The amount to spend must be above 0, and can't be combined with “fill or kill”."
    ),
    "post_only_invalid": gettext_lazy("Only a limit order that may wait can be post-only."),
    "post_only_would_cross": gettext_lazy(
        "At this price it would fill immediately, which a post-only order must not."
    ),
    "expiry_invalid": gettext_lazy("Choose a time in the future."),
    "invalid_time": gettext_lazy("Choose a day and a time."),
    "reduce_only_no_position": gettext_lazy("You have no position that this order would reduce."),
    "position_limit": gettext_lazy(
        "Together with your open orders this would exceed the market's position limit."
    ),
    "not_a_number": gettext_lazy("Enter a number, like 0.55 or 10."),
    "too_many_decimals": gettext_lazy("That has too many decimals."),
    "number_too_large": gettext_lazy("That number is too large."),
    "nothing_to_amend": gettext_lazy("The order already has this price and quantity."),
    "order_not_open": gettext_lazy("This order has ended already."),
    "not_found": gettext_lazy("This order was not found."),
}
_OF_QUANTITY: Final = frozenset({"quantity_not_positive", "missing_field"})


def explain(error: ApiError, market: Market) -> FieldMessage:
    """Return a refusal as it is told beside the ticket."""
    field = _FIELD_OF.get(error.field or "", "")
    if isinstance(error, InsufficientFundsError):
        missing = show_money(error.missing_micros)
        return FieldMessage(
            "amount", _("You need %(missing)s more for this order.") % {"missing": missing}
        )
    return FieldMessage(
        field, _explain_terms(error, market) or str(_REFUSALS.get(error.code, _LATER))
    )


def _explain_terms(error: ApiError, market: Market) -> str:
    """Say it with the market's own numbers, where they matter."""
    if error.code == "price_off_tick":
        tick = show_exact(market.tick_pips * MICROS_PER_PIP)
        return _("The price must be a multiple of %(tick)s.") % {"tick": tick}
    if error.code == "quantity_off_step":
        step = show_lots(market.lot_step_lots)
        if market.lot_step_lots == LOTS_PER_CONTRACT:
            return _("Whole contracts only.")
        return _("The number of contracts must be a multiple of %(step)s.") % {"step": step}
    if error.code == "quantity_too_large":
        most = show_lots(ORDER_LOTS_MAX)
        return _("An order has at most %(most)s contracts.") % {"most": most}
    if error.code == AMBIGUOUS:
        return error.message
    if error.code in _OF_QUANTITY:
        return (
            _("Enter the number of contracts.")
            if error.field != "budget"
            else _("Enter an amount.")
        )
    return ""


# --- what became of an order ------------------------------------------------------------------

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
    "amended_to_filled": gettext_lazy("you reduced it to what has been filled"),
    "expired": gettext_lazy("it expired"),
    "cancelled_by_owner": gettext_lazy("you cancelled it"),
    "cancelled_by_operator": gettext_lazy("an operator cancelled it"),
}


def describe_end(reason: str | None) -> str:
    """Say in half a sentence why (the rest of) an order ended."""
    return str(_ENDS.get(reason or "", gettext_lazy("it was cancelled")))


def describe_unspent(spent_micros: int, budget_micros: int, reason: str | None) -> str:
    """Say why an order by credits spends less than it may."""
    said = {
        "spent": show_money(spent_micros),
        "budget": show_money(budget_micros),
        "reason": describe_end(reason),
    }
    return _("%(spent)s of %(budget)s is spent: %(reason)s.") % said


def mirror_micros(micros: int, contract: Contract) -> int:
    """Return a price of the order as one of the contract that is shown."""
    return PAYOUT_MICROS - micros if contract.is_mirrored else micros


def is_buy(side: str, contract: Contract) -> bool:
    return (side == "buy") != contract.is_mirrored


def describe_order(order: OrderState, contract: Contract) -> str:
    """Say what became of an order, in a sentence or two."""
    parts = [_describe_fills(order, contract)] if order.average_price is not None else []
    left = {"quantity": show_lots(parse_quantity_lots(order.remaining)), "outcome": contract.label}
    if order.status in ("open", "partially_filled"):
        assert order.price is not None, "what rests has a price"
        pips_micros = parse_price_pips(order.price) * MICROS_PER_PIP
        left["price"] = show_exact(mirror_micros(pips_micros, contract))
        parts.append(_("Resting: %(quantity)s %(outcome)s at %(price)s.") % left)
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
    return " ".join(parts)


def _compute_cost_micros(trade: OrderTrade, contract: Contract) -> int:
    """Return what a trade cost who bought the contract, its fee included."""
    price_micros = mirror_micros(parse_price_pips(trade.price) * MICROS_PER_PIP, contract)
    lots = parse_quantity_lots(trade.quantity)
    return price_micros * lots // LOTS_PER_CONTRACT + parse_amount_micros(trade.fee)


def _describe_fills(order: OrderState, contract: Contract) -> str:
    assert order.average_price is not None, "what was filled has an average price"
    said = {
        "quantity": show_lots(parse_quantity_lots(order.filled)),
        "outcome": contract.label,
        "price": show_average(mirror_micros(parse_amount_micros(order.average_price), contract)),
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
