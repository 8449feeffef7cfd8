"""The portfolio, `/portfolio/`: equity, positions, orders, fills, settlements, transfers.

One page per list, each with the same head and a CSV file (`trading.pages.exports`). Lists are
paginated by cursor. Orders are cancelled through the common handler.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.context import json_for_script
from accounts.models import Account, Transfer
from accounts.queries import list_transfers
from kernel.errors import ApiError, describe
from kernel.units import format_amount, format_quantity
from markets.models import Market
from markets.templatetags.scalars import scale_data
from trading.engine.types import OrderStatus
from trading.models import OPEN_STATUSES, Margin, Order
from trading.pages import rows
from trading.pages.entry import get_principal, send
from trading.pages.exports import list_settled
from trading.pages.home import Choice
from trading.pipeline.instruments import build_instrument
from trading.readmodels import queries
from trading.readmodels.holdings import Holding, list_holdings, list_margins
from trading.readmodels.liquidation import value_sold
from trading.readmodels.performance import Performance, Point, read_performance
from web.pagination import bad_cursor, build_page, decode_cursor, paginate

NEWEST_FIRST: Final = ["-id"]
ROWS_SHOWN: Final = 50
POSITIONS_SHOWN: Final = 200
LIVE_MARKETS_MAX: Final = 100
"""Markets whose prices the page follows live; the others' stay as rendered."""
OPEN: Final = "open"
STATUSES: Final = {
    OPEN: (*OPEN_STATUSES, OrderStatus.UNTRIGGERED),
    "all": (),
    "filled": (OrderStatus.FILLED,),
    "cancelled": (OrderStatus.CANCELLED,),
    "expired": (OrderStatus.EXPIRED,),
}


class Head(NamedTuple):
    """The head above every list. `curve` and `live` are JSON for the page's script."""

    account: Account
    performance: Performance
    tabs: list[Choice]
    export_href: str
    curve: SafeString
    points: Sequence[Point]
    holdings: list[Holding]
    markets: dict[int, Market]


# --- lists ---------------------------------------------------------------------------------------


@require_safe
@login_required
def portfolio(request: HttpRequest) -> HttpResponse:
    head = read_head(request, "positions")
    shown = head.holdings[:POSITIONS_SHOWN]
    sold = value_sold(head.account, shown, head.markets)
    sales = rows.find_sales(shown)
    positions = [
        rows.build_position(row, head.markets[row.market_id], sold.get(row.market_id), sales)
        for row in shown
    ]
    positions = [row for row in positions if row.lines]
    positions.sort(key=lambda row: (-(row.value_micros or 0), row.market.slug))
    context = {
        "head": head,
        "positions": positions,
        "has_several": sum(len(row.lines) for row in positions) > 1,
        "hidden_count": len(head.holdings) - len(shown),
        "live": json_for_script([_show_live(row) for row in positions[:LIVE_MARKETS_MAX]]),
    }
    return render(request, "trading/portfolio.html", context)


def _show_live(row: rows.PositionRow) -> dict[str, Any]:
    """Return the script's data for valuing the position at other prices."""
    holding = row.holding
    codes = [outcome.code for outcome in row.market.outcomes.all()]
    return {
        "market": row.market.slug,
        "binary": row.market.has_one_book,
        "scale": scale_data(row.market),
        "value": None if row.value_micros is None else format_amount(row.value_micros),
        "sets": format_amount(holding.locked_micros),
        "paid": format_amount(holding.margin.net_paid_micros),
        "positions": {
            code: format_quantity(lots)
            for code, lots in zip(codes, holding.position_lots, strict=False)
            if lots
        },
        "lines": [
            {
                "key": line.key,
                "outcome": line.outcome.code,
                "mirrored": line.contract.is_mirrored,
            }
            for line in row.lines
        ],
    }


@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    head = read_head(request, "orders")
    status = request.GET.get("status", OPEN)
    status = status if status in STATUSES else OPEN
    found = Order.objects.filter(account=head.account)
    if STATUSES[status]:
        found = found.filter(status__in=STATUSES[status])
    page = paginate(
        found, order=NEWEST_FIRST, cursor=request.GET.get("cursor", ""), limit=ROWS_SHOWN
    )
    context = {
        "head": head,
        "orders": rows.build_orders(page.rows),
        "status": status,
        "filters": [
            Choice(label, f"?status={name}", name == status)
            for name, label in _name_filters().items()
        ],
        "more_href": _find_more(page.next_cursor, status=status),
    }
    return render(request, "trading/portfolio_orders.html", context)


@require_safe
@login_required
def fills(request: HttpRequest) -> HttpResponse:
    head = read_head(request, "fills")
    found = queries.list_fills(head.account.pk, beyond=_read_cursor(request), count=ROWS_SHOWN + 1)
    page = build_page(found, ROWS_SHOWN, lambda fill: [fill.trade.id], NEWEST_FIRST)
    context = {
        "head": head,
        "fills": rows.build_fills(page.rows),
        "more_href": _find_more(page.next_cursor),
    }
    return render(request, "trading/portfolio_fills.html", context)


@require_safe
@login_required
def settlements(request: HttpRequest) -> HttpResponse:
    head = read_head(request, "settlements")
    page = paginate(
        list_settled(head.account.pk),
        order=NEWEST_FIRST,
        cursor=request.GET.get("cursor", ""),
        limit=ROWS_SHOWN,
    )
    markets = rows.read_markets([margin.market_id for margin in page.rows])
    context = {
        "head": head,
        "settlements": [rows.SettlementRow(row, markets[row.market_id]) for row in page.rows],
        "more_href": _find_more(page.next_cursor),
    }
    return render(request, "trading/portfolio_settlements.html", context)


@require_safe
@login_required
def transfers(request: HttpRequest) -> HttpResponse:
    head = read_head(request, "transfers")
    found: Sequence[Transfer] = list_transfers(
        head.account.pk, before=_read_cursor(request), count=ROWS_SHOWN + 1
    )
    page = build_page(found, ROWS_SHOWN, lambda row: [row.id], NEWEST_FIRST)
    context = {
        "head": head,
        "transfers": rows.build_transfers(page.rows, head.account.pk),
        "more_href": _find_more(page.next_cursor),
    }
    return render(request, "trading/portfolio_transfers.html", context)


# --- cancelling ----------------------------------------------------------------------------------


@require_POST
@login_required
def cancel_order(request: HttpRequest, order_id: str) -> HttpResponse:
    try:
        send(request, "cancel", order_id=order_id)
    except ApiError as error:
        messages.error(request, describe(error, "order"))
    else:
        messages.success(request, _("Order cancelled."))
    return redirect("portfolio_orders")


@require_POST
@login_required
def cancel_orders(request: HttpRequest) -> HttpResponse:
    try:
        count = send(request, "cancel_all").count
    except ApiError as error:
        messages.error(request, describe(error, "order"))
    else:
        text = ngettext("%(count)s order cancelled.", "%(count)s orders cancelled.", count)
        messages.success(request, text % {"count": count})
    return redirect("portfolio_orders")


# --- the head ------------------------------------------------------------------------------------


def read_head(request: HttpRequest, current: str) -> Head:
    """Return the head above every list, in a constant number of queries."""
    account = Account.objects.get(pk=get_principal(request).account_id)
    margins: list[Margin] = list(
        list_margins(account.pk).filter(payout_micros=None).order_by("-id")
    )
    markets = rows.read_markets([margin.market_id for margin in margins])
    instruments = {market.pk: build_instrument(market) for market in markets.values()}
    holdings = list_holdings(margins, instruments)
    performance = read_performance(account, holdings)
    return Head(
        account,
        performance,
        _build_tabs(current),
        reverse("portfolio_export", args=[current]),
        json_for_script(_build_curve(performance)),
        list(reversed(performance.points[-31:])),
        holdings,
        markets,
    )


def _build_tabs(current: str) -> list[Choice]:
    tabs = {
        "positions": (_("Positions"), "portfolio"),
        "orders": (_("Orders"), "portfolio_orders"),
        "standing": (_("Standing orders"), "portfolio_standing"),
        "fills": (_("Fills"), "portfolio_fills"),
        "settlements": (_("Settlements"), "portfolio_settlements"),
        "transfers": (_("Transfers"), "portfolio_transfers"),
        "money": (_("Deposit and withdraw"), "portfolio_money"),
    }
    return [Choice(label, reverse(url), name == current) for name, (label, url) in tabs.items()]


def _build_curve(performance: Performance) -> dict[str, Any]:
    """Return the curve as [Unix seconds, equity in credits], a point per end of day."""
    points = [
        [_seconds_at_end(point), format_amount(point.equity_micros)] for point in performance.points
    ]
    equity_micros = performance.equity_micros
    return {
        "points": points,
        "now": None if equity_micros is None else format_amount(equity_micros),
    }


def _seconds_at_end(point: Point) -> int:
    return (point.day.toordinal() - 719_162) * 86_400


def _name_filters() -> dict[str, str]:
    return {
        OPEN: _("Open"),
        "all": _("All"),
        "filled": _("Filled"),
        "cancelled": _("Cancelled"),
        "expired": _("Expired"),
    }


def _find_more(cursor: str | None, **names: str) -> str:
    return "" if cursor is None else "?" + urlencode({**names, "cursor": cursor})


def _read_cursor(request: HttpRequest) -> UUID | None:
    cursor = request.GET.get("cursor", "")
    if not cursor:
        return None
    try:
        return UUID(decode_cursor(cursor, NEWEST_FIRST)[0])
    except (ValueError, AttributeError):
        raise bad_cursor() from None
