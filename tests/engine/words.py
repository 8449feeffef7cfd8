"""The words that scenarios use: events as text, and numbers as traders write them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from trading.engine.events import (
    Amended,
    AnyEvent,
    Configured,
    CrossMatched,
    Decremented,
    Ended,
    Fired,
    LegAttached,
    LegResized,
    Rejected,
    Rested,
    Traded,
    Triggered,
    TriggerMoved,
    Waited,
)
from trading.engine.types import BUY, PAYOUT_PIPS, Reason, TradeKind


def describe(event: AnyEvent) -> str:
    """Return one event as text."""
    return DESCRIBERS[type(event)](event)


def _describe_rejected(event: Rejected) -> str:
    missing = f", {credits_text(event.missing_micros)} missing" if event.missing_micros else ""
    return f"refused: {event.reason}{missing}"


def _describe_traded(event: Traded) -> str:
    verb, to = ("buys", "from") if event.taker_side == BUY else ("sells", "to")
    what = f"{contracts_text(event.quantity_lots)} @ {price_text(event.price_pips)}"
    note = {TradeKind.DIRECT: "", TradeKind.MINT: ", minted", TradeKind.MERGE: ", merged"}
    roles = {"taker": event.taker_fee_micros, "maker": event.maker_fee_micros}
    fees = [f"{credits_text(micros)} {role} fee" for role, micros in roles.items() if micros]
    said = f"{event.taker_order_id} {verb} {what} {to} {event.maker_order_id}{note[event.kind]}"
    return ", ".join([said, *fees])


def _describe_match(event: CrossMatched) -> str:
    taken, *made = event.trades
    is_mint = event.kind is TradeKind.MINT
    verb, result = ("buys", "minted") if is_mint else ("sells", "merged")
    what = f"{contracts_text(event.quantity_lots)} @ {price_text(taken.price_pips)}"
    makers = [
        f"{leg.maker_order_id} @ {price_text(leg.price_pips)}{_fee_text(leg.maker_fee_micros)}"
        for leg in made
    ]
    said = f"{taken.taker_order_id} {verb} {what}{_fee_text(taken.taker_fee_micros)}"
    return f"{said}, {result} with {' and '.join(makers)}"


def _fee_text(fee_micros: int) -> str:
    return f" ({credits_text(fee_micros)} fee)" if fee_micros else ""


def _describe_rested(event: Rested) -> str:
    verb = "bids" if event.side == BUY else "asks"
    what = f"{contracts_text(event.remaining_lots)} @ {price_text(event.price_pips)}"
    return f"{event.order_id} {verb} {what}"


def _describe_amended(event: Amended) -> str:
    place = "keeps" if event.kept_priority else "loses"
    what = contracts_text(event.quantity_lots)
    what += f" @ {price_text(event.price_pips)}" if event.price_pips else ""
    if event.trigger_pips is not None:
        return f"{event.order_id} amended to {what}, waits for {price_text(event.trigger_pips)}"
    return f"{event.order_id} amended to {what}, {place} its place"


def _describe_decremented(event: Decremented) -> str:
    by, left = contracts_text(event.by_lots), contracts_text(event.remaining_lots)
    return f"{event.order_id} shrinks by {by} to {left}"


def _describe_ended(event: Ended) -> str:
    left = f" with {contracts_text(event.remaining_lots)} left" if event.remaining_lots else ""
    obvious = event.reason in (Reason.FILLED, Reason.EXPIRED)
    return f"{event.order_id} {event.status.name.lower()}{left}" + (
        "" if obvious else f": {event.reason}"
    )


def _describe_waited(event: Waited) -> str:
    price = "a price" if event.trigger_pips is None else price_text(event.trigger_pips)
    return f"{event.order_id} waits for {price}"


def _describe_attached(event: LegAttached) -> str:
    assert event.leg.trigger is not None
    at_pips, lots = event.leg.trigger.price_pips, contracts_text(event.remaining_lots)
    at = "" if at_pips is None else f" at {price_text(at_pips)}"
    return f"{event.order_id} is to close {lots}{at}"


DESCRIBERS: Final[dict[type[Any], Callable[[Any], str]]] = {
    Rejected: _describe_rejected,
    Traded: _describe_traded,
    CrossMatched: _describe_match,
    Rested: _describe_rested,
    Amended: _describe_amended,
    Decremented: _describe_decremented,
    Ended: _describe_ended,
    Configured: lambda event: f"market {event.status.name.lower()}",
    Waited: _describe_waited,
    TriggerMoved: lambda event: f"{event.order_id} follows to {price_text(event.trigger_pips)}",
    Triggered: lambda event: f"{event.order_id} triggered",
    Fired: lambda event: f"{event.order_id} fires @ {price_text(event.price_pips)}",
    LegAttached: _describe_attached,
    LegResized: lambda e: f"{e.order_id} is to close {contracts_text(e.remaining_lots)}",
}


def pips(text: str) -> int:
    return _exact(text, PAYOUT_PIPS)


def lots(text: str) -> int:
    return _exact(text, 100)


def micros(text: str) -> int:
    return _exact(text, 1_000_000)


def _exact(text: str, scale: int) -> int:
    number = Decimal(text.replace(",", "")) * scale
    assert number == int(number), text
    return int(number)


def price_text(price_pips: int) -> str:
    return _plain(Decimal(price_pips) / PAYOUT_PIPS, decimals_min=2)


def contracts_text(quantity_lots: int) -> str:
    return _plain(Decimal(quantity_lots) / 100, decimals_min=0)


def credits_text(amount_micros: int) -> str:
    return _plain(Decimal(amount_micros) / 1_000_000, decimals_min=2)


def _plain(number: Decimal, decimals_min: int) -> str:
    whole, _, decimals = f"{number:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(decimals_min, "0")
    return f"{whole}.{decimals}" if decimals else whole
