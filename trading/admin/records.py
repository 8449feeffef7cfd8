"""Orders, trades, positions and the engine's records: read-only, linked to one another.

These tables grow without bound; see `accounts.admin_base.RecordAdmin` for how they stay fast.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import (
    Link,
    ReadOnlyAdmin,
    RecordAdmin,
    find_by_hex,
    find_url,
    link_to,
    link_to_list,
    show_amount,
    show_id,
    show_price,
    show_quantity,
    show_time,
)
from accounts.numbers import currency_name
from accounts.templatetags.predex import NOTHING, contracts, when
from kernel.clock import to_datetime
from kernel.ids import check_id
from markets.models import FINAL_STATUSES, Market
from trading.models import (
    OPEN_STATUSES,
    BookState,
    Candle,
    DailyEquity,
    ExchangeDay,
    JournalRow,
    Lease,
    Margin,
    Order,
    OutcomeStats,
    Position,
    Receipt,
    Settlement,
    Trade,
    VerifyRun,
)
from trading.pipeline.journal import decode_body

COMMANDS_SHOWN_MAX = 50
US_PER_MINUTE = 60_000_000


class MarketRecordAdmin(RecordAdmin):
    """Rows of a market, also found by its slug."""

    search_help_text = _("Exact id, handle or market address")

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        for key in Market.objects.filter(slug=term).values_list("pk", flat=True):
            yield self.find_by_market(key)

    def find_by_market(self, market_id: int) -> Q:
        return Q(market=market_id)

    def get_links(self, row: Any) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
        if hasattr(row, "account"):
            yield Link(_("Account"), find_url(row.account))


def outcome(row: Any) -> str:
    """Return the outcome's name of a row that was read with its market and outcomes."""
    names = {one.index: one.name for one in row.market.outcomes.all()}
    return names.get(row.outcome_index, str(row.outcome_index))


outcome.short_description = _("outcome")  # type: ignore[attr-defined]


class OutcomeRecordAdmin(MarketRecordAdmin):
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("market__outcomes")


class OutcomeFigureAdmin(OutcomeRecordAdmin):
    list_select_related: ClassVar[Any] = ["market"]
    account_keys = ()
    search_help_text = _("Exact id or market address")


@admin.register(Order)
class OrderAdmin(OutcomeRecordAdmin):
    list_display = [
        show_id(),
        show_time("created_at_us", _("placed")),
        link_to("account", _("account")),
        link_to("market", _("market")),
        outcome,
        "side",
        "as_no",
        show_price("price_pips", _("price")),
        show_quantity("quantity_lots", _("contracts")),
        show_quantity("filled_lots", _("filled")),
        "status",
        "reason",
    ]
    list_select_related = ["account__owner", "market"]
    search_help_text = _("Exact id, handle, or market address (its open orders)")

    def find_by_id(self, term: str) -> Iterable[Q]:
        return find_by_hex(term)

    def find_by_market(self, market_id: int) -> Q:
        return super().find_by_market(market_id) & Q(status__in=OPEN_STATUSES)

    def get_links(self, row: Order) -> Iterable[Link]:
        yield Link(_("Trades of this order"), link_to_list("trading_trade", row.pk.hex))
        yield from super().get_links(row)
        yield Link(_("Journal of the market"), link_to_list("trading_journalrow", row.market.slug))


@admin.register(Trade)
class TradeAdmin(OutcomeRecordAdmin):
    list_display = [
        show_id(),
        show_time("created_at_us", _("time")),
        link_to("market", _("market")),
        outcome,
        show_price("price_pips", _("price")),
        show_quantity("quantity_lots", _("contracts")),
        "taker_side",
        link_to("taker_account", _("taker")),
        link_to("maker_account", _("maker")),
        show_amount("taker_fee_micros", _("taker's fee")),
        show_amount("maker_fee_micros", _("maker's fee")),
        "kind",
    ]
    list_select_related = ["market", "taker_account__owner", "maker_account__owner"]
    account_keys = ("taker_account", "maker_account")
    search_help_text = _("Exact trade or order id, handle or market address")

    def find_by_id(self, term: str) -> Iterable[Q]:
        try:
            key = check_id(term)
        except ValueError:
            return
        for name in ("pk", "taker_order_id", "maker_order_id"):
            yield Q(**{name: key})

    def get_links(self, row: Trade) -> Iterable[Link]:
        for title, key in (
            (_("Taker's order"), row.taker_order_id),
            (_("Maker's order"), row.maker_order_id),
        ):
            if key is None:  # the house's
                continue
            yield Link(title, reverse("admin:trading_order_change", args=[key]))
        for title, account in (
            (_("Taker"), row.taker_account),
            (_("Maker"), row.maker_account),
        ):
            yield Link(title, find_url(account))
            transfers = link_to_list("accounts_transfer", f"account:{account.pk}")
            yield Link(_("Transfers of %s") % account, transfers)
        yield from super().get_links(row)
        journal = link_to_list("trading_journalrow", f"{row.market.slug}:{row.seq}")
        yield Link(_("Journal row"), journal)


@admin.register(Position)
class PositionAdmin(OutcomeRecordAdmin):
    list_display = [
        link_to("account", _("account")),
        link_to("market", _("market")),
        outcome,
        show_quantity("net_lots", _("contracts")),
        show_amount("cost_micros", _("cost")),
        show_amount("realised_micros", _("realised")),
    ]
    list_select_related = ["account__owner", "market"]
    found_order = ("market_id", "account_id", "outcome_index")


@admin.register(Margin)
class MarginAdmin(MarketRecordAdmin):
    list_display = [
        link_to("account", _("account")),
        link_to("market", _("market")),
        show_quantity("collateral_lots", _("collateral, in contracts")),
        show_amount("held_micros", _("held")),
        show_amount("net_paid_micros", _("paid in less received")),
        show_amount("fees_micros", _("fees")),
        show_amount("payout_micros", _("paid out")),
    ]
    list_select_related = ["account__owner", "market"]
    found_order = ("market_id", "account_id")


@admin.register(Settlement)
class SettlementAdmin(MarketRecordAdmin):
    list_display = [
        link_to("account", _("account")),
        link_to("market", _("market")),
        "number",
        show_amount("difference_micros", _("difference of the payout")),
        show_amount("liquidity_micros", _("of the maker's rest")),
        show_amount("held_micros", _("held")),
        show_amount("lacking_micros", _("lacking")),
        "moved_at",
    ]
    list_select_related = ["account__owner", "market"]
    found_order = ("market_id", "number", "account_id")


@admin.register(Receipt)
class ReceiptAdmin(RecordAdmin):
    list_display = [
        "id", show_time("created_at_us", _("time")), link_to("account", _("account")), "key",
    ]  # fmt: skip
    list_select_related = ["account__owner"]
    search_help_text = _("Exact id or handle")
    exclude = ["body_hash", "answer"]


@admin.register(JournalRow)
class JournalRowAdmin(MarketRecordAdmin):
    list_display = [
        "id",
        show_time("ts_us", _("time")),
        link_to("market", _("market")),
        "seq_first",
        "seq_last",
        "shard",
        "epoch",
        "rules_version",
    ]
    list_select_related = ["market"]
    exclude = ["body", "hash"]
    readonly_fields = ["hash_hex", "commands"]
    account_keys = ()
    found_order = ("-seq_first",)
    search_help_text = _("Exact id, market address, or address:sequence")

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        slug, _colon, seq = term.rpartition(":")
        if not (seq.isdecimal() and len(seq) < 19):
            return
        for key in Market.objects.filter(slug=slug).values_list("pk", flat=True):
            yield Q(market=key, seq_first__lte=int(seq), seq_last__gte=int(seq))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("body")

    @admin.display(description=_("hash"))
    def hash_hex(self, row: JournalRow) -> str:
        return bytes(row.hash).hex()

    @admin.display(description=_("commands"))
    def commands(self, row: JournalRow) -> str:
        entries = decode_body(bytes(row.body)).entries
        lines = [
            f"{row.seq_first + index}: {entry.command} -> {len(entry.events)} events"
            for index, entry in enumerate(entries[:COMMANDS_SHOWN_MAX])
        ]
        left = len(entries) - len(lines)
        text = "\n".join([*lines, f"and {left} more"] if left else lines)
        return format_html('<pre class="record">{}</pre>', text)


@admin.register(Candle)
class CandleAdmin(OutcomeFigureAdmin):
    list_display = [
        link_to("market", _("market")),
        outcome,
        "time",
        show_price("open_pips", _("open")),
        show_price("high_pips", _("high")),
        show_price("low_pips", _("low")),
        show_price("close_pips", _("close")),
        show_quantity("volume_lots", _("volume")),
        "trades",
        "seq",
    ]
    found_order = ("-outcome_index", "-minute")

    @admin.display(description=_("time"))
    def time(self, row: Candle) -> str:
        return when(to_datetime(row.minute * US_PER_MINUTE))


@admin.register(OutcomeStats)
class OutcomeStatsAdmin(OutcomeFigureAdmin):
    list_display = [
        link_to("market", _("market")),
        outcome,
        show_price("last_pips", _("last")),
        show_price("bid_pips", _("bid")),
        show_price("ask_pips", _("ask")),
        show_quantity("volume_lots", _("volume")),
        "open_interest",
        "trades",
        "seq",
    ]

    @admin.display(description=_("open interest"))
    def open_interest(self, row: OutcomeStats) -> str:
        is_paid = row.market.status in FINAL_STATUSES
        return contracts(0 if is_paid else row.open_interest_lots)


@admin.register(DailyEquity)
class DailyEquityAdmin(RecordAdmin):
    list_display = [
        link_to("account", _("account")),
        "day",
        show_amount("cash_micros", _("cash")),
        show_amount("equity_micros", _("equity")),
        show_amount("deposited_micros", _("deposited")),
    ]
    list_select_related = ["account__owner"]
    search_help_text = _("Exact id or handle")


@admin.register(BookState)
class BookStateAdmin(MarketRecordAdmin):
    list_display = [link_to("market", _("market")), "seq", show_time("ts_us", _("time")), "status"]
    list_select_related = ["market"]
    exclude = ["config", "journal_hash"]
    account_keys = ()
    search_help_text = _("Exact id or market address")


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = [
        "shard",
        "epoch",
        "owner",
        show_time("acquired_at_us", _("acquired")),
        show_time("renewed_at_us", _("renewed")),
        show_time("committed_at_us", _("committed")),
        "queue_depth",
        "clock_ahead_us",
        "books_ahead_us",
    ]
    ordering = ["shard"]


@admin.register(VerifyRun)
class VerifyRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "finished_at", "breaches"]
    ordering = ["-pk"]
    exclude = ["report"]
    readonly_fields = ["findings"]

    @admin.display(description=_("findings"))
    def findings(self, row: VerifyRun) -> str:
        lines = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    one["invariant"],
                    one["what"],
                    one["checked"],
                    one["breaches"],
                    "; ".join(one["examples"]) or NOTHING,
                )
                for one in row.report
            ),
        )
        heads = format_html_join(
            "",
            '<th scope="col">{}</th>',
            ((head,) for head in (_("Law"), _("What"), _("Checked"), _("Breaches"), _("Examples"))),
        )
        return format_html(
            '<div class="plain-scroll" tabindex="0" role="region" aria-label="{}">'
            '<table class="plain-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
            _("findings"),
            heads,
            lines,
        )


@admin.register(ExchangeDay)
class ExchangeDayAdmin(ReadOnlyAdmin):
    list_display = [
        "day",
        show_quantity("volume_lots", _("contracts")),
        show_amount("volume_micros", currency_name),
        "trades",
        "traders",
        "counted_at",
    ]
    ordering = ["-day"]
