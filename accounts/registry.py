"""Functions that higher apps register with accounts when Django starts.

Each has a default, so accounts also runs, and is tested, alone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Valuation(NamedTuple):
    locked_collateral_micros: int
    positions_micros: int | None  # None: a position has no known price


class DataTable(NamedTuple):
    """A table of a user's data export: `rows(user_id)` reads it in chunks, oldest first.

    Values are of types common to CSV and JSON: texts (exact decimals), integers, booleans, None.
    """

    name: str
    columns: Sequence[str]
    rows: Callable[[int], Iterator[Mapping[str, Any]]]


class MoneyNews(NamedTuple):
    """An operator's action on a user's money; `what` is a transfer's kind or an audit action."""

    user_id: int
    what: str
    amount_micros: int
    reason: str


_value_positions: Callable[[int], Valuation] | None = None
_name_markets: Callable[[Collection[int]], Mapping[int, str]] | None = None
_cancel_orders: Callable[[int, Any, str], None] | None = None
_notify_of_money: Callable[[Sequence[MoneyNews]], None] | None = None
_find_liquidity: Callable[[int, Sequence[int]], int] | None = None
_find_worst_loss: Callable[[int, Sequence[int]], int] | None = None
_data_tables: dict[str, DataTable] = {}
_forget_user: list[Callable[[int], None]] = []


def register(
    *,
    value_positions: Callable[[int], Valuation] | None = None,
    name_markets: Callable[[Collection[int]], Mapping[int, str]] | None = None,
    cancel_orders: Callable[[int, Any, str], None] | None = None,
    notify_of_money: Callable[[Sequence[MoneyNews]], None] | None = None,
    find_liquidity: Callable[[int, Sequence[int]], int] | None = None,
    find_worst_loss: Callable[[int, Sequence[int]], int] | None = None,
    data_tables: Sequence[DataTable] = (),
    forget_user: Callable[[int], None] | None = None,
) -> None:
    """`value_positions(account_id)`, and `name_markets(market_ids)` -> {market_id: slug}.

    `cancel_orders(account_id, by, reason)` cancels every open order, outside of a transaction: for
    the operator `by`, or for the owner if None.
    `notify_of_money(news)` notifies owners, in the transaction of the change.
    `find_liquidity(micros, priors)` is the liquidity in lots of an automated maker that may lose so
    much, `find_worst_loss(lots, priors)` the other way round.
    `data_tables` are added to data exports; `forget_user(user_id)` wipes personal data in an app's
    own tables, inside the transaction that deletes the user. Several apps may register these two.
    """
    global _value_positions, _name_markets, _cancel_orders, _notify_of_money
    global _find_liquidity, _find_worst_loss
    _value_positions = value_positions or _value_positions
    _name_markets = name_markets or _name_markets
    _cancel_orders = cancel_orders or _cancel_orders
    _notify_of_money = notify_of_money or _notify_of_money
    _find_liquidity = find_liquidity or _find_liquidity
    _find_worst_loss = find_worst_loss or _find_worst_loss
    _data_tables.update({table.name: table for table in data_tables})
    if forget_user is not None and forget_user not in _forget_user:
        _forget_user.append(forget_user)


def value_positions(account_id: int) -> Valuation:
    return _value_positions(account_id) if _value_positions else Valuation(0, 0)


def name_markets(market_ids: Collection[int]) -> Mapping[int, str]:
    return _name_markets(market_ids) if _name_markets and market_ids else {}


def cancel_orders(account_id: int, *, by: Any = None, reason: str = "") -> None:
    if _cancel_orders is not None:
        _cancel_orders(account_id, by, reason)


def notify_of_money(news: Sequence[MoneyNews]) -> None:
    if _notify_of_money is not None and news:
        _notify_of_money(news)


def find_liquidity(subsidy_micros: int, priors: Sequence[int]) -> int:
    return _find_liquidity(subsidy_micros, priors) if _find_liquidity else 0


def find_worst_loss(b_lots: int, priors: Sequence[int]) -> int:
    return _find_worst_loss(b_lots, priors) if _find_worst_loss else 0


def list_data_tables() -> list[DataTable]:
    return list(_data_tables.values())


def forget_user(user_id: int) -> None:
    for forget in _forget_user:
        forget(user_id)
