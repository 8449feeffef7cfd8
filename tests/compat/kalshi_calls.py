"""Every method of an official Kalshi client that has a counterpart here.

`MODULE HOST KEY_ID PEM MARKET OTHER`, with MARKET fresh and OTHER a market of several outcomes.
Prints answers by method; runs with only the client's own packages (see `sdks`).
"""

import importlib
import json
import sys
import time
import uuid
from typing import Any


class Calls:
    """Calls methods and keeps their answers as plain data."""

    def __init__(self, module: str, host: str, key_id: str, pem: str) -> None:
        sdk = importlib.import_module(module)
        configuration = sdk.Configuration(host=f"{host}/trade-api/v2")
        configuration.api_key_id, configuration.private_key_pem = key_id, pem
        self.client = sdk.KalshiClient(configuration)
        self.sdk = sdk
        self.answers: dict[str, Any] = {}

    def call(self, name: str, /, *arguments: Any, **fields: Any) -> Any:
        method = self.find(name)
        try:
            answer = method(*arguments, **fields)
        except Exception as fault:
            raise AssertionError(f"{name}: {fault!r}"[:2_000]) from fault
        plain = answer.to_dict() if hasattr(answer, "to_dict") else answer
        self.answers.setdefault(name, []).append(plain)
        return plain

    def find(self, name: str) -> Any:
        """Return a method of the client, or of the class of the SDK that has it."""
        found = getattr(self.client, name, None)
        if found is not None:
            return found
        for one in vars(self.sdk).values():
            if isinstance(one, type) and one.__name__.endswith("Api") and hasattr(one, name):
                return getattr(one(self.client), name)
        raise AssertionError(f"no method {name}")


def read_markets(calls: Calls, market: str, other: str, *, is_first: bool) -> None:
    now = int(time.time())
    for name in ("get_exchange_status", "get_exchange_schedule",
                 "get_user_data_timestamp", "get_milestones", "get_structured_targets",
                 "get_multivariate_event_collections"):  # fmt: skip
        calls.call(name, **({"limit": 10} if name == "get_milestones" else {}))
    calls.call("get_events", limit=5, with_nested_markets=True)
    series = calls.call("get_event", other, with_nested_markets=True)["event"]["series_ticker"]
    calls.call("get_event_metadata", other)
    first = calls.call("get_markets", limit=1)
    calls.call("get_markets", limit=1, cursor=first["cursor"])
    calls.call("get_market", market)
    calls.call("get_market_orderbook", market, depth=5)
    calls.call("get_trades", ticker=f"{other}_BO", limit=5)
    times = {"start_ts": now - 3_600, "end_ts": now + 60, "period_interval": 1}
    calls.call("get_market_candlesticks", series, f"{other}_BO", **times)
    if is_first or hasattr(calls.sdk.ExchangeApi, "get_exchange_announcements"):
        calls.call("get_exchange_announcements")
    if is_first:
        calls.call("get_series")
        calls.call("get_series_by_ticker", series)
        return
    calls.call("get_series_list")
    calls.call("get_series", series)
    calls.call("batch_get_market_candlesticks", f"{other}_BO", **times)
    calls.call("get_market_candlesticks_by_event", other, series, **times)
    calls.call("get_incentive_programs")
    calls.call("get_series_fee_changes")
    calls.call("get_tags_for_series_categories")
    calls.call("get_multivariate_events")


def trade(calls: Calls, market: str, *, is_first: bool) -> None:
    order = {"ticker": market, "side": "yes", "action": "buy", "count": 10, "type": "limit",
             "yes_price": 20}  # fmt: skip
    made = calls.call("create_order", **order, client_order_id=str(uuid.uuid4()))["order"]
    order_id = made["order_id"]
    names = {"client_order_id": made["client_order_id"], "updated_client_order_id": "x",
             "ticker": market, "side": "yes", "action": "buy"}  # fmt: skip
    change = {"yes_price": 21, "count": 12}
    calls.call("amend_order", order_id, **({} if is_first else names), **change)
    calls.call("decrease_order", order_id, reduce_by=2)
    calls.call("get_order", order_id)
    calls.call("get_order_queue_position", order_id)
    if is_first:
        calls.call("get_queue_positions", order_ids=[order_id])
    else:
        calls.call("get_order_queue_positions", market_tickers=market)
    calls.call("get_orders", ticker=market, status="resting")
    calls.call("cancel_order", order_id)
    batch = [{**order, "client_order_id": str(uuid.uuid4())} for _ in range(2)]
    placed = calls.call("batch_create_orders", orders=batch)
    placed = placed.get("orders") or placed["responses"]
    ids = [(one.get("order") or one)["order_id"] for one in placed]
    calls.call("batch_cancel_orders", **{"order_ids" if is_first else "ids": ids})


def trade_now(calls: Calls, market: str) -> None:
    """The order operations that are left since 2026."""
    order = {"ticker": market, "side": "bid", "count": "10.00", "price": "0.2000",
             "time_in_force": "good_till_canceled",
             "self_trade_prevention_type": "taker_at_cross"}  # fmt: skip
    made = calls.call("create_order_v2", **order, client_order_id=str(uuid.uuid4()))
    order_id = made["order_id"]
    change = {"ticker": market, "side": "bid", "price": "0.2100", "count": "12.00"}
    calls.call("amend_order_v2", order_id, **change)
    calls.call("decrease_order_v2", order_id, reduce_by="2.00")
    calls.call("get_order", order_id)
    calls.call("get_order_queue_position", order_id)
    calls.call("get_order_queue_positions", market_tickers=market)
    calls.call("get_orders", ticker=market, status="resting")
    calls.call("cancel_order_v2", order_id)
    batch = [{**order, "client_order_id": str(uuid.uuid4())} for _ in range(2)]
    placed = calls.call("batch_create_orders_v2", orders=batch)["orders"]
    calls.call("batch_cancel_orders_v2", orders=[{"order_id": placed[0]["order_id"]}])
    calls.call("cancel_all_orders")


def run_groups_now(calls: Calls, market: str) -> None:
    group_id = calls.call("create_order_group", contracts_limit=10)["order_group_id"]
    calls.call("get_order_groups")
    calls.call("get_order_group", group_id)
    calls.call("update_order_group_limit", group_id, contracts_limit=20)
    calls.call("trigger_order_group", group_id)
    calls.call("reset_order_group", group_id)
    calls.call("delete_order_group", group_id)


def read_more(calls: Calls, market: str) -> None:
    """What newer clients have besides."""
    calls.call("get_market_orderbooks", [market])
    for name in ("get_account_api_limits", "get_account_endpoint_costs", "get_historical_cutoff",
                 "get_fills_historical", "get_historical_orders", "get_historical_positions",
                 "get_historical_markets", "get_trades_historical", "get_deposits",
                 "get_withdrawals", "get_event_fee_changes"):  # fmt: skip
        calls.call(name)
    calls.call("get_historical_market", market)


def run_groups(calls: Calls, market: str, *, is_first: bool) -> None:
    limit = {"name": "mine"} if is_first else {"contracts_limit": 10}
    made = calls.call("create_order_group", **limit)
    group_id = (made.get("order_group") or made)["order_group_id"]
    calls.call("get_order_groups")
    if not is_first:
        order = {"ticker": market, "side": "no", "action": "buy", "count": 1, "type": "limit"}
        calls.call("create_order", **order, no_price=10, order_group_id=group_id)
        calls.call("get_order_group", group_id)
    calls.call("reset_order_group", group_id)
    calls.call("delete_order_group", group_id)


def read_account(calls: Calls, other: str, *, is_first: bool) -> None:
    for name in ("get_balance", "get_settlements", "get_fills", "get_positions", "get_orders"):
        calls.call(name)
    calls.call("get_positions", ticker=f"{other}_BO")
    total = "get_total_resting_order_value"
    calls.call(total if is_first else "get_portfolio_resting_order_total_value")
    made = calls.call("generate_api_key", name="another")
    calls.call("get_api_keys")
    calls.call("delete_api_key", made["api_key_id"])


def main(module: str, host: str, key_id: str, pem: str, market: str, other: str) -> dict[str, Any]:
    calls = Calls(module, host, key_id, pem)
    is_first = module == "kalshi_python"
    read_markets(calls, market, other, is_first=is_first)
    if not is_first and not hasattr(calls.sdk.OrdersApi, "create_order"):
        trade_now(calls, market)
        run_groups_now(calls, market)
        read_more(calls, market)
    else:
        trade(calls, market, is_first=is_first)
        run_groups(calls, market, is_first=is_first)
    read_account(calls, other, is_first=is_first)
    return calls.answers


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=str))
