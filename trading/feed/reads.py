"""The feed's database reads: images of markets and accounts, and sequence numbers.

Synchronous; the hub calls these in threads. An image is of one moment whatever commits meanwhile:
the book's levels and its sequence number come from ONE statement, the rest from the same snapshot.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Count, Max, Q
from django.utils import timezone

from accounts.models import Account, User
from kernel.clock import now_us
from markets.models import HIDDEN_STATUSES, Exchange, Market, Outcome, StatusChange
from trading.feed.missed import LATE_US
from trading.feed.replica import TAPE_READ_MAX, Image, TapeTrade, find_tops
from trading.models import (
    BookState,
    Margin,
    Notification,
    Order,
    OutcomeStats,
    Position,
    Trade,
)
from trading.pipeline.instruments import Instrument, build_instrument
from trading.pipeline.loading import read_ladders
from trading.pipeline.messages import DepthLevel, PositionChange, Sides, Top
from trading.pipeline.snapshot import consistent_read

ALL_MARKETS_MAX: Final = 20_000
"""The maximum number of markets in "all", newest first."""
FINAL_MARKETS_SHOWN_FOR: Final = timedelta(hours=1)
RECENT_TRADES_MAX: Final = 100
"""The maximum number of trades by which the statistics lag."""
OPEN_ORDERS_MAX: Final = 500
"""Open orders in a private snapshot, newest first; the rest is in GET /orders."""

_BOOK: Final = """
    SELECT b.seq, b.ts_us, o.outcome_index, o.price_pips,
           SUM(CASE WHEN o.side = 1 THEN o.remaining_lots ELSE 0 END),
           SUM(CASE WHEN o.side = -1 THEN o.remaining_lots ELSE 0 END)
      FROM trading_bookstate b
      LEFT JOIN trading_order o ON o.market_id = b.market_id AND o.status IN (0, 1)
     WHERE b.market_id = %s
     GROUP BY b.seq, b.ts_us, o.outcome_index, o.price_pips
"""
_TOPS: Final = """
    WITH sums AS (
        SELECT market_id, outcome_index, side, price_pips, SUM(remaining_lots) AS lots
          FROM trading_order WHERE status IN (0, 1)
         GROUP BY market_id, outcome_index, side, price_pips
    ), ranked AS (
        SELECT sums.*, ROW_NUMBER() OVER (
               PARTITION BY market_id, outcome_index, side ORDER BY price_pips * side DESC
               ) AS place FROM sums
    )
    SELECT b.market_id, b.seq, b.ts_us, r.outcome_index, r.side, r.price_pips, r.lots
      FROM trading_bookstate b
      LEFT JOIN ranked r ON r.market_id = b.market_id AND r.place = 1
"""


class LifecycleState(NamedTuple):
    """A market's row for the lifecycle channel. `payouts_pips` is None until it pays out."""

    status: str
    close_at_us: int
    tick_pips: int
    lot_step_lots: int
    payouts_pips: tuple[int, ...] | None
    withdrawn_pips: dict[int, int]

    @property
    def terms(self) -> tuple[Any, ...]:
        """The terms that an operator may change without a change of status."""
        return self.close_at_us, self.tick_pips, self.lot_step_lots, self.withdrawn_pips


class MarketRead(NamedTuple):
    instrument: Instrument
    state: LifecycleState
    image: Image


class StatusRow(NamedTuple):
    """One change of a market's status."""

    id: str
    market_id: int
    from_status: str
    to_status: str
    reason: str
    created_at: Any


class ExchangeState(NamedTuple):
    trading_halted: bool
    maintenance: bool
    announcement: str


class Balance(NamedTuple):
    cash_micros: int
    held_micros: int
    withdrawing_micros: int


class AccountRead(NamedTuple):
    """An account at one moment: `seqs` of its markets, open orders oldest first, positions.

    `recent` is when its orders changed in the markets in which any did lately, before `read_at_us`.
    """

    read_at_us: int
    seqs: dict[int, int]
    recent: dict[int, int]
    balance: Balance
    unread: int
    orders: list[Order]
    has_more_orders: bool
    positions: list[PositionChange]


def book_from_database(market_id: int) -> tuple[int, int, list[DepthLevel]]:
    """Return (seq, ts_us, levels with their totals); 0, 0 and none before a market's first open."""
    with connection.cursor() as cursor:
        cursor.execute(_BOOK, [market_id])
        rows = cursor.fetchall()
    if not rows:
        return 0, 0, []
    levels = [
        DepthLevel(outcome, price_pips, int(bid_lots), int(ask_lots))
        for _, _, outcome, price_pips, bid_lots, ask_lots in rows
        if outcome is not None
    ]
    return rows[0][0], rows[0][1], levels


def read_market(market_id: int) -> MarketRead | None:
    """Return a market with its whole book and the end of its tape."""
    with consistent_read():
        return _read_market(market_id)


def _read_market(market_id: int) -> MarketRead | None:
    market = Market.objects.prefetch_related("outcomes").filter(pk=market_id).first()
    if market is None:
        return None
    seq, ts_us, levels = book_from_database(market_id)
    tape = read_tape(market_id, until_seq=seq)
    instrument = build_instrument(market)
    known = read_lasts({market_id: seq})[market_id]
    lasts = {**known, **_lasts_of(tape), **instrument.withdrawn_pips}
    ladders = _read_best_of_makers([market]).get(market_id, ())
    image = Image(seq, ts_us, levels, find_tops(levels, ladders), lasts, tape)
    return MarketRead(instrument, _build_state(market), image)


def read_markets(market_ids: Collection[int]) -> dict[int, MarketRead]:
    """Return markets with best prices and last prices only."""
    with consistent_read():
        markets = Market.objects.prefetch_related("outcomes").in_bulk(list(market_ids))
        images = _read_tops(markets.values())
        lasts = read_lasts({market_id: image.seq for market_id, image in images.items()})
    return {
        market_id: MarketRead(
            build_instrument(market),
            _build_state(market),
            images[market_id]._replace(lasts=lasts[market_id]),
        )
        for market_id, market in markets.items()
    }


def read_lifecycle_states(market_ids: Collection[int]) -> dict[int, LifecycleState]:
    markets = Market.objects.prefetch_related("outcomes").in_bulk(list(market_ids))
    return {market_id: _build_state(market) for market_id, market in markets.items()}


def read_cards(market_ids: Collection[int]) -> dict[int, Instrument]:
    markets = Market.objects.prefetch_related("outcomes").in_bulk(list(market_ids))
    return {market_id: build_instrument(market) for market_id, market in markets.items()}


def read_tape(market_id: int, *, until_seq: int) -> list[TapeTrade]:
    """Return the latest trades, at most TAPE_READ_MAX, oldest first."""
    rows = (
        Trade.objects.filter(market_id=market_id)
        .order_by("-id")
        .values_list(
            "id", "seq", "created_at_us", "outcome_index", "taker_side", "price_pips",
            "quantity_lots", "match_id",
        )[:TAPE_READ_MAX]
    )  # fmt: skip
    tape = [
        TapeTrade(row[0].hex, *row[1:7], (row[7] or row[0]).hex)
        for row in rows
        if row[1] <= until_seq
    ]
    tape.reverse()
    return tape


def read_seqs(market_ids: Collection[int]) -> dict[int, int]:
    """Return the database's sequence numbers."""
    states = BookState.objects.filter(market_id__in=list(market_ids))
    return dict(states.values_list("market_id", "seq"))


# Visibility: decided by `Market.objects` alone.


def read_visible(user_id: int | None, market_ids: Collection[int]) -> set[int]:
    """Return those of the markets that this user may see."""
    visible = Market.objects.visible_to(_user(user_id)).filter(pk__in=list(market_ids))
    return set(visible.values_list("pk", flat=True))


def read_live_listed(user_id: int | None) -> set[int]:
    """Return the markets listed for this user, except those final for some time."""
    listed = (
        Market.objects.listed_for(_user(user_id))
        .exclude(status__in=HIDDEN_STATUSES)
        .filter(
            Q(settled_at__isnull=True) | Q(settled_at__gt=timezone.now() - FINAL_MARKETS_SHOWN_FOR)
        )
    )
    return set(listed.order_by("-pk").values_list("pk", flat=True)[:ALL_MARKETS_MAX])


def _user(user_id: int | None) -> User | AnonymousUser:
    user = User.objects.filter(pk=user_id).first() if user_id is not None else None
    return user or AnonymousUser()


# Lifecycle


def read_status_changes(after_id: str) -> list[StatusRow]:
    """Return changes of status with a greater id, in order; ids sort by time."""
    rows = (
        StatusChange.objects.filter(id__gt=after_id)
        .exclude(to_status__in=HIDDEN_STATUSES)
        .order_by("id")
    )
    columns = ("id", "market_id", "from_status", "to_status", "reason", "created_at")
    return [StatusRow(row[0].hex, *row[1:]) for row in rows.values_list(*columns)]


def read_exchange() -> ExchangeState:
    row = Exchange.objects.values_list("trading_halted", "maintenance", "announcement").first()
    return ExchangeState(*row) if row else ExchangeState(False, False, "")


# Accounts


def read_account(account_id: int) -> AccountRead | None:
    with consistent_read():
        return _read_account(account_id)


def _read_account(account_id: int) -> AccountRead | None:
    read_at_us = now_us()
    own = Order.objects.filter(account_id=account_id)
    changed = own.filter(updated_at_us__gte=read_at_us - LATE_US).order_by()
    recent = dict(changed.values_list("market_id").annotate(at_us=Max("updated_at_us")))
    margins = Margin.objects.filter(account_id=account_id, payout_micros=None)
    unpaid = set(margins.values_list("market_id", flat=True))
    seqs = read_seqs(unpaid | recent.keys())
    orders = [
        *own.open().order_by("-id")[: OPEN_ORDERS_MAX + 1],
        *own.untriggered().order_by("-id")[: OPEN_ORDERS_MAX + 1],
    ]
    orders.sort(key=lambda order: order.id, reverse=True)
    positions = Position.objects.filter(account_id=account_id, market_id__in=unpaid)
    balances = read_balances([account_id])
    if account_id not in balances:
        return None
    return AccountRead(
        read_at_us,
        seqs,
        recent,
        balances[account_id],
        read_unread([account_id])[account_id],
        orders[OPEN_ORDERS_MAX - 1 :: -1],
        len(orders) > OPEN_ORDERS_MAX,
        [
            PositionChange(
                row.market_id,
                seqs.get(row.market_id, 0),
                row.outcome_index,
                row.net_lots,
                row.cost_micros,
                row.realised_micros,
            )
            for row in positions.order_by("market_id", "outcome_index")
        ],
    )


def read_balances(account_ids: Collection[int]) -> dict[int, Balance]:
    rows = Account.objects.filter(pk__in=list(account_ids)).values_list(
        "pk", "cash_micros", "held_micros", "withdrawing_micros"
    )
    return {row[0]: Balance(*row[1:]) for row in rows}


def read_unread(account_ids: Collection[int]) -> dict[int, int]:
    """Return the numbers of unread notifications of these accounts' owners."""
    unread = Notification.objects.filter(
        read_at=None, user__accounts__in=list(account_ids), user__accounts__number=1
    )
    counts = unread.order_by().values_list("user__accounts").annotate(count=Count("id"))
    return {**dict.fromkeys(account_ids, 0), **dict(counts)}


def read_accounts_in(market_id: int, account_ids: Collection[int]) -> set[int]:
    """Return those of the accounts that ever traded in a market."""
    margins = Margin.objects.filter(market_id=market_id, account_id__in=list(account_ids))
    return set(margins.values_list("account_id", flat=True))


def read_lasts(seqs: Mapping[int, int]) -> dict[int, dict[int, int]]:
    """Return last prices by market and book: from later trades, else from the statistics."""
    lasts: dict[int, dict[int, int]] = {market_id: {} for market_id in seqs}
    known = dict.fromkeys(seqs, 0)
    rows = OutcomeStats.objects.filter(market_id__in=list(seqs)).values_list(
        "market_id", "outcome_index", "last_pips", "seq"
    )
    for market_id, outcome, last_pips, seq in rows:
        known[market_id] = seq
        if last_pips is not None:
            lasts[market_id][outcome] = last_pips
    for market_id, seq in seqs.items():
        if known[market_id] < seq:
            recent = Trade.objects.filter(market_id=market_id).order_by("-id")[:RECENT_TRADES_MAX]
            prices = list(recent.values_list("outcome_index", "price_pips"))
            lasts[market_id].update(reversed(prices))
            gone = Outcome.objects.filter(market_id=market_id).exclude(withdrawn_pips=None)
            for outcome, pips in gone.values_list("index", "withdrawn_pips"):
                lasts[market_id][outcome] = pips or 0
    return lasts


def _read_best_of_makers(markets: Iterable[Market]) -> dict[int, list[Sides]]:
    with_maker = [market.pk for market in markets if market.maker_b_lots is not None]
    return read_ladders(with_maker, levels_max=1) if with_maker else {}


def _read_tops(markets: Collection[Market]) -> dict[int, Image]:
    images = {market.pk: Image(0, 0, None, [], {}, []) for market in markets}
    tops: dict[tuple[int, int], Top] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TOPS)
        for market_id, seq, ts_us, outcome, side, price_pips, lots in cursor:
            if market_id not in images:
                continue
            if images[market_id].seq == 0:
                images[market_id] = Image(seq, ts_us, None, [], {}, [])
            if outcome is None:
                continue
            top = tops.get((market_id, outcome))
            if top is None:
                top = tops[market_id, outcome] = Top(outcome)
                images[market_id].tops.append(top)
            if side > 0:
                top.bid_pips, top.bid_lots = price_pips, int(lots)
            else:
                top.ask_pips, top.ask_lots = price_pips, int(lots)
    for market_id, ladders in _read_best_of_makers(markets).items():
        for of_maker in find_tops([], ladders):
            top = tops.get((market_id, of_maker.outcome))
            if top is None:
                images[market_id].tops.append(of_maker)
            else:
                top.maker_bid_pips = of_maker.maker_bid_pips
                top.maker_ask_pips = of_maker.maker_ask_pips
    return images


def _lasts_of(tape: Iterable[TapeTrade]) -> dict[int, int]:
    return {trade.outcome: trade.price_pips for trade in tape}


def _build_state(market: Market) -> LifecycleState:
    instrument = build_instrument(market)
    outcomes = market.outcomes.all()
    payouts = tuple(row.payout_pips for row in outcomes if row.payout_pips is not None)
    return LifecycleState(
        market.status,
        instrument.close_at_us,
        instrument.tick_pips,
        instrument.lot_step_lots,
        payouts if len(payouts) == len(outcomes) else None,
        instrument.withdrawn_pips,
    )
