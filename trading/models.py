"""Orders, trades, positions, and the records that make the path of an order safe.

Written by `trading.pipeline.writer` (and, after a market's close, by `trading.settlement`), in
bulk; read through the ORM. Prices are pips, quantities lots, money micros, times microseconds UTC.
Ids of orders and trades sort by time. Tables that grow without end are read by (market or account,
id) alone.
"""

from datetime import datetime
from enum import IntEnum
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from accounts.models.append_only import AppendOnly
from kernel.clock import to_datetime
from markets.models import Market
from trading.engine import types
from trading.notifications.models import OPERATORS_KINDS as OPERATORS_KINDS
from trading.notifications.models import MailState as MailState
from trading.notifications.models import Notice as Notice
from trading.notifications.models import Notification as Notification
from trading.notifications.models import NotificationChoice as NotificationChoice
from trading.notifications.models import NotificationKind as NotificationKind
from trading.pipeline.clock import is_wrong
from trading.pipeline.order_rows import decode_options

OPEN_STATUSES = (types.OrderStatus.OPEN, types.OrderStatus.PARTIALLY_FILLED)


def _choices(enum: type[IntEnum]) -> list[tuple[int, str]]:
    return [(member.value, member.name.lower()) for member in enum]


def account_key(**options: Any) -> models.ForeignKey:
    return models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False, **options)


def market_key(**options: Any) -> models.ForeignKey:
    return models.ForeignKey(Market, models.PROTECT, related_name="+", db_index=False, **options)


class OrderQuerySet(models.QuerySet):
    def open(self) -> "OrderQuerySet":
        return self.filter(status__in=OPEN_STATUSES)


class Order(models.Model):
    """An order as booked; `as_no` says that it was entered as its mirror image, for NO (which of
    several outcomes only pages have).

    `priority` is the sequence number at which it got its place in the queue. `filled_micros` is
    the sum of price x quantity of its fills, in YES prices; the bases are exact fee sums.
    """

    id = models.UUIDField(primary_key=True)
    account = account_key()
    market = market_key()
    owner_id = models.BigIntegerField()
    outcome_index = models.SmallIntegerField()
    side = models.SmallIntegerField(choices=[(types.BUY, "buy"), (types.SELL, "sell")])
    as_no = models.BooleanField()
    tif = models.SmallIntegerField(choices=_choices(types.Tif))
    stp = models.SmallIntegerField(choices=_choices(types.Stp))
    fee_free = models.BooleanField()
    price_pips = models.SmallIntegerField(null=True)
    quantity_lots = models.BigIntegerField()
    options = models.TextField(null=True)  # noqa: DJ001 - a plain order has none
    expires_at_us = models.BigIntegerField(null=True)
    client_order_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 - none is no id
    remaining_lots = models.BigIntegerField()
    filled_lots = models.BigIntegerField()
    filled_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    maker_basis = models.BigIntegerField()
    taker_basis = models.BigIntegerField()
    status = models.SmallIntegerField(choices=_choices(types.OrderStatus))
    reason = models.CharField(max_length=32, null=True)  # noqa: DJ001 - none while it is open
    priority = models.BigIntegerField()
    created_at_us = models.BigIntegerField()
    updated_at_us = models.BigIntegerField()
    updated_seq = models.BigIntegerField()

    objects = OrderQuerySet.as_manager()

    class Meta:
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
    def asked(self) -> types.OrderOptions:
        """What it asks for besides price and quantity."""
        return decode_options(self.options) or types.OrderOptions()

    @property
    def created_at(self) -> datetime:
        return to_datetime(self.created_at_us)


class Trade(models.Model):
    """One fill. Its id is a function of time, market, sequence and index, so a replay gives it too.

    `taker_cash_micros` and `maker_cash_micros` are what their cash changed by, fees not included.
    """

    id = models.UUIDField(primary_key=True)
    market = market_key()
    seq = models.BigIntegerField()
    outcome_index = models.SmallIntegerField()
    taker_side = models.SmallIntegerField(choices=[(types.BUY, "buy"), (types.SELL, "sell")])
    price_pips = models.SmallIntegerField()
    quantity_lots = models.BigIntegerField()
    amount_micros = models.BigIntegerField()
    kind = models.SmallIntegerField(choices=_choices(types.TradeKind))
    taker_account = account_key()
    maker_account = account_key()
    taker_order_id = models.UUIDField()
    maker_order_id = models.UUIDField()
    taker_cash_micros = models.BigIntegerField()
    maker_cash_micros = models.BigIntegerField()
    taker_fee_micros = models.BigIntegerField()
    maker_fee_micros = models.BigIntegerField()
    created_at_us = models.BigIntegerField()

    class Meta:
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
                condition=Q(amount_micros=F("price_pips") * F("quantity_lots")),
            ),
        )

    def __str__(self) -> str:
        return f"trade {self.id.hex}"


class Position(models.Model):
    """What an account bought minus sold of one outcome, and its cost (see engine.margin)."""

    market = market_key()
    account = account_key()
    outcome_index = models.SmallIntegerField()
    net_lots = models.BigIntegerField()
    cost_micros = models.BigIntegerField()
    realised_micros = models.BigIntegerField()

    class Meta:
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
    """An account in a market: collateral, hold, and what it has paid in less what it received.

    `payout_micros` is set once, when the market's result (or its voiding) has been paid.
    """

    market = market_key()
    account = account_key()
    collateral_lots = models.BigIntegerField()
    held_micros = models.BigIntegerField()
    net_paid_micros = models.BigIntegerField()
    fees_micros = models.BigIntegerField()
    payout_micros = models.BigIntegerField(null=True)

    class Meta:
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
    """The first answer to a client order id or idempotency key: the only one it will ever get."""

    account = account_key()
    key = models.CharField(max_length=80)
    body_hash = models.BinaryField(max_length=32)
    answer = models.BinaryField()
    created_at_us = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("account", "key"), name="a_key_is_answered_once"),
        )

    def __str__(self) -> str:
        return f"receipt {self.key}"


class BookState(models.Model):
    """Where a market's engine stands: what it needs, with the open orders, to start again."""

    market = models.OneToOneField(Market, models.PROTECT, primary_key=True, related_name="book")
    seq = models.BigIntegerField()
    ts_us = models.BigIntegerField()
    status = models.SmallIntegerField(choices=_choices(types.MarketStatus))
    config = models.BinaryField()
    journal_hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"book of market {self.market_id} at {self.seq}"


class JournalRow(models.Model):
    """The commands of one commit in one market, with all that they read and all that they did.

    `body` is msgpack (see `pipeline.journal`); `hash` is SHA-256 over the row before and this body.
    """

    market = market_key()
    seq_first = models.BigIntegerField()
    seq_last = models.BigIntegerField()
    shard = models.SmallIntegerField()
    epoch = models.BigIntegerField()
    ts_us = models.BigIntegerField()
    rules_version = models.SmallIntegerField()
    schema_version = models.SmallIntegerField()
    body = models.BinaryField()
    hash = models.BinaryField(max_length=32)

    class Meta:
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
    """Who may write a shard. Its epoch grows with each owner; every transaction checks it."""

    shard = models.SmallIntegerField(primary_key=True)
    epoch = models.BigIntegerField(default=0)
    owner = models.CharField(max_length=120, blank=True)
    backend_pid = models.IntegerField(null=True)
    channel = models.CharField(max_length=100, blank=True)
    acquired_at_us = models.BigIntegerField(default=0)
    loaded_at_us = models.BigIntegerField(default=0, help_text="0 until its books are loaded.")
    renewed_at_us = models.BigIntegerField(default=0)
    committed_at_us = models.BigIntegerField(default=0)
    queue_depth = models.IntegerField(default=0)
    clock_ahead_us = models.BigIntegerField(
        default=0, help_text="The engine's clock minus the database's."
    )
    books_ahead_us = models.BigIntegerField(
        default=0, help_text="How far the latest time in its books lies ahead of the clock."
    )

    def __str__(self) -> str:
        return f"shard {self.shard}, epoch {self.epoch}"

    @property
    def has_wrong_clock(self) -> bool:
        """Whether the engine takes no orders because its clock is not the database's."""
        return is_wrong(self.clock_ahead_us)

    @property
    def has_future_books(self) -> bool:
        """Whether orders were taken by a clock that was ahead."""
        return is_wrong(self.books_ahead_us)


class Candle(models.Model):
    """One minute of one outcome. Prices of trades are null in a minute without one."""

    market = market_key()
    outcome_index = models.SmallIntegerField()
    minute = models.BigIntegerField(help_text="Minutes since 1970, UTC.")
    open_pips = models.SmallIntegerField(null=True)
    high_pips = models.SmallIntegerField(null=True)
    low_pips = models.SmallIntegerField(null=True)
    close_pips = models.SmallIntegerField(null=True)
    bid_pips = models.SmallIntegerField(null=True)
    ask_pips = models.SmallIntegerField(null=True)
    volume_lots = models.BigIntegerField(default=0)
    open_interest_lots = models.BigIntegerField(default=0)
    trades = models.IntegerField(default=0)
    seq = models.BigIntegerField(help_text="The journal's sequence number that it reflects.")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("market", "outcome_index", "minute"), name="a_minute_has_one_candle"
            ),
        )
        indexes = (
            models.Index(
                fields=("market", "outcome_index", "minute"),
                name="candles_with_a_trade",
                condition=Q(close_pips__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"minute {self.minute} of market {self.market_id}"


class OutcomeStats(models.Model):
    """What tickers show of an outcome besides the live book; derived from the journal."""

    market = market_key()
    outcome_index = models.SmallIntegerField()
    last_pips = models.SmallIntegerField(null=True)
    bid_pips = models.SmallIntegerField(null=True)
    ask_pips = models.SmallIntegerField(null=True)
    volume_lots = models.BigIntegerField(default=0)
    trades = models.BigIntegerField(default=0)
    open_interest_lots = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("market", "outcome_index"), name="an_outcome_has_one_row_of_statistics"
            ),
        )

    def __str__(self) -> str:
        return f"statistics of outcome {self.outcome_index} of market {self.market_id}"


class DailyEquity(models.Model):
    """An account's cash and marked positions at the end of a UTC day."""

    account = account_key()
    day = models.DateField()
    cash_micros = models.BigIntegerField()
    equity_micros = models.BigIntegerField()
    deposited_micros = models.BigIntegerField(help_text="Grants and deposits less withdrawals.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("account", "day"), name="a_day_has_one_equity"),
        )
        indexes = (models.Index(fields=("day", "account"), name="equities_of_a_day"),)

    def __str__(self) -> str:
        return f"equity of account {self.account_id} on {self.day}"


class ExchangeDay(models.Model):
    """What was traded on one UTC day (see `readmodels.activity`). `traders` are users' accounts."""

    day = models.DateField(unique=True)
    volume_lots = models.BigIntegerField(default=0)
    volume_micros = models.BigIntegerField(default=0)
    trades = models.BigIntegerField(default=0)
    traders = models.IntegerField(default=0)
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name = _("day")
        verbose_name_plural = _("days")

    def __str__(self) -> str:
        return f"{self.day}"


class VerifyRun(AppendOnly):
    """What a check of all invariants found."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    breaches = models.IntegerField()
    report = models.JSONField()

    class Meta:
        verbose_name = _("check of all invariants")
        verbose_name_plural = _("checks of all invariants")

    def __str__(self) -> str:
        return f"verify of {self.started_at:%Y-%m-%d %H:%M}: {self.breaches} breaches"
