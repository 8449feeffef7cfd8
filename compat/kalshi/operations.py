"""The table of operations: one row for each that is served."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from compat.kalshi import candles, groups, keys, market_data, orders, portfolio, subaccounts
from compat.kalshi import legacy_orders as legacy
from compat.kalshi.market_data import show_nothing

NOT_HERE: Final = "this path"
READ: Final = "read"
WRITE: Final = "write"
TRADE: Final = "trade"


class KalshiOperation(NamedTuple):
    """`scope` is what the key needs (None: public), `bucket` where tokens are taken from."""

    method: str
    path: str
    respond: Callable[..., Any]
    scope: str | None = None
    bucket: str = READ
    status: int = 200
    first_status: int | None = None
    """That of programs of 2025, where it was another."""


def _own(path: str, respond: Callable[..., Any]) -> KalshiOperation:
    return KalshiOperation("GET", path, respond, READ)


def _trade(
    method: str, path: str, respond: Callable[..., Any], status: int = 200
) -> KalshiOperation:
    return KalshiOperation(method, path, respond, TRADE, WRITE, status)


_ORDERS: Final = "portfolio/orders"
_EVENT_ORDERS: Final = "portfolio/events/orders"

OPERATIONS: Final = (
    KalshiOperation("GET", "exchange/status", market_data.show_status),
    KalshiOperation("GET", "exchange/schedule", market_data.show_schedule),
    KalshiOperation("GET", "exchange/announcements", market_data.show_announcements),
    KalshiOperation("GET", "exchange/user_data_timestamp", market_data.show_data_timestamp),
    KalshiOperation("GET", "series", market_data.list_all_series),
    KalshiOperation("GET", "series/fee_changes", market_data.list_fee_changes),
    KalshiOperation("GET", "series/{series}", market_data.show_series),
    KalshiOperation("GET", "series/{series}/markets/{ticker}/candlesticks", candles.show_candles),
    KalshiOperation(
        "GET", "series/{series}/events/{ticker}/candlesticks", candles.show_event_candles
    ),
    KalshiOperation("GET", "events", market_data.list_events),
    KalshiOperation("GET", "events/multivariate", show_nothing("events")),
    KalshiOperation("GET", "events/fee_changes", show_nothing("event_fee_changes")),
    KalshiOperation("GET", "events/{event}", market_data.show_event),
    KalshiOperation("GET", "events/{event}/metadata", market_data.show_event_metadata),
    KalshiOperation("GET", "markets", market_data.list_books),
    KalshiOperation("GET", "markets/trades", market_data.list_trades),
    KalshiOperation("GET", "markets/orderbooks", market_data.list_orderbooks),
    KalshiOperation("GET", "markets/candlesticks", candles.list_candles),
    KalshiOperation("GET", "markets/{ticker}", market_data.show_book),
    KalshiOperation("GET", "markets/{ticker}/orderbook", market_data.show_orderbook),
    KalshiOperation("GET", "historical/cutoff", market_data.show_cutoff),
    KalshiOperation("GET", "historical/markets", market_data.list_books),
    KalshiOperation("GET", "historical/markets/{ticker}", market_data.show_book),
    KalshiOperation("GET", "historical/markets/{ticker}/candlesticks", candles.show_candles),
    KalshiOperation("GET", "historical/trades", market_data.list_trades),
    KalshiOperation("GET", "search/tags_by_categories", market_data.list_tags),
    KalshiOperation("GET", "incentive_programs", show_nothing("incentive_programs")),
    KalshiOperation("GET", "milestones", show_nothing("milestones")),
    KalshiOperation("GET", "structured_targets", show_nothing("structured_targets")),
    KalshiOperation(
        "GET",
        "multivariate_event_collections",
        show_nothing("multivariate_contracts", "collections"),
    ),
    # --- of an account ---
    _own("account/limits", keys.show_limits),
    KalshiOperation("GET", "account/endpoint_costs", keys.show_costs),
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
    _own(f"{_ORDERS}/queue_positions", groups.list_queue_positions),
    KalshiOperation("POST", f"{_ORDERS}/queue_positions", groups.find_queue_positions, READ),
    _own(f"{_ORDERS}/{{order_id}}/queue_position", groups.show_queue_position),
    # --- sub-accounts ---
    _trade("POST", "portfolio/subaccounts", subaccounts.open_subaccount, 201),
    _trade("POST", "portfolio/subaccounts/transfer", subaccounts.transfer),
    _own("portfolio/subaccounts/balances", subaccounts.list_balances),
    _own("portfolio/subaccounts/transfers", subaccounts.list_transfers),
    _own("portfolio/subaccounts/netting", subaccounts.list_netting),
    _trade("PUT", "portfolio/subaccounts/netting", subaccounts.change_netting),
    # --- order groups ---
    _own("portfolio/order_groups", groups.list_groups),
    _trade("POST", "portfolio/order_groups/create", groups.create, 201),
    _own("portfolio/order_groups/{group_id}", groups.show),
    _trade("DELETE", "portfolio/order_groups/{group_id}", groups.delete),
    _trade("PUT", "portfolio/order_groups/{group_id}/reset", groups.reset),
    _trade("POST", "portfolio/order_groups/{group_id}/reset", groups.reset),
    _trade("PUT", "portfolio/order_groups/{group_id}/trigger", groups.trigger),
    _trade("PUT", "portfolio/order_groups/{group_id}/limit", groups.change_limit),
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
    _trade("POST", f"{_ORDERS}/batched", legacy.create_batch, 201)._replace(first_status=200),
    _trade("DELETE", f"{_ORDERS}/batched", legacy.cancel_batch),
    _own(f"{_ORDERS}/{{order_id}}", portfolio.show_order),
    _trade("DELETE", f"{_ORDERS}/{{order_id}}", legacy.cancel),
    _trade("POST", f"{_ORDERS}/{{order_id}}/amend", legacy.amend),
    _trade("POST", f"{_ORDERS}/{{order_id}}/decrease", legacy.decrease),
)
