"""Ending and limiting resting orders that were traded with."""

from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.events import Ended
from trading.engine.margin import compute_allowance_lots
from trading.engine.state import MarketState
from trading.engine.types import OrderStatus, Reason

# A member of an enum is an attribute of a class, which costs as much as a call.
FILLED: Final = OrderStatus.FILLED
IS_FILLED: Final = Reason.FILLED


def compute_allowance(market: MarketState, order: EngineOrder) -> int:
    """Return how much a reduce-only order may still trade."""
    account = market.account(order.account_id)
    return compute_allowance_lots(account, order.outcome, order.side, binary=market.rules.binary)


def has_closed_position(market: MarketState, order: EngineOrder, trades: int) -> bool:
    """Return whether a reduce-only order traded until there was nothing left to reduce."""
    options = order.place.options
    if options is None or not options.reduce_only or not trades:
        return False
    return not compute_allowance(market, order)


def cancel(market: MarketState, order: EngineOrder, reason: Reason) -> None:
    """End an order with its rest."""
    market.emit(Ended(order.order_id, OrderStatus.CANCELLED, reason, order.remaining_lots))


def end_if_done(market: MarketState, order: EngineOrder) -> None:
    """End an order that is filled, or that only reduces and has nothing left to reduce."""
    if not order.remaining_lots:
        ended = Ended(order.order_id, FILLED, IS_FILLED, 0)
        market.events.append(ended)
        market.apply_ended(ended)
    elif order.place.reduce_only and not compute_allowance(market, order):
        cancel(market, order, Reason.REDUCE_ONLY)


def is_cancelled_on_halt(order: EngineOrder) -> bool:
    options = order.place.options
    return options is not None and options.cancel_on_halt
