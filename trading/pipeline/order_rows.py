"""An order's row: its columns, and the conversion from and to the engine's order.

The `OrderOptions` are one column, JSON of the fields that differ from their defaults; NULL for a
plain order. `expires_at_us` and the order group are separate columns too because they are queried.
"""

from collections import namedtuple
from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec

from kernel import bulk
from trading.engine.book import EngineOrder
from trading.engine.commands import Place
from trading.engine.types import OrderOptions, OrderStatus, Reason, Stp, Tif, Trigger

TABLE: Final = bulk.Table(
    "trading_order",
    {
        "id": "uuid",
        "account_id": "bigint",
        "market_id": "bigint",
        "owner_id": "bigint",
        "outcome_index": "smallint",
        "side": "smallint",
        "as_no": "boolean",
        "tif": "smallint",
        "stp": "smallint",
        "fee_free": "boolean",
        "options": "text",
        "expires_at_us": "bigint",
        "client_order_id": "text",
        "order_group_id": "uuid",
        "created_at_us": "bigint",
        "price_pips": "smallint",
        "quantity_lots": "bigint",
        "remaining_lots": "bigint",
        "filled_lots": "bigint",
        "filled_micros": "bigint",
        "fee_micros": "bigint",
        "maker_basis": "bigint",
        "taker_basis": "bigint",
        "status": "smallint",
        "reason": "text",
        "priority": "bigint",
        "trigger_pips": "smallint",
        "updated_at_us": "bigint",
        "updated_seq": "bigint",
    },
)
COLUMNS: Final = tuple(TABLE.columns)
FIXED: Final = COLUMNS.index("price_pips")
"""The number of leading columns that never change."""
CHANGING: Final = COLUMNS[FIXED:]
Row = cast("Any", namedtuple("Row", COLUMNS))
_OPEN: Final = (
    "SELECT {columns} FROM trading_order"
    " WHERE market_id = {mark} AND status IN (0, 1) ORDER BY priority"
)
_UNTRIGGERED: Final = (
    "SELECT {columns} FROM trading_order WHERE market_id = {mark} AND status = 6 ORDER BY id"
)
_TIFS, _STPS, _STATUSES = tuple(Tif), tuple(Stp), tuple(OrderStatus)
_DEFAULTS: Final = OrderOptions()
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(dict[str, Any]).decode


def encode_options(options: OrderOptions | None) -> str | None:
    """Return the value of the column `options`."""
    if options is None:
        return None
    asked = {
        name: value
        for name in OrderOptions.__struct_fields__
        if (value := getattr(options, name)) != getattr(_DEFAULTS, name)
    }
    return _encode(asked).decode() if asked else None


def decode_options(text: str | None) -> OrderOptions | None:
    """Return the options from the column's value."""
    if text is None:
        return None
    asked = _decode(text)
    if "trigger" in asked:
        asked["trigger"] = msgspec.convert(asked["trigger"], Trigger)
    return OrderOptions(**asked)


def build_row(order: EngineOrder, *, market_id: int, ts_us: int, seq: int) -> tuple[Any, ...]:
    """Return the row of an order that was last changed by command `seq` at `ts_us`."""
    place, options = order.place, order.place.options
    return (
        order.order_id,
        order.account_id,
        market_id,
        order.owner_id,
        order.outcome,
        order.side,
        place.as_no,
        int(place.tif),  # quicker than `.value`
        int(place.stp),
        place.fee_free,
        None if options is None else encode_options(options),
        None if options is None else options.expires_at_us,
        place.client_order_id,
        None if options is None else options.order_group,
        order.created_at_us,
        order.price_pips or None,
        order.quantity_lots,
        order.remaining_lots,
        order.filled_lots,
        order.filled_micros,
        order.fee_micros,
        order.maker_basis,
        order.taker_basis,
        int(order.status),
        order.reason,
        order.priority,
        order.trigger_pips,
        ts_us,
        seq,
    )


def read_order(row: Any, order_id: str) -> EngineOrder:
    """Return the engine's order from a row, which has the columns as attributes.

    Its Place has the price and quantity that it was last amended to.
    """
    place = Place(
        order_id,
        row.account_id,
        row.owner_id,
        row.outcome_index,
        row.side,
        row.price_pips,
        row.quantity_lots,
        _TIFS[row.tif],
        _STPS[row.stp],
        bool(row.as_no),
        bool(row.fee_free),
        row.client_order_id,
        decode_options(row.options),
    )
    return EngineOrder(
        place,
        order_id,
        row.account_id,
        row.owner_id,
        row.outcome_index,
        row.side,
        row.price_pips or 0,
        row.quantity_lots,
        row.remaining_lots,
        row.created_at_us,
        priority=row.priority,
        status=_STATUSES[row.status],
        reason=None if row.reason is None else Reason(row.reason),
        filled_micros=row.filled_micros,
        fee_micros=row.fee_micros,
        maker_basis=row.maker_basis,
        taker_basis=row.taker_basis,
        trigger_pips=row.trigger_pips,
    )


def read_open_orders(market_id: int) -> Iterator[EngineOrder]:
    """Yield a market's open orders in order of priority."""
    return _read_orders(_OPEN, market_id)


def read_untriggered_orders(market_id: int) -> Iterator[EngineOrder]:
    """Yield a market's orders that wait for their triggers or to be fired."""
    return _read_orders(_UNTRIGGERED, market_id)


def _read_orders(statement: str, market_id: int) -> Iterator[EngineOrder]:
    cursor = bulk.open_cursor()
    order_id = "replace(id::text, '-', '')" if bulk.is_postgresql() else "id"
    columns = ", ".join((order_id, *COLUMNS[1:]))
    cursor.execute(statement.format(columns=columns, mark=bulk.placeholder()), (market_id,))
    return (read_order(row, row.id) for row in map(Row._make, cursor))
