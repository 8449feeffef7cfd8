"""Orders, trades, positions and what the engine left behind, read-only.

These tables grow without end. So they are searched by whole values for which there is an index (an
id, a handle, a market's slug), sorted as an index sorts them, and neither filtered nor counted.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from accounts.admin_base import ReadOnlyAdmin, show_amount, show_price, show_quantity
from accounts.clock import to_datetime
from accounts.ids import check_id
from accounts.models import Account
from markets.models import Market
from trading.journal import decode_body
from trading.models import (
    OPEN_STATUSES,
    BookState,
    Candle,
    DailyEquity,
    JournalRow,
    Lease,
    Margin,
    Order,
    OutcomeStats,
    Position,
    Receipt,
    Trade,
    VerifyRun,
)

COMMANDS_SHOWN_MAX = 50


def show_time(field: str) -> Callable[[Any], Any]:
    """A column of microseconds, shown as a time."""

    def show(row: Model) -> Any:
        us = getattr(row, field)
        return to_datetime(us) if us else None

    show.short_description = field.removesuffix("_us").replace("_", " ")  # type: ignore[attr-defined]
    return show


class RecordAdmin(ReadOnlyAdmin):
    """`account_keys` and `has_market` say by what a search finds rows, `found_order` how sorted."""

    ordering = ["-pk"]
    search_fields = ["pk"]
    account_keys: tuple[str, ...] = ("account",)
    has_market = True
    found_order: tuple[str, ...] = ("-pk",)

    @property
    def search_help_text(self) -> str:  # type: ignore[override]
        handle = ["a handle"] if self.account_keys else []
        slug = ["a market's slug"] if self.has_market else []
        return f"An id, {' or '.join([*handle, *slug])}, whole."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = self.find_by_id(term) | self.find_by_account(term) | self.find_by_market(term)
        return queryset.filter(wanted).order_by(*self.found_order), False

    def find_by_id(self, term: str) -> Q:
        """Return what finds a row by its number, or nothing."""
        return Q(pk=int(term)) if term.isdecimal() and len(term) < 19 else Q(pk__in=())

    def find_by_account(self, handle: str) -> Q:
        ids = list(Account.objects.filter(owner__handle=handle).values_list("pk", flat=True))
        found = Q(pk__in=())
        for key in self.account_keys if ids else ():
            found |= Q(**{f"{key}__in": ids})
        return found

    def find_by_market(self, slug: str) -> Q:
        ids = list(Market.objects.filter(slug=slug).values_list("pk", flat=True))
        return Q(market__in=ids) if self.has_market and ids else Q(pk__in=())


class HexRecordAdmin(RecordAdmin):
    def find_by_id(self, term: str) -> Q:
        try:
            return Q(pk=check_id(term))
        except ValueError:
            return Q(pk__in=())


@admin.register(Order)
class OrderAdmin(HexRecordAdmin):
    list_display = [
        "id",
        show_time("created_at_us"),
        "account",
        "market",
        "outcome_index",
        "side",
        "as_no",
        show_price("price_pips"),
        show_quantity("quantity_lots"),
        show_quantity("filled_lots"),
        "status",
        "reason",
    ]
    list_select_related = ["account__owner", "market"]

    @property
    def search_help_text(self) -> str:  # type: ignore[override]
        return "An id, a handle, or a market's slug (its open orders), whole."

    def find_by_market(self, slug: str) -> Q:
        return super().find_by_market(slug) & Q(status__in=OPEN_STATUSES)


@admin.register(Trade)
class TradeAdmin(HexRecordAdmin):
    list_display = [
        "id",
        show_time("created_at_us"),
        "market",
        "outcome_index",
        show_price("price_pips"),
        show_quantity("quantity_lots"),
        "taker_side",
        "taker_account",
        "maker_account",
        show_amount("taker_fee_micros"),
        show_amount("maker_fee_micros"),
        "kind",
    ]
    list_select_related = ["market", "taker_account__owner", "maker_account__owner"]
    account_keys = ("taker_account", "maker_account")


@admin.register(Position)
class PositionAdmin(RecordAdmin):
    list_display = [
        "account",
        "market",
        "outcome_index",
        show_quantity("net_lots"),
        show_amount("cost_micros"),
        show_amount("realised_micros"),
    ]
    list_select_related = ["account__owner", "market"]
    found_order = ("market_id", "account_id", "outcome_index")


@admin.register(Margin)
class MarginAdmin(RecordAdmin):
    list_display = [
        "account",
        "market",
        show_quantity("collateral_lots"),
        show_amount("held_micros"),
        show_amount("net_paid_micros"),
        show_amount("fees_micros"),
        show_amount("payout_micros"),
    ]
    list_select_related = ["account__owner", "market"]
    found_order = ("market_id", "account_id")


@admin.register(Receipt)
class ReceiptAdmin(RecordAdmin):
    list_display = ["id", show_time("created_at_us"), "account", "key"]
    list_select_related = ["account__owner"]
    has_market = False


@admin.register(JournalRow)
class JournalRowAdmin(RecordAdmin):
    list_display = [
        "id",
        show_time("ts_us"),
        "market",
        "seq_first",
        "seq_last",
        "shard",
        "epoch",
        "rules_version",
    ]
    list_select_related = ["market"]
    readonly_fields = ["hash_hex", "commands"]
    account_keys = ()
    found_order = ("-seq_first",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("body")

    @admin.display(description="hash")
    def hash_hex(self, row: JournalRow) -> str:
        return bytes(row.hash).hex()

    def commands(self, row: JournalRow) -> str:
        entries = decode_body(bytes(row.body)).entries
        lines = [
            f"{row.seq_first + index}: {entry.command} -> {len(entry.events)} events"
            for index, entry in enumerate(entries[:COMMANDS_SHOWN_MAX])
        ]
        left = len(entries) - len(lines)
        return "\n".join([*lines, f"and {left} more"] if left else lines)


@admin.register(Candle)
class CandleAdmin(RecordAdmin):
    list_display = [
        "market",
        "outcome_index",
        "minute",
        show_price("open_pips"),
        show_price("high_pips"),
        show_price("low_pips"),
        show_price("close_pips"),
        show_quantity("volume_lots"),
        "trades",
        "seq",
    ]
    list_select_related = ["market"]
    account_keys = ()
    found_order = ("-outcome_index", "-minute")


@admin.register(OutcomeStats)
class OutcomeStatsAdmin(RecordAdmin):
    list_display = [
        "market",
        "outcome_index",
        show_price("last_pips"),
        show_price("bid_pips"),
        show_price("ask_pips"),
        show_quantity("volume_lots"),
        show_quantity("open_interest_lots"),
        "trades",
        "seq",
    ]
    list_select_related = ["market"]
    account_keys = ()


@admin.register(DailyEquity)
class DailyEquityAdmin(RecordAdmin):
    list_display = [
        "account",
        "day",
        show_amount("cash_micros"),
        show_amount("equity_micros"),
        show_amount("deposited_micros"),
    ]
    list_select_related = ["account__owner"]
    has_market = False


@admin.register(BookState)
class BookStateAdmin(RecordAdmin):
    list_display = ["market", "seq", show_time("ts_us"), "status"]
    list_select_related = ["market"]
    account_keys = ()


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = [
        "shard",
        "epoch",
        "owner",
        show_time("acquired_at_us"),
        show_time("renewed_at_us"),
        show_time("committed_at_us"),
        "queue_depth",
    ]
    ordering = ["shard"]


@admin.register(VerifyRun)
class VerifyRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "finished_at", "breaches"]
    ordering = ["-pk"]
