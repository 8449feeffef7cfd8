"""Orders that wait for a price: stops, take-profits and trailing stops.

Such an order is in no book and holds nothing. After each command the prices that it looks at are
compared with its trigger's: those of the command's trades, or the best price that the order could
trade at then. For a buyer a price at or above a stop's reaches it, or at or below a take-profit's;
for a seller it is the other way round. A trailing stop is a stop whose price follows the best one
seen so far at its distance and never goes back.

What is reached is said at once, in order of arrival (`Triggered`), and is carried out by commands
of its own that follow, one for each (`Fire`): so each finds its account's funds, meets its makers
and may reach other triggers as any other order does, and no command has more than its own work.
"""

from collections.abc import Mapping
from types import MappingProxyType

from trading.engine.book import EngineOrder
from trading.engine.events import Triggered, TriggerMoved, list_trades
from trading.engine.market_books import order_of_arrival
from trading.engine.state import MarketState
from trading.engine.types import PAYOUT_PIPS, MarketStatus, TriggerKind, TriggerOn


def watch(market: MarketState, seen_from: Mapping[str, int] = MappingProxyType({})) -> None:
    """Say which triggers the current command has reached, and move those that trail.

    `seen_from` are the legs that do not see its first trades, with the number of those.
    """
    if market.is_trial or market.status is not MarketStatus.OPEN or market.past_close():
        return
    seen = _SeenPrices(market, seen_from)
    found: list[tuple[EngineOrder, Triggered | TriggerMoved]] = []
    for order in market.untriggered.values():
        # What was reached already waits to be fired; a leg may have nothing to close yet.
        prices_pips = () if order.priority or not order.remaining_lots else seen.find(order)
        event = _look(order, prices_pips) if prices_pips else None
        if event is not None:
            found.append((order, event))
    for _, event in sorted(found, key=lambda pair: order_of_arrival(pair[0])):
        market.emit(event)


class _SeenPrices:
    """The prices of one command, as triggers look at them."""

    def __init__(self, market: MarketState, seen_from: Mapping[str, int]) -> None:
        self.market, self.seen_from = market, seen_from
        self.trades = [trade for event in market.events for trade in list_trades(event)]
        self.traded: dict[int, list[int]] = {}
        self.best: dict[tuple[int, int], tuple[int, ...]] = {}
        for trade in self.trades:
            self.traded.setdefault(trade.outcome, []).append(trade.price_pips)

    def find(self, order: EngineOrder) -> list[int] | tuple[int, ...]:
        trigger = order.place.trigger
        assert trigger is not None
        if trigger.on is TriggerOn.LAST and order.order_id in self.seen_from:
            later = self.trades[self.seen_from[order.order_id] :]
            return [trade.price_pips for trade in later if trade.outcome == order.outcome]
        if trigger.on is TriggerOn.LAST:
            return self.traded.get(order.outcome, ())
        key = (order.outcome, order.side)
        if key not in self.best:
            best_pips = self.market.find_best_pips(*key)
            self.best[key] = () if best_pips is None else (best_pips,)
        return self.best[key]


def _look(
    order: EngineOrder, prices_pips: list[int] | tuple[int, ...]
) -> Triggered | TriggerMoved | None:
    """Compare prices with an order's trigger. Seen from its side, lower ones are better."""
    trigger, trigger_pips, side = order.place.trigger, order.trigger_pips, order.side
    assert trigger is not None
    signed_pips = [side * price_pips for price_pips in prices_pips]
    if trigger_pips is not None:
        is_profit = trigger.kind is TriggerKind.TAKE_PROFIT
        at_pips = side * trigger_pips
        if min(signed_pips) <= at_pips if is_profit else max(signed_pips) >= at_pips:
            return Triggered(order.order_id)
    if trigger.trail_pips is None:
        return None
    followed_pips = side * (min(signed_pips) + trigger.trail_pips)
    is_better = trigger_pips is None or side * followed_pips < side * trigger_pips
    is_price = 0 < followed_pips < PAYOUT_PIPS
    return TriggerMoved(order.order_id, followed_pips) if is_better and is_price else None
