"""The portfolio's lists as CSV files: every row, oldest first, exact.

Amounts have 6 decimals, prices 4, quantities 2; times are ISO 8601 in UTC. A text that a
spreadsheet would take for a formula gets a leading apostrophe; numbers never do. Rows are streamed
in chunks, each starting after the last row of the previous one, so a file has no size limit.

Sums: transfers' `amount` add up to the account's cash, which the last `cash_after` equals. Fills'
`cash_change` add up to its transfers of kinds trade and fee, settlements' `payout` to those of
kinds settlement and void.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import DepositRequest, Transfer, WithdrawalRequest
from kernel.clock import format_time, from_datetime
from kernel.errors import not_found
from kernel.spreadsheets import as_cell
from kernel.units import format_amount, format_price, format_quantity
from markets.models import Market
from trading.feed.missed import pair_with_orders
from trading.models import Margin, Order, StandingOrder, Trade
from trading.pages import rows
from trading.pages.entry import get_principal
from trading.pipeline.instruments import build_instrument
from trading.readmodels.holdings import list_holdings, list_margins
from trading.wire.render import SIDE_NAMES

CHUNK_ROWS: Final = 1_000

Key = Any
"""The key of the last row read, after which the next chunk starts. None before the first."""
Lines = list[list[str]]
Chunk = tuple[Lines, Key]
"""Lines of the file, and the key after which to continue (None: at the end)."""


@require_safe
@login_required
def export(request: HttpRequest, name: str) -> StreamingHttpResponse:
    if name not in FILES:
        raise not_found("this file")
    columns, read = FILES[name]
    account_id = get_principal(request).account_id
    return StreamingHttpResponse(
        _write(columns, lambda key: read(account_id, key)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"',
            "Cache-Control": "no-store",
        },
    )


async def _write(columns: Sequence[str], read: Callable[[Key], Chunk]) -> AsyncIterator[bytes]:
    yield _encode([columns])
    key: Key = None
    while True:
        lines, key = await sync_to_async(read)(
            key
        )  # the request's thread, which closes its connection
        if lines:
            yield _encode(lines)
        if key is None:
            return


def _encode(lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _text(value: str | None) -> str:
    """Return a text that no spreadsheet runs as a formula."""
    return as_cell(value or "")


def _time(moment: datetime | int | None) -> str:
    if moment is None:
        return ""
    return format_time(moment if isinstance(moment, int) else from_datetime(moment))


def _amount(micros: int | None) -> str:
    return "" if micros is None else format_amount(micros)


def _price(pips: int | None) -> str:
    return "" if pips is None else format_price(pips)


def _after(queryset: QuerySet, key: Key) -> list[Any]:
    """Return the next rows by id."""
    return list(
        (queryset if key is None else queryset.filter(pk__gt=key)).order_by("pk")[:CHUNK_ROWS]
    )


def _next_key(found: Sequence[Any]) -> Key:
    return found[-1].pk if len(found) == CHUNK_ROWS else None


# --- positions -----------------------------------------------------------------------------------

POSITIONS: Final = (
    "market", "title", "outcome", "outcome_name", "position", "average_price", "cost", "price",
    "unrealised_profit", "market_value", "market_locked_collateral", "market_held", "market_fees",
    "market_realised_profit",
)  # fmt: skip


def _read_positions(account_id: int, key: Key) -> Chunk:
    """A market's totals are in its first line only, so that every column can be summed."""
    margins = _after(list_margins(account_id).filter(payout_micros=None), key)
    markets = rows.read_markets([margin.market_id for margin in margins])
    instruments = {market.pk: build_instrument(market) for market in markets.values()}
    lines = []
    for holding in list_holdings(margins, instruments):
        lines += list(_write_position(rows.build_position(holding, markets[holding.market_id])))
    return lines, _next_key(margins)


def _write_position(row: rows.PositionRow) -> Iterator[list[str]]:
    holding = row.holding
    own_figures = [
        _amount(holding.value_micros),
        format_amount(holding.locked_micros),
        format_amount(holding.margin.held_micros),
        format_amount(holding.margin.fees_micros),
        format_amount(row.realised_micros),
    ]
    for index, line in enumerate(row.lines):
        yield [
            row.market.slug,
            _text(row.market.title),
            _text(line.outcome.code),
            _text(line.outcome.name),
            format_quantity(line.position_lots),
            format_amount(line.average_micros),
            format_amount(line.cost_micros),
            _amount(line.price_micros),
            _amount(line.profit_micros),
            *(own_figures if index == 0 else [""] * len(own_figures)),
        ]


# --- orders and fills ----------------------------------------------------------------------------

ORDERS: Final = (
    "id", "client_order_id", "created_at", "updated_at", "market", "title", "outcome", "side",
    "type", "price", "quantity", "budget", "filled", "remaining", "average_price", "fees", "status",
    "reason", "expires_at", "trigger", "trigger_price", "bracket", "order_group",
)  # fmt: skip


def _read_orders(account_id: int, key: Key) -> Chunk:
    orders = _after(Order.objects.filter(account=account_id), key)
    return [_write_order(row) for row in rows.build_orders(orders, as_api=True)], _next_key(orders)


def _write_order(row: rows.OrderRow) -> list[str]:
    order = row.order
    asked = row.asked
    return [
        order.id.hex,
        _text(order.client_order_id),
        _time(order.created_at_us),
        _time(order.updated_at_us),
        row.market.slug,
        _text(row.market.title),
        _text(row.outcome.code),
        row.side,
        "market" if asked.is_market else "limit",
        _price(row.price_pips),
        format_quantity(order.quantity_lots),
        _amount(asked.budget_micros),
        format_quantity(order.filled_lots),
        format_quantity(order.remaining_lots),
        _amount(row.average_micros),
        format_amount(order.fee_micros),
        row.status,
        order.reason or "",
        _time(order.expires_at_us),
        "" if asked.trigger is None else asked.trigger.kind.name.lower(),
        _price(row.trigger_pips),
        asked.bracket_id or "",
        asked.order_group or "",
    ]


STANDING: Final = (
    "id", "created_at", "market", "title", "outcome", "side", "price", "quantity",
    "daily_budget", "until", "stopped_at", "reason",
)  # fmt: skip


def _read_standing(account_id: int, key: Key) -> Chunk:
    """Outcome, side and price are as booked."""
    found = _after(StandingOrder.objects.filter(account=account_id), key)
    markets = rows.read_markets({row.market_id for row in found})
    return [_write_standing(row, markets[row.market_id]) for row in found], _next_key(found)


def _write_standing(row: StandingOrder, market: Market) -> list[str]:
    lots = row.quantity_lots
    return [
        row.id.hex,
        _time(row.created_at),
        market.slug,
        _text(market.title),
        _text(list(market.outcomes.all())[row.outcome_index].code),
        SIDE_NAMES[row.side],
        format_price(row.price_pips),
        "" if lots is None else format_quantity(lots),
        _amount(row.budget_micros),
        _time(row.until),
        _time(row.stopped_at),
        row.stop_reason,
    ]


FILLS: Final = (
    "id", "order_id", "created_at", "market", "title", "outcome", "side", "role", "price",
    "quantity", "amount", "fee", "cash_change",
)  # fmt: skip


def _read_fills(account_id: int, key: Key) -> Chunk:
    """A trade with oneself is two fills, the taker's first."""
    trades = _merge(
        Trade.objects.filter(taker_account=account_id),
        Trade.objects.filter(maker_account=account_id),
        key,
    )
    sides = [
        (trade, is_taker)
        for trade in trades
        for is_taker in (True, False)
        if account_id == (trade.taker_account_id if is_taker else trade.maker_account_id)
    ]
    fills = rows.build_fills(pair_with_orders(sides), as_api=True)
    return [_write_fill(row) for row in fills], _next_key(trades)


def _write_fill(row: rows.FillRow) -> list[str]:
    trade = row.fill.trade
    return [
        trade.id.hex,
        row.fill.order.id.hex,
        _time(trade.created_at_us),
        row.market.slug,
        _text(row.market.title),
        _text(row.outcome.code),
        row.side,
        "taker" if row.fill.is_taker else "maker",
        format_price(row.price_pips),
        format_quantity(trade.quantity_lots),
        format_amount(row.amount_micros),
        format_amount(row.fee_micros),
        format_amount(row.cash_micros),
    ]


def _merge(one: QuerySet, other: QuerySet, key: Key) -> list[Any]:
    """Return the next rows of two lists, by id, each row once: two index scans and no sort."""
    both = {row.pk: row for row in (*_after(one, key), *_after(other, key))}
    return [both[pk] for pk in sorted(both)][:CHUNK_ROWS]


# --- settlements and transfers -------------------------------------------------------------------

SETTLEMENTS: Final = (
    "market", "title", "settled_at", "result", "paid_in", "payout", "profit", "fees",
)  # fmt: skip


def list_settled(account_id: int) -> QuerySet[Margin]:
    """Return the account's margins in markets with a payout, a collection or a cost."""
    paid = Margin.objects.filter(account=account_id, payout_micros__isnull=False)
    return paid.exclude(net_paid_micros=0, payout_micros=0, fees_micros=0)


def _read_settlements(account_id: int, key: Key) -> Chunk:
    margins = _after(list_settled(account_id), key)
    markets = rows.read_markets([margin.market_id for margin in margins])
    settled = [rows.SettlementRow(margin, markets[margin.market_id]) for margin in margins]
    return [_write_settlement(row) for row in settled], _next_key(margins)


def _write_settlement(row: rows.SettlementRow) -> list[str]:
    winners = " ".join(outcome.code for outcome in row.winners)
    return [
        row.market.slug,
        _text(row.market.title),
        _time(row.market.settled_at),
        "void" if row.is_void else row.market.settled_number or _text(winners),
        format_amount(row.margin.net_paid_micros),
        format_amount(row.payout_micros),
        format_amount(row.profit_micros),
        format_amount(row.margin.fees_micros),
    ]


TRANSFERS: Final = (
    "id", "created_at", "kind", "amount", "cash_after", "counterparty", "market", "title",
    "reference", "reason",
)  # fmt: skip


def _read_transfers(account_id: int, key: tuple[UUID, int] | None) -> Chunk:
    """The key also contains the running cash balance."""
    after, cash_micros = key or (None, 0)
    found = Transfer.objects.select_related("debit_account", "credit_account")
    transfers = _merge(
        found.filter(debit_account=account_id), found.filter(credit_account=account_id), after
    )
    lines = []
    for row in rows.build_transfers(transfers, account_id):
        cash_micros += row.signed_micros
        lines.append(_write_transfer(row, cash_micros))
    last = _next_key(transfers)
    return lines, None if last is None else (last, cash_micros)


def _write_transfer(row: rows.TransferRow, cash_after_micros: int) -> list[str]:
    transfer = row.transfer
    return [
        transfer.id.hex,
        _time(transfer.created_at),
        transfer.kind,
        format_amount(row.signed_micros),
        format_amount(cash_after_micros),
        row.counterparty,
        row.market.slug if row.market else "",
        _text(row.market.title) if row.market else "",
        transfer.reference.hex if transfer.reference else "",
        _text(row.reason),
    ]


MONEY: Final = (
    "id", "kind", "amount", "status", "note", "reason", "requested_at", "decided_at",
)  # fmt: skip


def _read_money(account_id: int, key: Key) -> Chunk:
    found = _merge(
        WithdrawalRequest.objects.filter(account=account_id),
        DepositRequest.objects.filter(account=account_id),
        key,
    )
    return [_write_request(row) for row in found], _next_key(found)


def _write_request(row: Any) -> list[str]:
    return [
        row.id.hex,
        "withdrawal" if isinstance(row, WithdrawalRequest) else "deposit",
        format_amount(row.amount_micros),
        row.status,
        _text(row.note),
        _text(row.reason),
        _time(row.requested_at),
        _time(row.decided_at),
    ]


Reader = Callable[[int, Key], Chunk]
FILES: Final[dict[str, tuple[Sequence[str], Reader]]] = {
    "positions": (POSITIONS, _read_positions),
    "orders": (ORDERS, _read_orders),
    "standing": (STANDING, _read_standing),
    "fills": (FILLS, _read_fills),
    "settlements": (SETTLEMENTS, _read_settlements),
    "transfers": (TRANSFERS, _read_transfers),
    "money": (MONEY, _read_money),
}
