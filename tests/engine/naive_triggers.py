"""The naive engine's triggers: which prices each waiting order sees, and which reach it."""

from tests.engine.naive_state import NaiveState, Order, arrival
from trading.engine.commands import (
    Fire,
    Place,
)
from trading.engine.events import (
    Triggered,
    TriggerMoved,
    list_trades,
)
from trading.engine.types import (
    PAYOUT_PIPS,
    SELL,
    TriggerKind,
    TriggerOn,
)


def implied_pips(makers: list[Order]) -> int:
    return PAYOUT_PIPS - sum(maker.price_pips for maker in makers)


class NaiveTriggers(NaiveState):
    """The naive engine as far as its triggers."""

    def _watch(self, look_from: dict[str, int]) -> None:
        """Which triggers the prices of this command reach, and where the others move.

        `look_from`: legs that look at its later trades only.
        """
        if self._entry_refusal(None):
            return
        for order in sorted(self.waiting, key=arrival):
            trigger = order.place.options.trigger if order.place.options else None
            assert trigger is not None
            if order.triggered or not order.remaining_lots:
                continue
            prices = [
                trade.price_pips
                for event in self.events
                for trade in list_trades(event)
                if trade.outcome == order.place.outcome
                and trade.index >= look_from.get(order.place.order_id, 0)
            ]
            if trigger.on == TriggerOn.BEST:
                prices = self._offers(order.place)
                prices = prices and [min(prices, key=lambda pips: order.place.side * pips)]
            if any(self._reaches(order, trigger.kind, pips) for pips in prices):
                order.triggered = self.seq
                self.events.append(Triggered(order.place.order_id))
            elif trigger.trail_pips is not None:
                self._trail(order, trigger.trail_pips, prices)

    def find_next_fire(self) -> Fire | None:
        due = [order for order in self.waiting if order.triggered]
        if not due or self._entry_refusal(None):
            return None
        place = min(due, key=lambda order: (order.triggered, *arrival(order))).place
        return Fire(place.order_id, place.account_id)

    def _offers(self, place: Place) -> list[int]:
        offers = [maker.price_pips for maker in self._opposite(place)]
        return [*offers, *map(implied_pips, self._firsts_of_others(place))]

    def _reaches(self, order: Order, kind: TriggerKind, pips: int) -> bool:
        if order.trigger_pips is None:
            return False
        rises = (kind == TriggerKind.TAKE_PROFIT) == (order.place.side == SELL)
        return pips >= order.trigger_pips if rises else pips <= order.trigger_pips

    def _trail(self, order: Order, trail_pips: int, prices: list[int]) -> None:
        if not prices:
            return
        is_sale = order.place.side == SELL
        wanted = max(prices) - trail_pips if is_sale else min(prices) + trail_pips
        stands = order.trigger_pips is not None and (
            wanted <= order.trigger_pips if is_sale else wanted >= order.trigger_pips
        )
        if not stands and 0 < wanted < PAYOUT_PIPS:
            order.trigger_pips = wanted
            self.events.append(TriggerMoved(order.place.order_id, wanted))
