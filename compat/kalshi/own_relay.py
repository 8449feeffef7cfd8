"""What happens to accounts, relayed to Kalshi's sockets: orders, fills, positions, order groups.

What changed is heard from the feed; the rows of it are read, and shown as over REST. Order groups,
of which the feed does not speak, are looked at twice a second.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from django.db.models import Q

from accounts.models import Account
from compat.kalshi import messages
from compat.kalshi.messages import Message
from compat.kalshi.order_rows import show_fills, show_orders, show_user
from compat.kalshi.portfolio import read_positions
from compat.kalshi.streams import FILL, GROUPS, POSITIONS, USER_ORDERS, Subscription
from kernel.clock import now_us
from kernel.database import DATABASE_FAULTS
from trading.engine.types import BUY
from trading.feed.account import AccountFeed, AccountNews
from trading.feed.hub import Hub
from trading.feed.missed import MISSED_MAX, AccountFill, pair_with_orders, read_missed
from trading.feed.tasks import in_thread
from trading.models import Order, OrderGroup, Position, Trade

log = structlog.get_logger(__name__)

GROUPS_SECONDS: Final = 0.5
GROUPS_LATE_US: Final = 10_000_000
"""Groups deleted so long before the last look are read again, as clocks and commits are late."""
RETRY_SECONDS: Final = 0.5
NEWS_MAX: Final = 10_000
"""What may wait to be read; more of it ends the subscriptions."""
SENT_MAX: Final = 2 * MISSED_MAX
CHANNEL_ERROR: Final = 10

Place = tuple[int, int]
"""A market and which of its books."""
Groups = dict[UUID, OrderGroup]


class OwnMessage(NamedTuple):
    """A message of one channel about one market, by ticker."""

    channel: str
    ticker: str
    message: Message


class AccountRelay:
    """One account that somebody follows here."""

    def __init__(self, hub: Hub, account_id: int) -> None:
        self.account_id = account_id
        self.subscriptions: set[Subscription] = set()
        self.waiting = 0
        """How many are about to follow it."""
        self._hub = hub
        self._feed: AccountFeed | None = None
        self._news: list[AccountNews] = []
        self._is_reading = False
        self._sent: dict[UUID, None] = {}
        """The latest fills, some of which are read again after a gap."""

    async def start(self) -> None:
        if self._feed is None:
            self._feed = await self._hub.accounts.listen(self.account_id, self._hear)

    def close(self) -> None:
        if self._feed is not None:
            self._hub.accounts.unlisten(self._feed, self._hear)

    def _hear(self, news: AccountNews) -> None:
        if len(self._news) >= NEWS_MAX:
            self._fail("too much has happened: subscribe again")
            return
        self._news.append(news)
        if not self._is_reading:
            self._is_reading = True
            self._hub.tasks.spawn(self._read())

    def _fail(self, text: str) -> None:
        self._news.clear()
        for subscription in list(self.subscriptions):
            subscription.fail(CHANNEL_ERROR, text)

    async def _read(self) -> None:
        try:
            while self._news:
                news, self._news = self._news, []
                for message in await self._read_messages(news):
                    self._publish(message)
        except Exception:
            self._fail("something was lost: subscribe again")
            raise
        finally:
            self._is_reading = False

    async def _read_messages(self, news: list[AccountNews]) -> list[OwnMessage]:
        while True:
            try:
                found = await in_thread(read_news, self.account_id, news, self._sent)
                break
            except DATABASE_FAULTS as fault:
                log.warning("account_not_read", account=self.account_id, because=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
        self._sent |= dict.fromkeys(found.fill_ids)
        while len(self._sent) > SENT_MAX:
            del self._sent[next(iter(self._sent))]
        return found.messages

    def _publish(self, own: OwnMessage) -> None:
        for subscription in self.subscriptions:
            if subscription.channel == own.channel and subscription.wants(own.ticker):
                subscription.push(own.message)


class OwnRelay:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._accounts: dict[int, AccountRelay] = {}
        self._groups: dict[int, Groups] = {}
        """As last seen, of accounts whose groups somebody follows."""
        self._groups_at_us = now_us() - GROUPS_LATE_US
        hub.tasks.every(GROUPS_SECONDS, self._look_at_groups)

    async def join(self, subscription: Subscription, account_id: int) -> None:
        """Follow an account; from the return on its messages are sent."""
        relay = self._accounts.get(account_id)
        if relay is None:
            relay = self._accounts[account_id] = AccountRelay(self._hub, account_id)
        relay.waiting += 1
        try:
            await relay.start()
            if subscription.channel == GROUPS and account_id not in self._groups:
                found = await in_thread(read_groups, {account_id: {}}, now_us() - GROUPS_LATE_US)
                self._groups.setdefault(account_id, found[account_id])
        except BaseException:
            relay.waiting -= 1
            self._drop_unfollowed(relay)
            raise
        relay.waiting -= 1
        subscription.account_id = account_id
        relay.subscriptions.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        relay = self._accounts[subscription.account_id or 0]
        relay.subscriptions.discard(subscription)
        self._drop_unfollowed(relay)

    def _drop_unfollowed(self, relay: AccountRelay) -> None:
        if not (relay.subscriptions or relay.waiting):
            relay.close()
            self._accounts.pop(relay.account_id, None)
            self._groups.pop(relay.account_id, None)

    async def _look_at_groups(self) -> None:
        before, since_us = dict(self._groups), self._groups_at_us
        if not before:
            return
        self._groups_at_us = now_us() - GROUPS_LATE_US
        found = await in_thread(read_groups, before, since_us)
        for account_id, groups in found.items():
            relay = self._accounts.get(account_id)
            if relay is None or account_id not in self._groups:
                continue
            self._groups[account_id] = groups
            for message in compare_groups(before[account_id], groups):
                for subscription in relay.subscriptions:
                    if subscription.channel == GROUPS:
                        subscription.push(message)


# --- orders, fills and positions --------------------------------------------------------------


class OwnNews(NamedTuple):
    messages: list[OwnMessage]
    fill_ids: list[UUID]


def read_news(account_id: int, news: Iterable[AccountNews], sent: Collection[UUID]) -> OwnNews:
    """Return what to say of an account's news, in order; an order that changed twice once."""
    orders: dict[UUID, None] = {}
    fills: dict[UUID, AccountFill] = {}
    after: dict[Place, int] = {}
    for one in news:
        if one.missed is None:
            orders |= dict.fromkeys(UUID(item.order.order_id) for item in one.orders)
            fills |= {fill.trade.pk: fill for fill in _read_fills(one)}
            after |= {(item.market_id, item.outcome): item.net_lots for item in one.positions}
            continue
        missed = read_missed(*one.missed)
        live = Order.objects.filter(account=account_id, updated_at_us__gte=one.missed[0].at_us)
        orders |= dict.fromkeys(order.pk for order in (*missed.orders, *live.live()))
        fills |= {fill.trade.pk: fill for fill in missed.fills if fill.trade.pk not in sent}
        after |= _read_net_lots(account_id, missed.market_ids)
    shown = [
        *_show_orders(orders),
        *_show_fills(list(fills.values()), after),
        *_show_positions(account_id, {market_id for market_id, _ in after}),
    ]
    return OwnNews(shown, list(fills))


def _read_fills(news: AccountNews) -> list[AccountFill]:
    """Return the fills of own orders, which the same commit changed as well."""
    own = {item.order.order_id for item in news.orders}
    trades = Trade.objects.in_bulk([UUID(fill.trade_id) for _, _, _, fill in news.fills])
    sides = [
        (trades[UUID(fill.trade_id)], is_taker)
        for _, _, _, fill in news.fills
        for is_taker, order_id in (
            (True, fill.trade.taker_order_id),
            (False, fill.trade.maker_order_id),
        )
        if order_id in own
    ]
    return pair_with_orders(sides)


def _read_net_lots(account_id: int, market_ids: Collection[int]) -> dict[Place, int]:
    rows = Position.objects.filter(account=account_id, market__in=market_ids)
    found = rows.values_list("market_id", "outcome_index", "net_lots")
    return {(market_id, index): lots for market_id, index, lots in found}


def _show_orders(ids: Collection[UUID]) -> list[OwnMessage]:
    found = Order.objects.in_bulk(list(ids))
    orders = [found[key] for key in ids if key in found]
    return [
        OwnMessage(USER_ORDERS, row["ticker"], messages.user_order(row, order))
        for order, row in zip(orders, show_orders(orders), strict=True)
    ]


def _show_fills(fills: list[AccountFill], after: Mapping[Place, int]) -> list[OwnMessage]:
    """Return fills, each with the position after it: that in the end, without the later fills."""
    left = dict(after)
    shown: list[OwnMessage] = []
    for fill, row in zip(reversed(fills), reversed(show_fills(fills)), strict=True):
        place = fill.trade.market_id, fill.trade.outcome_index
        lots = left.get(place, 0)
        shown.append(OwnMessage(FILL, row["ticker"], messages.fill(row, lots)))
        traded = fill.trade.quantity_lots
        left[place] = lots - traded if fill.order.side == BUY else lots + traded
    return shown[::-1]


def _show_positions(account_id: int, market_ids: Collection[int]) -> list[OwnMessage]:
    number = Account.objects.get(pk=account_id).subaccount
    owner = {"user_id": show_user(account_id), "subaccount": number}
    return [
        OwnMessage(POSITIONS, row.ticker, messages.build("market_position", owner | row.to_event()))
        for row in read_positions(account_id, market_ids)
    ]


# --- order groups -----------------------------------------------------------------------------


def read_groups(known: Mapping[int, Groups], since_us: int) -> dict[int, Groups]:
    """Return the groups of accounts, deleted ones if that was lately."""
    found: dict[int, Groups] = {account_id: {} for account_id in known}
    is_shown = Q(deleted_at_us=None) | Q(deleted_at_us__gte=since_us)
    for group in OrderGroup.objects.filter(is_shown, account__in=known).order_by("id"):
        found[group.account_id][group.pk] = group
    return found


def compare_groups(before: Groups, after: Groups) -> list[Message]:
    return [
        messages.order_group(event_type, str(key), group.limit_lots, ts_us=ts_us or now_us())
        for key, group in after.items()
        for event_type, ts_us in _find_events(before.get(key), group)
    ]


def _find_events(before: OrderGroup | None, after: OrderGroup) -> list[tuple[str, int | None]]:
    """Return what happened to a group, and when where that is known."""
    events: list[tuple[str, int | None]] = []
    if before is None:
        events.append(("created", after.created_at_us))
    elif after.limit_lots != before.limit_lots:
        events.append(("limit_updated", None))
    if after.deleted_at_us is not None:
        is_known = before is not None and before.deleted_at_us is not None
        return events if is_known else [*events, ("deleted", after.deleted_at_us)]
    if after.stopped_at_us != (before.stopped_at_us if before else None):
        is_stopped = after.stopped_at_us is not None
        events.append(("triggered" if is_stopped else "reset", after.stopped_at_us))
    return events
