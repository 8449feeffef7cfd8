"""What an account's run was worth, from the journals alone: so it is the same whoever asks when.

Each journal is folded from its events; before each command the book is known, and so the mid that
a fill is held against. `slippage` is what a fill cost against it: positive is worse than the mid.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from kernel.clock import format_time, from_datetime
from kernel.units import format_amount, format_price, format_quantity
from markets.models import Market, Outcome
from trading.engine.engine import Engine
from trading.engine.events import Traded
from trading.engine.types import BUY, SELL
from trading.models import Margin
from trading.pipeline.journal import read_rows
from trading.readmodels.track_record import (
    PPM_PER_PIP,
    Forecast,
    TrackRecord,
    build_track_record,
)

MICROS_PER_SECOND: Final = 1_000_000


class ReportFill(NamedTuple):
    """One fill of the account: its own side, the mid of before in half pips (None: one-sided)."""

    market: str
    ts_us: int
    outcome: int
    is_maker: bool
    side: int
    price_pips: int
    lots: int
    fee_micros: int
    mid_half_pips: int | None
    queue_us: int | None
    order_id: str

    @property
    def slippage_micros(self) -> int | None:
        """Against the mid, over the whole quantity; rounded down to the micro."""
        if self.mid_half_pips is None:
            return None
        return self.side * (2 * self.price_pips - self.mid_half_pips) * self.lots // 2


class ReportMarket(NamedTuple):
    market: str
    title: str
    fills: int
    lots: int
    fees_micros: int
    profit_micros: int | None
    """None until it is paid out."""
    settled_at: datetime | None


class Report(NamedTuple):
    fills: list[ReportFill]
    markets: list[ReportMarket]
    calibration: TrackRecord


def build_report(account_id: int) -> Report:
    """Return the report over all markets in which the account traded."""
    margins = Margin.objects.filter(account=account_id).select_related("market")
    fills: list[ReportFill] = []
    markets: list[ReportMarket] = []
    forecasts: list[Forecast] = []
    for margin in margins.order_by("market_id"):
        own = list(_list_fills(margin.market, account_id))
        if not own:
            continue
        fills += own
        markets.append(_sum_up(margin, own))
        forecasts += _list_forecasts(margin.market, own)
    profits = [one.profit_micros for one in markets if one.profit_micros is not None]
    record = build_track_record(forecasts, markets=len(profits), profit_micros=sum(profits))
    return Report(sorted(fills, key=lambda fill: fill.ts_us), markets, record)


def _list_fills(market: Market, account_id: int) -> Iterator[ReportFill]:
    engine = Engine(market.pk)
    placed: dict[str, int] = {}
    for row, body in read_rows(market.pk):
        for entry in body.entries:
            mids = [_find_mid(engine, outcome) for outcome in range(len(engine.books))]
            engine.replay_events(entry.command, row.ts_us, entry.events)
            if entry.command.account_id == account_id and hasattr(entry.command, "order_id"):
                placed.setdefault(entry.command.order_id, row.ts_us)
            for event in entry.events:
                if isinstance(event, Traded):
                    yield from _read_trade(market, event, account_id, row.ts_us, mids, placed)
        engine.dirty_orders.clear()


def _read_trade(
    market: Market,
    event: Traded,
    account_id: int,
    ts_us: int,
    mids: list[int | None],
    placed: dict[str, int],
) -> Iterator[ReportFill]:
    for is_maker in (False, True):
        owner = event.maker_account_id if is_maker else event.taker_account_id
        if owner != account_id:
            continue
        order_id = event.maker_order_id if is_maker else event.taker_order_id
        placed_us = placed.get(order_id)
        yield ReportFill(
            market.slug,
            ts_us,
            event.outcome,
            is_maker,
            -event.taker_side if is_maker else event.taker_side,
            event.price_pips,
            event.quantity_lots,
            event.maker_fee_micros if is_maker else event.taker_fee_micros,
            mids[event.outcome],
            ts_us - placed_us if is_maker and placed_us is not None else None,
            order_id,
        )


def _find_mid(engine: Engine, outcome: int) -> int | None:
    book = engine.books[outcome]
    bid_pips, ask_pips = book.top(BUY)[0], book.top(SELL)[0]
    return None if bid_pips is None or ask_pips is None else bid_pips + ask_pips


def _sum_up(margin: Margin, fills: list[ReportFill]) -> ReportMarket:
    paid_out = margin.payout_micros
    return ReportMarket(
        margin.market.slug,
        margin.market.title,
        len(fills),
        sum(fill.lots for fill in fills),
        sum(fill.fee_micros for fill in fills),
        None if paid_out is None else paid_out - margin.net_paid_micros,
        margin.market.settled_at,
    )


def _list_forecasts(market: Market, fills: Iterable[ReportFill]) -> Iterator[Forecast]:
    """Each fill as a forecast: what was bought at a price, and whether it came true."""
    if market.status != Market.Status.SETTLED:
        return
    outcomes = Outcome.objects.filter(market=market).order_by("index")
    payouts = list(outcomes.values_list("payout_pips", flat=True))
    for fill in fills:
        said = Forecast(fill.price_pips * PPM_PER_PIP, (payouts[fill.outcome] or 0) * PPM_PER_PIP)
        yield said if fill.side == BUY else said.mirror()


# --- as JSON and CSV --------------------------------------------------------------------------


def show_report(report: Report) -> dict[str, Any]:
    """Return the report as JSON has it: decimal texts, as everywhere in the API."""
    return {
        "fills": [dict(zip(COLUMNS, show_fill(fill), strict=True)) for fill in report.fills],
        "slippage": format_amount(sum_slippage(report.fills)),
        "queue_seconds": summarise_queue(report.fills),
        "markets": [
            {
                "market": one.market,
                "title": one.title,
                "fills": one.fills,
                "quantity": format_quantity(one.lots),
                "fees": format_amount(one.fees_micros),
                "profit": None if one.profit_micros is None else format_amount(one.profit_micros),
            }
            for one in report.markets
        ],
        "profit": format_amount(report.calibration.profit_micros),
        "calibration": {
            "forecasts": report.calibration.forecasts,
            "brier": report.calibration.brier,
            "bins": [one._asdict() for one in report.calibration.bins if one.forecasts],
        },
    }


COLUMNS: Final = (
    "market", "time", "role", "side", "price", "quantity", "fee", "mid", "slippage",
    "queue_seconds", "order",
)  # fmt: skip


def show_fill(fill: ReportFill) -> tuple[object, ...]:
    mid = None if fill.mid_half_pips is None else str(Decimal(5 * fill.mid_half_pips).scaleb(-5))
    slippage = fill.slippage_micros
    return (
        fill.market,
        format_time(fill.ts_us),
        "maker" if fill.is_maker else "taker",
        "buy" if fill.side == BUY else "sell",
        format_price(fill.price_pips),
        format_quantity(fill.lots),
        format_amount(fill.fee_micros),
        mid,
        None if slippage is None else format_amount(slippage),
        None if fill.queue_us is None else fill.queue_us / MICROS_PER_SECOND,
        fill.order_id,
    )


def write_csv(report: Report) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows(show_fill(fill) for fill in report.fills)
    return text.getvalue().encode()


def summarise_queue(fills: Iterable[ReportFill]) -> dict[str, float] | None:
    """Median and longest time from an order to its fills as a maker."""
    waits = sorted(fill.queue_us for fill in fills if fill.queue_us is not None)
    if not waits:
        return None
    median = waits[len(waits) // 2] / MICROS_PER_SECOND
    return {"median": median, "longest": waits[-1] / MICROS_PER_SECOND}


def sum_slippage(fills: Iterable[ReportFill]) -> int:
    return sum(fill.slippage_micros or 0 for fill in fills)


def build_curve(report: Report) -> list[tuple[int, int]]:
    """Return (time, what cash and positions were worth at the mid of then) after each fill.

    Once all is paid out, the last point is the profit.
    """
    cash_micros = 0
    positions: dict[tuple[str, int], tuple[int, int]] = {}
    curve = []
    for fill in report.fills:
        cash_micros -= fill.side * fill.price_pips * fill.lots + fill.fee_micros
        key = fill.market, fill.outcome
        lots, half_pips = positions.get(key, (0, 2 * fill.price_pips))
        positions[key] = lots + fill.side * fill.lots, fill.mid_half_pips or half_pips
        worth = sum(lots * half_pips // 2 for lots, half_pips in positions.values())
        curve.append((fill.ts_us, cash_micros + worth))
    ends = [one.settled_at for one in report.markets if one.settled_at is not None]
    if ends and len(ends) == len(report.markets):
        curve.append((from_datetime(max(ends)), report.calibration.profit_micros))
    return curve
