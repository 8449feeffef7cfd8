"""The table of operations: one row for each that is served."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from compat.kalshi import candles, keys, market_data, orders, portfolio
from compat.kalshi import legacy_orders as legacy
from compat.kalshi.market_data import show_nothing

NOT_HERE: Final = "this path"
READ: Final = "read"
WRITE: Final = "write"
TRADE: Final = "trade"


class Operation(NamedTuple):
    """`scope` is what the key needs (None: public), `bucket` where tokens are taken from."""

    method: str
    path: str
    respond: Callable[..., Any]
    scope: str | None = None
    bucket: str = READ
    status: int = 200


def _own(path: str, respond: Callable[..., Any]) -> Operation:
    return Operation("GET", path, respond, READ)


def _trade(method: str, path: str, respond: Callable[..., Any], status: int = 200) -> Operation:
    return Operation(method, path, respond, TRADE, WRITE, status)


_ORDERS: Final = "portfolio/orders"
_EVENT_ORDERS: Final = "portfolio/events/orders"

OPERATIONS: Final = (
    Operation("GET", "exchange/status", market_data.show_status),
    Operation("GET", "exchange/schedule", market_data.show_schedule),
    Operation("GET", "exchange/announcements", market_data.show_announcements),
    Operation("GET", "exchange/user_data_timestamp", market_data.show_data_timestamp),
    Operation("GET", "series", market_data.list_all_series),
    Operation("GET", "series/fee_changes", market_data.list_fee_changes),
    Operation("GET", "series/{series}", market_data.show_series),
    Operation("GET", "series/{series}/markets/{ticker}/candlesticks", candles.show_candles),
    Operation("GET", "series/{series}/events/{ticker}/candlesticks", candles.show_event_candles),
    Operation("GET", "events", market_data.list_events),
    Operation("GET", "events/multivariate", show_nothing("events")),
    Operation("GET", "events/fee_changes", show_nothing("event_fee_changes")),
    Operation("GET", "events/{event}", market_data.show_event),
    Operation("GET", "events/{event}/metadata", market_data.show_event_metadata),
    Operation("GET", "markets", market_data.list_books),
    Operation("GET", "markets/trades", market_data.list_trades),
    Operation("GET", "markets/orderbooks", market_data.list_orderbooks),
    Operation("GET", "markets/candlesticks", candles.list_candles),
    Operation("GET", "markets/{ticker}", market_data.show_book),
    Operation("GET", "markets/{ticker}/orderbook", market_data.show_orderbook),
    Operation("GET", "historical/cutoff", market_data.show_cutoff),
    Operation("GET", "historical/markets", market_data.list_books),
    Operation("GET", "historical/markets/{ticker}", market_data.show_book),
    Operation("GET", "historical/markets/{ticker}/candlesticks", candles.show_candles),
    Operation("GET", "historical/trades", market_data.list_trades),
    Operation("GET", "search/tags_by_categories", market_data.list_tags),
    Operation("GET", "incentive_programs", show_nothing("incentive_programs")),
    Operation("GET", "milestones", show_nothing("milestones")),
    Operation("GET", "structured_targets", show_nothing("structured_targets")),
    Operation("GET", "multivariate_event_collections", show_nothing("multivariate_contracts")),
    # --- of an account ---
    _own("account/limits", keys.show_limits),
    Operation("GET", "account/endpoint_costs", keys.show_costs),
    _own("api_keys", keys.list_keys),
    _trade("POST", "api_keys", keys.create_key, 201),
    _trade("POST", "api_keys/generate", keys.generate_key, 201),
    _trade("DELETE", "api_keys/{api_key}", keys.delete_key, 204),
    _own("portfolio/balance", portfolio.show_balance),
    _own("portfolio/positions", portfolio.list_positions),
    _own("historical/positions", portfolio.list_positions),
    _own("portfolio/fills", portfolio.list_fills),
    _own("historical/fills", portfolio.list_fills),
    _own("portfolio/settlements", portfolio.list_settlements),
    _own("portfolio/summary/total_resting_order_value", portfolio.show_resting_value),
    _own("portfolio/deposits", show_nothing("deposits")),
    _own("portfolio/withdrawals", show_nothing("withdrawals")),
    _own(_ORDERS, portfolio.list_orders),
    _own("historical/orders", portfolio.list_orders),
    # --- orders, as since 2026 ---
    _trade("POST", _EVENT_ORDERS, orders.create, 201),
    _trade("DELETE", _EVENT_ORDERS, orders.cancel_all, 204),
    _trade("POST", f"{_EVENT_ORDERS}/batched", orders.create_batch, 201),
    _trade("DELETE", f"{_EVENT_ORDERS}/batched", orders.cancel_batch),
    _trade("DELETE", f"{_EVENT_ORDERS}/{{order_id}}", orders.cancel),
    _trade("POST", f"{_EVENT_ORDERS}/{{order_id}}/amend", orders.amend),
    _trade("POST", f"{_EVENT_ORDERS}/{{order_id}}/decrease", orders.decrease),
    # --- orders, as before ---
    _trade("POST", _ORDERS, legacy.create, 201),
    _trade("POST", f"{_ORDERS}/batched", legacy.create_batch, 201),
    _trade("DELETE", f"{_ORDERS}/batched", legacy.cancel_batch),
    _own(f"{_ORDERS}/{{order_id}}", portfolio.show_order),
    _trade("DELETE", f"{_ORDERS}/{{order_id}}", legacy.cancel),
    _trade("POST", f"{_ORDERS}/{{order_id}}/amend", legacy.amend),
    _trade("POST", f"{_ORDERS}/{{order_id}}/decrease", legacy.decrease),
)
