"""The whole of a market's state as bytes, and in a canonical form that can be compared."""

import hashlib
from typing import Any

import msgspec

from trading.engine.book import EngineOrder
from trading.engine.maker import MakerState
from trading.engine.margin import AccountState, copy_account
from trading.engine.market_books import MarketBooks, order_of_arrival
from trading.engine.types import BUY, Config, MarketStatus


class Snapshot(msgspec.Struct, array_like=True):
    """All of a market's state, orders in order of priority, those without triggers apart."""

    market_id: int
    seq: int
    ts_us: int
    status: MarketStatus | None
    config: Config | None
    orders: list[EngineOrder]
    accounts: list[AccountState]
    maker: MakerState | None = None
    untriggered: list[EngineOrder] = []


def save(market: MarketBooks) -> bytes:
    """Return all of the state as bytes, for `restore`."""
    accounts = [copy_account(account, with_orders=False) for account in market.accounts.values()]
    orders = [
        msgspec.structs.replace(order, live=False)
        for order in sorted(market.orders.values(), key=lambda order: order.priority)
    ]
    return msgspec.msgpack.encode(
        Snapshot(
            market.market_id,
            market.seq,
            market.ts_us,
            market.status,
            market.config,
            orders,
            accounts,
            None if market.maker is None else market.maker.save(),
            sorted(market.untriggered.values(), key=order_of_arrival),
        )
    )


def dump(market: MarketBooks) -> tuple[Any, ...]:
    """Return the state in a canonical form: equal markets give equal dumps."""
    orders = tuple(
        _dump_order(order)
        for book in market.books
        for side in (BUY, -BUY)
        for order in book.orders(side)
    )
    accounts = tuple(
        _dump_account(account)
        for _, account in sorted(market.accounts.items())
        if account.touched()
    )
    parts: tuple[Any, ...] = (
        market.seq,
        market.ts_us,
        market.status,
        market.config,
        orders,
        accounts,
    )
    if market.maker is not None:
        parts = (*parts, market.maker.save())
    if market.untriggered:
        waiting = sorted(market.untriggered.values(), key=order_of_arrival)
        parts = (*parts, tuple(map(_dump_untriggered, waiting)))
    return parts


def compute_hash(market: MarketBooks) -> str:
    """Return the SHA-256 of the canonical form, as hex."""
    seq, ts_us, status, config, *rest = dump(market)
    hashed = (seq, ts_us, status, _dump_config(config), *rest)
    return hashlib.sha256(msgspec.msgpack.encode(hashed)).hexdigest()


def _dump_config(config: Config | None) -> tuple[Any, ...] | None:
    """Return its fields up to the last that is set, so that a new one changes no old hash."""
    if config is None:
        return None
    fields = msgspec.structs.astuple(config)
    while fields[-1] is None:
        fields = fields[:-1]
    return fields


def _dump_order(order: EngineOrder) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.account_id,
        order.outcome,
        order.side,
        order.price_pips,
        order.quantity_lots,
        order.remaining_lots,
        order.fee_micros,
        order.maker_basis,
        order.taker_basis,
        order.filled_micros,
    )


def _dump_untriggered(order: EngineOrder) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.account_id,
        order.outcome,
        order.side,
        order.price_pips,
        order.quantity_lots,
        order.trigger_pips,
        order.priority,
    )


def _dump_account(account: AccountState) -> tuple[Any, ...]:
    return (
        account.account_id,
        tuple(account.net_lots),
        account.held_micros,
        account.net_paid_micros,
        account.fees_micros,
        tuple(account.cost_micros),
        tuple(account.realised_micros),
    )
