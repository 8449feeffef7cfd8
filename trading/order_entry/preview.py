"""Preview of an order from the engine's quote: money, prices afterwards, warnings."""

from collections.abc import Iterable
from typing import Final

from kernel.clock import now_us
from kernel.units import format_amount, format_quantity
from trading.engine.book import EngineOrder
from trading.engine.events import Traded
from trading.engine.types import BUY, PAYOUT_PIPS, OrderStatus
from trading.pipeline.instruments import Instrument
from trading.pipeline.messages import DepthLevel, Result
from trading.wire.commands import NO
from trading.wire.options import mirror_pips
from trading.wire.render import SIDE_NAMES, show_average, show_price
from trading.wire.schema import PreviewAnswer, Warned

PRICE_IMPACT_PIPS: Final = 500
"""A larger distance from best to worst price of the fills is a warning."""
CLOSES_SOON_US: Final = 60_000_000
RESTING: Final = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def show_preview(
    result: Result, instrument: Instrument, levels: Iterable[DepthLevel]
) -> PreviewAnswer:
    """`levels` is the current book: a quote covers only what the order can reach."""
    order = result.order
    assert order is not None, "a quote that was not refused has its order"
    trades = [fill.trade for fill in result.fills]
    book, maker = find_best_after(order, trades, levels), result.maker_prices
    bid_pips = max((pips for pips in (book[0], maker[0]) if pips is not None), default=None)
    ask_pips = min((pips for pips in (book[1], maker[1]) if pips is not None), default=None)
    if order.place.as_no:
        bid_pips, ask_pips = mirror_pips(ask_pips, as_no=True), mirror_pips(bid_pips, as_no=True)
    fees_micros = sum(trade.taker_fee_micros for trade in trades)
    return PreviewAnswer(
        market=instrument.slug,
        outcome=instrument.codes[NO if order.place.as_no else order.outcome],
        side=SIDE_NAMES[_entered_side(order)],
        status=order.status.name.lower(),
        reason=None if order.reason is None else order.reason.value,
        filled=format_quantity(order.filled_lots),
        remaining=format_quantity(order.remaining_lots),
        average_price=show_average(order.filled_micros, order.filled_lots, as_no=order.place.as_no),
        cost=format_amount(fees_micros - sum(trade.taker_cash_micros for trade in trades)),
        fees=format_amount(fees_micros),
        hold=format_amount(_find_hold_micros(result, order)),
        pays_if_right=format_amount(_compute_payout_micros(order, trades)),
        best_bid=show_price(bid_pips),
        best_ask=show_price(ask_pips),
        filled_across=format_quantity(
            sum(trade.quantity_lots for trade in trades if not trade.maker_order_id)
        ),
        warnings=find_warnings(order, trades, instrument),
        seq=result.seq,
    )


def find_best_after(
    order: EngineOrder, trades: Iterable[Traded], levels: Iterable[DepthLevel]
) -> tuple[int | None, int | None]:
    """Return the best bid and ask of the order's book once it has traded and rests."""
    own: dict[int, int] = {}
    other: dict[int, int] = {}
    for level in levels:
        if level.outcome == order.outcome:
            bid, ask = (own, other) if order.side == BUY else (other, own)
            bid[level.price_pips], ask[level.price_pips] = level.bid_lots, level.ask_lots
    for trade in trades:
        if not trade.maker_order_id:  # across books, or with a maker: nothing of this one
            continue
        other[trade.price_pips] = other.get(trade.price_pips, 0) - trade.quantity_lots
    if order.status in RESTING:
        own[order.price_pips] = own.get(order.price_pips, 0) + order.remaining_lots
    bids, asks = (own, other) if order.side == BUY else (other, own)
    return (
        max((price_pips for price_pips, lots in bids.items() if lots > 0), default=None),
        min((price_pips for price_pips, lots in asks.items() if lots > 0), default=None),
    )


def find_warnings(order: EngineOrder, trades: list[Traded], instrument: Instrument) -> list[Warned]:
    found = []
    if order.status not in (*RESTING, OrderStatus.FILLED, OrderStatus.UNTRIGGERED):
        by_budget = order.place.budget_micros is not None
        unfilled = "the whole budget" if by_budget else format_quantity(order.remaining_lots)
        verb = "spent" if by_budget else "filled"
        why = order.reason.value if order.reason is not None else "cancelled"
        code = "partly_filled" if trades else "not_filled"
        found.append(Warned(code=code, message=f"{unfilled} would not be {verb}: {why}"))
    if trades and abs(trades[-1].price_pips - trades[0].price_pips) > PRICE_IMPACT_PIPS:
        message = "the last contract would trade far from the first one's price"
        found.append(Warned(code="price_impact", message=message))
    if instrument.close_at_us - now_us() < CLOSES_SOON_US:
        found.append(Warned(code="closes_soon", message="the market closes within a minute"))
    return found


def _find_hold_micros(result: Result, order: EngineOrder) -> int:
    """Funds that trades may free are not part of this order's hold."""
    return max(0, result.held_change_micros) if order.status in RESTING else 0


def _compute_payout_micros(order: EngineOrder, trades: list[Traded]) -> int:
    """Return the payout if right: for contracts opened by fills, and for what rests.

    A sale's rest counts 0: whether it will open or close depends on what happens before.
    """
    opened_lots = sum(_opened_lots(trade) for trade in trades)
    if order.status in RESTING and _entered_side(order) == BUY:
        opened_lots += order.remaining_lots
    return PAYOUT_PIPS * opened_lots


def _opened_lots(trade: Traded) -> int:
    """Return how much of a fill opened the taker's position rather than closed one.

    Cash moves by -price x bought - D x more collateral; selling what is not owned adds collateral.
    """
    bought_lots = trade.taker_side * trade.quantity_lots
    cash_micros = trade.taker_side * trade.paid_micros + trade.taker_cash_micros
    more_collateral_lots = -cash_micros // PAYOUT_PIPS
    return more_collateral_lots + (bought_lots if trade.taker_side == BUY else 0)


def _entered_side(order: EngineOrder) -> int:
    return -order.side if order.place.as_no else order.side
