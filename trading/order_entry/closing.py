"""Closing positions: which there are, and the order that closes one.

Each is a reduce-only market order, carried out by itself, so that however old the position read
here is, nothing more than the position is traded.
"""

from collections import defaultdict
from typing import Final, NamedTuple

from kernel.units import format_quantity
from markets.models import Market
from trading.engine.margin import compute_position_lots, new_account
from trading.engine.types import ORDER_LOTS_MAX, OUTCOMES_MAX
from trading.models import Position, Receipt
from trading.pipeline.instruments import Instrument
from trading.wire.commands import NO
from trading.wire.fields import number_in
from trading.wire.schema import PlaceOrder

PREFIX: Final = "request:{key} "
TRADING: Final = (Market.Status.OPEN, Market.Status.HALTED)


class TradedOutcomes(NamedTuple):
    """The outcomes of one market in which an account has bought or sold, by book."""

    market_id: int
    net_lots: dict[int, int]


def find_holdings(account_id: int, market_id: int | None) -> list[TradedOutcomes]:
    """Return what the account has in the markets that trade, or in one."""
    rows = Position.objects.filter(account_id=account_id, market__status__in=TRADING)
    if market_id is not None:
        rows = rows.filter(market_id=market_id)
    by_market: dict[int, dict[int, int]] = defaultdict(dict)
    found = rows.order_by("market_id").values_list("market_id", "outcome_index", "net_lots")
    for found_id, outcome, net_lots in found:
        by_market[found_id][outcome] = net_lots
    return [TradedOutcomes(found_id, lots) for found_id, lots in by_market.items()]


def compute_positions(holding: TradedOutcomes, instrument: Instrument) -> dict[int, int]:
    """Return the lots of each position, as they are shown; below 0 what was sold."""
    state = new_account(0, instrument.book_count)
    for outcome, net_lots in holding.net_lots.items():
        state.net_lots[outcome] = net_lots
    positions = {
        outcome: compute_position_lots(state, outcome, binary=instrument.binary)
        for outcome in range(instrument.book_count)
    }
    return {outcome: lots for outcome, lots in positions.items() if lots}


def find_earlier(account_id: int, key: str) -> list[tuple[int, int]]:
    """Return (market, book) of what was closed before under an Idempotency-Key."""
    prefix = PREFIX.format(key=key)
    keys = Receipt.objects.filter(account_id=account_id, key__startswith=prefix)
    return [
        divmod(int(found.removeprefix(prefix), 16), OUTCOMES_MAX)
        for found in keys.order_by("id").values_list("key", flat=True)
        if found.startswith(prefix)  # SQLite takes small and capital letters for the same
    ]


def build_key(key: str, market_id: int, outcome: int) -> str:
    """Return the key that closing one position is answered under.

    One number, so that five million markets have room beside the longest key. A space can't be
    part of an Idempotency-Key, so this is nobody else's.
    """
    return f"{PREFIX.format(key=key)}{market_id * OUTCOMES_MAX + outcome:x}"


def build_order(instrument: Instrument, outcome: int, lots: int) -> PlaceOrder:
    """Return the order that closes a position of so many lots; of NO, if that is what is owned."""
    owns_no = instrument.binary and lots < 0
    return PlaceOrder(
        market=instrument.slug,
        outcome=instrument.codes[NO if owns_no else outcome],
        side="sell" if lots > 0 or owns_no else "buy",
        type="market",
        quantity=number_in(format_quantity(min(abs(lots), ORDER_LOTS_MAX))),
        reduce_only=True,
    )
