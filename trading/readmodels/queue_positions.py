"""Where an account's resting orders stand in the queue: how many lots trade before each.

Ahead of an order is what rests on its side of its book at a better price, or at its price and came
earlier (`priority`). One pass over the market's resting orders answers for all of an account's.
"""

# ruff: noqa: S608 - the statement is built only from names in this code; every value is bound

from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from trading.models import OPEN_STATUSES

_BEFORE: Final = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
_SELECT: Final = f"""
    SELECT id, ahead, ahead_at_price FROM (
        SELECT id, account_id, priority,
            COALESCE(SUM(remaining_lots) OVER (
                PARTITION BY outcome_index, side ORDER BY -side * price_pips, priority {_BEFORE}
            ), 0) AS ahead,
            COALESCE(SUM(remaining_lots) OVER (
                PARTITION BY outcome_index, side, price_pips ORDER BY priority {_BEFORE}
            ), 0) AS ahead_at_price
        FROM trading_order
        WHERE market_id = %s AND status IN ({", ".join(str(s.value) for s in OPEN_STATUSES)})
    ) AS queued
    WHERE account_id = %s ORDER BY id DESC
"""


class QueuePosition(NamedTuple):
    """The lots ahead of an order, and those among them that rest at its own price."""

    ahead_lots: int
    ahead_at_price_lots: int


def list_queue_positions(market_id: int, account_id: int) -> dict[str, QueuePosition]:
    """Return the positions of an account's resting orders in a market by id, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [market_id, account_id])
        return {
            _read_id(order_id): QueuePosition(int(ahead), int(at_price))
            for order_id, ahead, at_price in cursor.fetchall()
        }


def _read_id(value: Any) -> str:
    """Return an id as 32 hex digits; PostgreSQL has a type of its own for it."""
    return value.hex if isinstance(value, UUID) else str(value)
