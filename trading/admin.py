"""Trading in the admin. Orders, trades, positions and the journal are read-only.

What is done to markets that trade is a row of buttons on the list of markets; each calls the same
`do_` as the API, with the note, payout or amount written beside them.
"""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import (
    ReadOnlyAdmin,
    act_on_each,
    show_amount,
    show_price,
    show_quantity,
)
from accounts.errors import RefusedError
from accounts.models import User
from accounts.units import UnitError, parse_amount_micros, parse_price_pips
from markets.admin import MarketAdmin, NoteActionForm
from markets.lifecycle import equal_payout
from markets.models import Market
from trading import actions
from trading.models import (
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

# --- markets ----------------------------------------------------------------------------------


class TradingActionForm(NoteActionForm):
    payout = forms.CharField(
        required=False, max_length=600, help_text="Codes that win (YES), or a price for each."
    )
    house_cover = forms.CharField(required=False, max_length=30)


def read_payout(text: str, market: Market) -> list[int]:
    """Read "YES", "A B" (equal shares) or "0.6 0.4" (a price for each outcome, in order)."""
    words = text.replace(",", " ").split()
    indexes = {outcome.code: outcome.index for outcome in market.outcomes.all()}
    if words and all(word in indexes for word in words):
        return equal_payout([indexes[word] for word in words], outcome_count=len(indexes))
    return [read_units(parse_price_pips, word, "payout") for word in words]


def read_units(parse: Callable[[str], int], text: str, field: str) -> int:
    try:
        return parse(text)
    except UnitError as error:
        raise RefusedError(error.code, error.message, field) from None


admin.site.unregister(Market)


@admin.register(Market)
class TradedMarketAdmin(MarketAdmin):
    action_form = TradingActionForm
    actions = [
        *MarketAdmin.actions,
        "open", "halt", "resume", "close", "resolve", "approve_result", "withdraw_result", "void",
    ]  # fmt: skip

    @admin.action(permissions=["change"], description="Open for trading")
    def open(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_open_market, "opened")

    @admin.action(permissions=["change"], description="Halt")
    def halt(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_halt_market, "halted")

    @admin.action(permissions=["change"], description="Resume")
    def resume(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_resume_market, "resumed")

    @admin.action(permissions=["change"], description="Close for good")
    def close(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_close_market, "closed")

    @admin.action(permissions=["resolve"], description="Propose the result (payout, note)")
    def resolve(self, request: HttpRequest, rows: QuerySet) -> None:
        text, by = request.POST.get("payout", ""), _user(request)

        def act(market: Market) -> None:
            payout_pips = read_payout(text, market)
            note = request.POST.get("note", "")
            actions.do_resolve_market(market, by=by, payout_pips=payout_pips, evidence_text=note)

        act_on_each(request, rows, act, "resolved")

    @admin.action(permissions=["resolve"], description="Approve the result as second person")
    def approve_result(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_approve_result, "approved")

    @admin.action(permissions=["resolve"], description="Withdraw the result (note)")
    def withdraw_result(self, request: HttpRequest, rows: QuerySet) -> None:
        self._act(request, rows, actions.do_withdraw_result, "withdrawn")

    @admin.action(permissions=["resolve"], description="Void (note, house cover once confirmed)")
    def void(self, request: HttpRequest, rows: QuerySet) -> None:
        text = request.POST.get("house_cover", "") or "0"

        def act(market: Market) -> None:
            cover_micros = read_units(parse_amount_micros, text, "house_cover")
            actions.do_void_market(
                market,
                by=_user(request),
                reason=request.POST.get("note", ""),
                house_cover_micros=cover_micros,
            )

        act_on_each(request, rows, act, "voided")

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return actions.may_void(_user(request))

    def _act(self, request: HttpRequest, rows: QuerySet, do: Callable[..., Any], done: str) -> None:
        note, by = request.POST.get("note", ""), _user(request)
        act_on_each(request, rows, lambda market: do(market, by=by, reason=note), done)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)  # nobody else gets into the admin


# --- what trading leaves behind ---------------------------------------------------------------


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = [
        "id", "market", "account", "outcome_index", "side", show_price("price_pips"),
        show_quantity("quantity_lots"), show_quantity("filled_lots"), "tif", "status", "reason",
        "created_at",
    ]  # fmt: skip
    list_select_related = ["market", "account__owner"]
    list_filter = ["status", "tif", "side"]
    search_fields = ["=id", "=market__slug", "=account__owner__handle"]
    ordering = ["-id"]


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin):
    list_display = [
        "id", "market", "seq", "outcome_index", "taker_side", show_price("price_pips"),
        show_quantity("quantity_lots"), "kind", "taker_account", "maker_account",
        show_amount("taker_fee_micros"), show_amount("maker_fee_micros"),
    ]  # fmt: skip
    list_select_related = ["market", "taker_account__owner", "maker_account__owner"]
    list_filter = ["kind"]
    search_fields = ["=id", "=market__slug"]
    ordering = ["-id"]


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    list_display = [
        "market", "account", "outcome_index", show_quantity("net_lots"),
        show_amount("cost_micros"), show_amount("realised_micros"),
    ]  # fmt: skip
    list_select_related = ["market", "account__owner"]
    search_fields = ["=market__slug", "=account__owner__handle"]


@admin.register(Margin)
class MarginAdmin(ReadOnlyAdmin):
    list_display = [
        "market", "account", show_quantity("collateral_lots"), show_amount("held_micros"),
        show_amount("net_paid_micros"), show_amount("fees_micros"), show_amount("payout_micros"),
    ]  # fmt: skip
    list_select_related = ["market", "account__owner"]
    search_fields = ["=market__slug", "=account__owner__handle"]


@admin.register(JournalRow)
class JournalRowAdmin(ReadOnlyAdmin):
    list_display = ["market", "seq_first", "seq_last", "shard", "epoch", "ts_us", "rules_version"]
    list_select_related = ["market"]
    search_fields = ["=market__slug"]
    exclude = ["body", "hash"]
    ordering = ["-id"]


@admin.register(BookState)
class BookStateAdmin(ReadOnlyAdmin):
    list_display = ["market", "seq", "ts_us", "status"]
    list_select_related = ["market"]
    search_fields = ["=market__slug"]
    exclude = ["config", "journal_hash"]


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = ["account", "key", "created_at_us"]
    list_select_related = ["account__owner"]
    search_fields = ["=account__owner__handle", "=key"]
    exclude = ["body_hash", "answer"]
    ordering = ["-id"]


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = ["shard", "epoch", "owner", "renewed_at_us", "committed_at_us", "queue_depth"]


@admin.register(OutcomeStats)
class OutcomeStatsAdmin(ReadOnlyAdmin):
    list_display = [
        "market", "outcome_index", show_price("last_pips"), show_price("bid_pips"),
        show_price("ask_pips"), show_quantity("volume_lots"), "trades", "seq",
    ]  # fmt: skip
    list_select_related = ["market"]
    search_fields = ["=market__slug"]


@admin.register(Candle)
class CandleAdmin(ReadOnlyAdmin):
    list_display = [
        "market", "outcome_index", "minute", show_price("open_pips"), show_price("high_pips"),
        show_price("low_pips"), show_price("close_pips"), show_quantity("volume_lots"), "seq",
    ]  # fmt: skip
    list_select_related = ["market"]
    search_fields = ["=market__slug"]
    ordering = ["-id"]


@admin.register(DailyEquity)
class DailyEquityAdmin(ReadOnlyAdmin):
    list_display = [
        "day", "account", show_amount("cash_micros"), show_amount("equity_micros"),
        show_amount("deposited_micros"),
    ]  # fmt: skip
    list_select_related = ["account__owner"]
    search_fields = ["=account__owner__handle"]
    ordering = ["-id"]


@admin.register(VerifyRun)
class VerifyRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "finished_at", "breaches"]
    ordering = ["-id"]
