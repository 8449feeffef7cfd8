"""Order groups: how much an account's orders may fill together within a while.

A group's fills in all markets count, so what it may still fill, its *headroom*, is no part of a
market's state: it comes with each command, as funds do (`headroom`: lots by group, 0 or less when
the group is stopped), and is kept up to date in place. After each match, not only at a command's
end, a group without headroom is stopped: its orders in this market are cancelled, also the one that
is trading. So a sweep fills no more of a group's orders than the match that reaches its limit.
"""

from collections.abc import Iterable

from trading.engine.book import EngineOrder
from trading.engine.commands import Place
from trading.engine.resting import cancel
from trading.engine.state import MarketState
from trading.engine.types import Reason


def check_group(market: MarketState, place: Place) -> Reason | None:
    """Refuse an order of a group that is stopped, or that nobody knows."""
    if place.order_group is None:
        return None
    headroom_lots = market.headroom.get(place.order_group)
    if headroom_lots is None:
        return Reason.ORDER_GROUP_UNKNOWN
    return Reason.ORDER_GROUP_STOPPED if headroom_lots <= 0 else None


def cancel_group(market: MarketState, order_group: str) -> None:
    """Cancel the orders of a group, by id."""
    for _, order in sorted(market.groups.get(order_group, {}).items()):
        cancel(market, order, Reason.ORDER_GROUP_STOPPED)


def stop_full_groups(market: MarketState, orders: Iterable[EngineOrder]) -> None:
    """Stop the groups of these orders, which have just traded, that have no headroom left."""
    for order in orders:
        if is_stopped(market, order):
            assert order.place.order_group is not None
            cancel_group(market, order.place.order_group)


def is_stopped(market: MarketState, order: EngineOrder) -> bool:
    """Return whether the order is of a group without headroom."""
    order_group = order.place.order_group
    return order_group is not None and market.headroom.get(order_group, 1) <= 0
