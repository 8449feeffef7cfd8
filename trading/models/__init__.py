"""Orders, trades, positions, and the records that make the order path safe.

Written by `trading.pipeline.writer` (and, after a market's close, by `trading.settlement`), in
bulk; read through the ORM. Prices are pips, quantities lots, money micros, times microseconds UTC.
Ids of orders and trades sort by time. Tables that grow without bound are only read by (market or
account, id).
"""

from datetime import datetime
from typing import Any, Final

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Account
from accounts.models.append_only import AppendOnly
from kernel.clock import to_datetime
from kernel.database_clock import is_wrong
from markets.models import Market
from trading.engine import types
from trading.models.cancel_timers import CancelTimer as CancelTimer
from trading.models.keys import SIDES, account_key, market_key
from trading.models.notifications import OPERATORS_KINDS as OPERATORS_KINDS
from trading.models.notifications import MailState as MailState
from trading.models.notifications import Notification as Notification
from trading.models.notifications import NotificationKind as NotificationKind
from trading.models.notifications import NotificationPreference as NotificationPreference
from trading.models.notifications import NotificationProgress as NotificationProgress
from trading.models.order_groups import OrderGroup as OrderGroup
from trading.models.order_groups import OrderGroupFill as OrderGroupFill
from trading.models.settlement import Settlement as Settlement
from trading.models.standing_orders import StandingOrder as StandingOrder
from trading.models.standing_orders import StandingRefill as StandingRefill
from trading.models.statistics import Candle as Candle
from trading.models.statistics import DailyEquity as DailyEquity
from trading.models.statistics import ExchangeDay as ExchangeDay
from trading.models.statistics import OutcomeStats as OutcomeStats
from trading.models.webhooks import SUBSCRIBABLE as SUBSCRIBABLE
from trading.models.webhooks import DeliveryState as DeliveryState
from trading.models.webhooks import Webhook as Webhook
from trading.models.webhooks import WebhookDelivery as WebhookDelivery
from trading.models.webhooks import WebhookEvent as WebhookEvent

OPEN_STATUSES = (types.OrderStatus.OPEN, types.OrderStatus.PARTIALLY_FILLED)
"""Of orders that rest in a book."""
UNTRIGGERED = types.OrderStatus.UNTRIGGERED
LIVE_STATUSES = (*OPEN_STATUSES, UNTRIGGERED)
"""Of orders that have not ended."""

TIMES_IN_FORCE: Final = [
    (types.Tif.GTC.value, _("until cancelled (GTC)")),
    (types.Tif.GTD.value, _("until a date (GTD)")),
    (types.Tif.IOC.value, _("immediate or cancel (IOC)")),
    (types.Tif.FOK.value, _("fill or kill (FOK)")),
]
SELF_TRADE_PREVENTION: Final = [
    (types.Stp.CANCEL_NEWEST.value, _("cancel the newest")),
    (types.Stp.CANCEL_OLDEST.value, _("cancel the oldest")),
    (types.Stp.CANCEL_BOTH.value, _("cancel both")),
    (types.Stp.DECREMENT.value, _("decrement both")),
]
ORDER_STATUSES: Final = [
    (types.OrderStatus.OPEN.value, pgettext_lazy("an order", "open")),
    (types.OrderStatus.PARTIALLY_FILLED.value, pgettext_lazy("an order", "partly filled")),
    (types.OrderStatus.FILLED.value, pgettext_lazy("an order", "filled")),
    (types.OrderStatus.CANCELLED.value, pgettext_lazy("an order", "cancelled")),
    (types.OrderStatus.EXPIRED.value, pgettext_lazy("an order", "expired")),
    (types.OrderStatus.REJECTED.value, pgettext_lazy("an order", "rejected")),
    (types.OrderStatus.UNTRIGGERED.value, pgettext_lazy("an order", "waiting for its trigger")),
]
TRADE_KINDS: Final = [
    (types.TradeKind.DIRECT.value, pgettext_lazy("a trade", "direct")),
    (types.TradeKind.MINT.value, pgettext_lazy("a trade", "mint")),
    (types.TradeKind.MERGE.value, pgettext_lazy("a trade", "merge")),
    (types.TradeKind.MAKER.value, pgettext_lazy("a trade", "market maker")),
]
BOOK_STATUSES: Final = [
    (types.MarketStatus.OPEN.value, pgettext_lazy("a book", "open")),
    (types.MarketStatus.HALTED.value, pgettext_lazy("a book", "halted")),
    (types.MarketStatus.CLOSED.value, pgettext_lazy("a book", "closed")),
]


class OrderQuerySet(models.QuerySet):
    def open(self) -> "OrderQuerySet":
        return self.filter(status__in=OPEN_STATUSES)

    def untriggered(self) -> "OrderQuerySet":
        """Return those outside the books, that wait for their triggers or to be fired."""
        return self.filter(status=UNTRIGGERED)

    def live(self) -> "OrderQuerySet":
        """Return those that have not ended."""
        return self.filter(status__in=LIVE_STATUSES)


class Order(models.Model):
    """An order as booked; `as_no`: it was entered as its mirror image for NO (with several
    outcomes only on pages).

    `priority` is the sequence number that determines its place in the queue. `filled_micros` is the
    sum of its fills' amounts, in YES prices; the bases are exact fee sums.
    While an order waits for its trigger `trigger_pips` is its price, and `priority` is 0, or the
    sequence number at which it was reached.
    """

    id = models.UUIDField(_("ID"), primary_key=True)
    account = account_key()
    market = market_key()
    owner_id = models.BigIntegerField(_("number of the owner"))
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    side = models.SmallIntegerField(_("side"), choices=SIDES)
    as_no = models.BooleanField(_("entered as no"))
    tif = models.SmallIntegerField(_("time in force"), choices=TIMES_IN_FORCE)
    stp = models.SmallIntegerField(_("self-trade prevention"), choices=SELF_TRADE_PREVENTION)
    fee_free = models.BooleanField(_("free of fees"))
    price_pips = models.SmallIntegerField(_("price, in pips"), null=True)
    quantity_lots = models.BigIntegerField(_("quantity, in lots"))
    options = models.TextField(_("options"), null=True)  # noqa: DJ001 - NULL for a plain order
    expires_at_us = models.BigIntegerField(_("expires at, in microseconds"), null=True)
    client_order_id = models.CharField(_("client's order ID"), max_length=64, null=True)  # noqa: DJ001 - NULL without an id
    remaining_lots = models.BigIntegerField(_("remaining, in lots"))
    filled_lots = models.BigIntegerField(_("filled, in lots"))
    filled_micros = models.BigIntegerField(_("filled, in micros"))
    fee_micros = models.BigIntegerField(_("fee, in micros"))
    maker_basis = models.BigIntegerField(_("maker's fee basis"))
    taker_basis = models.BigIntegerField(_("taker's fee basis"))
    status = models.SmallIntegerField(_("status"), choices=ORDER_STATUSES)
    reason = models.CharField(_("reason"), max_length=32, null=True)  # noqa: DJ001 - NULL while it is open
    order_group_id = models.UUIDField(_("order group"), null=True)
    priority = models.BigIntegerField(_("priority"))
    trigger_pips = models.SmallIntegerField(_("trigger price, in pips"), null=True)
    created_at_us = models.BigIntegerField(_("created at, in microseconds"))
    updated_at_us = models.BigIntegerField(_("updated at, in microseconds"))
    updated_seq = models.BigIntegerField(_("sequence number of the last change"))

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = (
            models.Index(fields=("account", "id"), name="orders_of_an_account"),
            models.Index(fields=("account", "updated_at_us", "id"), name="orders_by_last_change"),
            models.Index(
                fields=("market", "priority"),
                name="open_orders_of_a_market",
                condition=Q(status__in=OPEN_STATUSES),
            ),
            models.Index(
                fields=("account", "market"),
                name="open_orders_of_an_account",
                condition=Q(status__in=OPEN_STATUSES),
            ),
            models.Index(
                fields=("expires_at_us",),
                name="open_orders_by_expiry",
                condition=Q(status__in=OPEN_STATUSES, expires_at_us__isnull=False),
            ),
            models.Index(
                fields=("market",),
                name="untriggered_orders_of_a_market",
                condition=Q(status=UNTRIGGERED),
            ),
            models.Index(
                fields=("account",),
                name="untriggered_orders_of_account",
                condition=Q(status=UNTRIGGERED),
            ),
            models.Index(
                fields=("order_group_id",),
                name="live_orders_of_a_group",
                condition=Q(status__in=LIVE_STATUSES, order_group_id__isnull=False),
            ),
            models.Index(
                fields=("account", "client_order_id"),
                name="orders_by_client_order_id",
                condition=Q(client_order_id__isnull=False),
            ),
        )
        constraints = (
            models.CheckConstraint(
                name="an_order_fills_at_most_its_quantity",
                condition=Q(filled_lots__gte=0)
                & Q(remaining_lots__gte=0)
                & Q(quantity_lots__gte=F("filled_lots")),
            ),
            models.CheckConstraint(
                name="an_open_order_has_something_left",
                condition=~Q(status__in=OPEN_STATUSES) | Q(remaining_lots__gt=0),
            ),
            models.CheckConstraint(name="a_side_is_buy_or_sell", condition=Q(side__in=(1, -1))),
        )

    def __str__(self) -> str:
        return f"order {self.id.hex}"

    @property
    def created_at(self) -> datetime:
        return to_datetime(self.created_at_us)


class Trade(models.Model):
    """One fill. Its id is a function of time, market, sequence and index, so replays reproduce it.

    `taker_cash_micros` and `maker_cash_micros` are the changes of their cash without fees.
    A leg of a match across books (`engine.cross`) is a trade with the house, which has no order;
    nor has an automated maker (`engine.blend`), whose trades' amount is exact and price rounded.
    `match_id` is the id of the match's first leg, for most trades their own; NULL in old rows.
    """

    id = models.UUIDField(_("ID"), primary_key=True)
    market = market_key()
    seq = models.BigIntegerField(_("sequence number"))
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    taker_side = models.SmallIntegerField(_("taker's side"), choices=SIDES)
    price_pips = models.SmallIntegerField(_("price, in pips"))
    quantity_lots = models.BigIntegerField(_("quantity, in lots"))
    amount_micros = models.BigIntegerField(_("amount, in micros"))
    kind = models.SmallIntegerField(_("kind"), choices=TRADE_KINDS)
    taker_account = account_key(_("taker's account"))
    maker_account = account_key(_("maker's account"))
    taker_order_id = models.UUIDField(_("taker's order"), null=True)
    maker_order_id = models.UUIDField(_("maker's order"), null=True)
    taker_cash_micros = models.BigIntegerField(_("taker's change of cash, in micros"))
    maker_cash_micros = models.BigIntegerField(_("maker's change of cash, in micros"))
    taker_fee_micros = models.BigIntegerField(_("taker's fee, in micros"))
    maker_fee_micros = models.BigIntegerField(_("maker's fee, in micros"))
    created_at_us = models.BigIntegerField(_("created at, in microseconds"))
    match_id = models.UUIDField(
        _("match"), null=True, help_text=_("What the legs of a match across outcomes share.")
    )

    class Meta:
        verbose_name = pgettext_lazy("one", "trade")
        verbose_name_plural = pgettext_lazy("several", "trades")
        indexes = (
            models.Index(fields=("market", "id"), name="trades_of_a_market"),
            models.Index(fields=("taker_account", "id"), name="trades_of_a_taker"),
            models.Index(fields=("maker_account", "id"), name="trades_of_a_maker"),
            models.Index(fields=("taker_order_id",), name="trades_of_a_taking_order"),
            models.Index(fields=("maker_order_id",), name="trades_of_a_making_order"),
        )
        constraints = (
            models.CheckConstraint(
                name="a_trade_has_a_quantity_and_a_price_inside_0_and_1",
                condition=Q(quantity_lots__gt=0) & Q(price_pips__range=(1, 9_999)),
            ),
            models.CheckConstraint(
                name="a_trade_amount_is_price_times_quantity",
                condition=Q(amount_micros=F("price_pips") * F("quantity_lots"))
                | Q(
                    kind=types.TradeKind.MAKER.value,
                    amount_micros__gt=(F("price_pips") - 1) * F("quantity_lots"),
                    amount_micros__lt=(F("price_pips") + 1) * F("quantity_lots"),
                ),
            ),
            models.CheckConstraint(
                name="a_trade_is_an_order_s_with_another_s_or_the_house",
                condition=Q(taker_order_id__isnull=False) | Q(maker_order_id__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"trade {self.id.hex}"


class Position(models.Model):
    """An account's lots bought minus sold of an outcome, and their cost (see engine.margin)."""

    market = market_key()
    account = account_key()
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    net_lots = models.BigIntegerField(_("net, in lots"))
    cost_micros = models.BigIntegerField(_("cost, in micros"))
    realised_micros = models.BigIntegerField(_("realised, in micros"))

    class Meta:
        verbose_name = _("position")
        verbose_name_plural = _("positions")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "account", "outcome_index"),
                name="an_account_has_one_position_in_an_outcome",
            ),
        )
        indexes = (models.Index(fields=("account", "market"), name="positions_of_an_account"),)

    def __str__(self) -> str:
        return f"{self.net_lots} of outcome {self.outcome_index}"


class Margin(models.Model):
    """An account in a market: collateral, hold, and payments minus receipts.

    `payout_micros` is set once, when the market's result (or void) is paid out.
    """

    market = market_key()
    account = account_key()
    collateral_lots = models.BigIntegerField(_("collateral, in lots"))
    held_micros = models.BigIntegerField(_("held, in micros"))
    net_paid_micros = models.BigIntegerField(_("paid in less received, in micros"))
    fees_micros = models.BigIntegerField(_("fees, in micros"))
    payout_micros = models.BigIntegerField(_("paid out, in micros"), null=True)

    class Meta:
        verbose_name = _("margin")
        verbose_name_plural = _("margins")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "account"), name="an_account_has_one_margin_in_a_market"
            ),
            models.CheckConstraint(
                name="a_margin_holds_no_less_than_nothing", condition=Q(held_micros__gte=0)
            ),
        )
        indexes = (
            models.Index(fields=("account", "market"), name="margins_of_an_account"),
            models.Index(
                fields=("market", "id"),
                name="margins_to_be_paid",
                condition=Q(payout_micros__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"margin of account {self.account_id} in market {self.market_id}"


class Receipt(models.Model):
    """The first answer to a client order id or idempotency key, repeated for ever."""

    account = account_key()
    key = models.CharField(pgettext_lazy("of a request", "key"), max_length=80)
    body_hash = models.BinaryField(_("hash of the body"), max_length=32)
    answer = models.BinaryField(_("answer"))
    created_at_us = models.BigIntegerField(_("created at, in microseconds"))

    class Meta:
        verbose_name = _("order receipt")
        verbose_name_plural = _("order receipts")
        constraints = (
            models.UniqueConstraint(fields=("account", "key"), name="a_key_is_answered_once"),
        )

    def __str__(self) -> str:
        return f"receipt {self.key}"


class BookState(models.Model):
    """A market's engine state: with the open orders, all that is needed to restart it."""

    market = models.OneToOneField(
        Market, models.PROTECT, verbose_name=_("market"), primary_key=True, related_name="book"
    )
    seq = models.BigIntegerField(_("sequence number"))
    ts_us = models.BigIntegerField(_("time, in microseconds"))
    status = models.SmallIntegerField(_("status"), choices=BOOK_STATUSES)
    config = models.BinaryField(_("settings"))
    maker = models.BinaryField(_("automated maker"), null=True)
    journal_hash = models.BinaryField(_("hash of the journal"), max_length=32)

    class Meta:
        verbose_name = _("state of a book")
        verbose_name_plural = _("states of books")

    def __str__(self) -> str:
        return f"book of market {self.market_id} at {self.seq}"


class JournalRow(models.Model):
    """The commands of one commit in one market, with their inputs and events.

    `body` is msgpack (see `pipeline.journal`); `hash` is SHA-256 over the last one and this body.
    """

    market = market_key()
    seq_first = models.BigIntegerField(_("first sequence number"))
    seq_last = models.BigIntegerField(_("last sequence number"))
    shard = models.SmallIntegerField(_("shard"))
    epoch = models.BigIntegerField(_("epoch"))
    ts_us = models.BigIntegerField(_("time, in microseconds"))
    rules_version = models.SmallIntegerField(_("version of the rules"))
    schema_version = models.SmallIntegerField(_("version of the schema"))
    body = models.BinaryField(pgettext_lazy("of a record", "body"))
    hash = models.BinaryField(_("hash"), max_length=32)

    class Meta:
        verbose_name = _("journal row")
        verbose_name_plural = _("journal rows")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "seq_first"), name="a_sequence_number_is_journalled_once"
            ),
            models.CheckConstraint(
                name="a_journal_row_has_commands", condition=Q(seq_last__gte=F("seq_first"))
            ),
        )

    def __str__(self) -> str:
        return f"journal of market {self.market_id}, {self.seq_first} to {self.seq_last}"


class Lease(models.Model):
    """The right to write a shard. Its epoch grows with each owner; every transaction checks it."""

    shard = models.SmallIntegerField(_("shard"), primary_key=True)
    epoch = models.BigIntegerField(_("epoch"), default=0)
    owner = models.CharField(_("process"), max_length=120, blank=True)
    backend_pid = models.IntegerField(_("process of the database"), null=True)
    channel = models.CharField(_("channel"), max_length=100, blank=True)
    acquired_at_us = models.BigIntegerField(_("acquired at, in microseconds"), default=0)
    loaded_at_us = models.BigIntegerField(
        _("loaded at, in microseconds"), default=0, help_text=_("0 until its books are loaded.")
    )
    renewed_at_us = models.BigIntegerField(_("renewed at, in microseconds"), default=0)
    committed_at_us = models.BigIntegerField(_("committed at, in microseconds"), default=0)
    queue_depth = models.IntegerField(_("queue"), default=0)
    clock_ahead_us = models.BigIntegerField(
        _("clock ahead, in microseconds"),
        default=0,
        help_text=_("The engine's clock minus the database's."),
    )
    books_ahead_us = models.BigIntegerField(
        _("books ahead of the clock, in microseconds"),
        default=0,
        help_text=_("How far the latest time in its books lies ahead of the clock."),
    )

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return f"shard {self.shard}, epoch {self.epoch}"

    @property
    def has_wrong_clock(self) -> bool:
        """Whether the engine refuses orders because its clock deviates from the database's."""
        return is_wrong(self.clock_ahead_us)

    @property
    def has_future_books(self) -> bool:
        """Whether orders were accepted by a clock that was ahead."""
        return is_wrong(self.books_ahead_us)


class VerifyRun(AppendOnly):
    """The findings of a check of all invariants."""

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"))
    breaches = models.IntegerField(_("breaches"))
    report = models.JSONField(pgettext_lazy("of a check", "report"))

    class Meta:
        verbose_name = _("check of all invariants")
        verbose_name_plural = _("checks of all invariants")

    def __str__(self) -> str:
        return f"verify of {self.started_at:%Y-%m-%d %H:%M}: {self.breaches} breaches"
