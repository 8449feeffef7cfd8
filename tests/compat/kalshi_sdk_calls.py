"""Every method of kalshi-sdk that has a counterpart here, over REST and over its socket.

`HOST KEY_ID PEM MARKET OTHER`: MARKET is fresh, with 5 asked at 0.50 by somebody else, OTHER has
several outcomes. Prints what was seen; runs with only the client's own packages (see `sdks`).
"""

import asyncio
import importlib
import json
import sys
import time
import uuid
from typing import Any

SECONDS = 60


class Calls:
    """Calls methods of the REST client and keeps their answers as plain data."""

    def __init__(self, kalshi: Any, client: Any) -> None:
        self.kalshi, self.client = kalshi, client
        self.answers: dict[str, Any] = {}

    def call(self, name: str, /, *arguments: Any, **fields: Any) -> Any:
        resource, _, method = name.partition(".")
        try:
            answer = getattr(getattr(self.client, resource), method)(*arguments, **fields)
            answer = list(answer) if method.endswith("_all") else answer
        except Exception as fault:
            raise AssertionError(f"{name}: {fault!r}"[:2_000]) from fault
        self.answers[name] = json.loads(json.dumps(answer, default=to_plain))
        return answer


def to_plain(value: Any) -> Any:
    """Show a model as its own fields, not as what else came along."""
    if hasattr(value, "model_fields_set"):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return {"items": value.items} if hasattr(value, "items") else str(value)


def read(calls: Calls, market: str, other: str) -> None:
    now = int(time.time())
    times = {"start_ts": now - 3_600, "end_ts": now + 60, "period_interval": 1}
    for name in ("exchange.status", "exchange.schedule",
                 "exchange.user_data_timestamp", "series.list", "series.fee_changes",
                 "events.list", "events.list_all", "events.list_multivariate",
                 "events.fee_changes", "markets.list", "markets.list_all", "markets.list_trades",
                 "markets.list_all_trades", "historical.cutoff", "historical.markets",
                 "historical.fills", "historical.orders", "historical.trades",
                 "historical.positions", "account.limits", "account.endpoint_costs",
                 "incentive_programs.list", "milestones.list", "structured_targets.list",
                 "search.tags_by_categories", "portfolio.balance", "portfolio.positions",
                 "portfolio.positions_all", "portfolio.settlements", "portfolio.settlements_all",
                 "portfolio.fills", "portfolio.fills_all", "portfolio.total_resting_order_value",
                 "portfolio.deposits", "portfolio.withdrawals", "orders.list", "orders.list_all",
                 "order_groups.list", "api_keys.list"):  # fmt: skip
        calls.call(name, **({"limit": 10} if name == "milestones.list" else {}))
    event = calls.call("events.get", other, with_nested_markets=True)
    series = event.series_ticker
    calls.call("events.metadata", other)
    calls.call("series.get", series)
    calls.call("series.event_candlesticks", series, other, **times)
    calls.call("markets.get", market)
    calls.call("markets.orderbook", market, depth=5)
    calls.call("markets.bulk_orderbooks", tickers=[market, f"{other}_BO"])
    calls.call("markets.candlesticks", series, f"{other}_BO", **times)
    calls.call("markets.bulk_candlesticks", market_tickers=[f"{other}_BO"], **times)
    calls.call("historical.market", market)
    calls.call("historical.candlesticks", f"{other}_BO", **times)


def trade(calls: Calls, market: str) -> None:
    kalshi = calls.kalshi

    def order(price: str, count: str = "10") -> Any:
        return kalshi.CreateOrderV2Request(
            ticker=market, client_order_id=str(uuid.uuid4()), side="bid", count=count, price=price,
            time_in_force="good_till_canceled", self_trade_prevention_type="taker_at_cross",
        )  # fmt: skip

    own = calls.call("orders.create_v2", request=order("0.20")).order_id
    change = kalshi.AmendOrderV2Request(ticker=market, side="bid", price="0.21", count="12")
    calls.call("orders.amend_v2", own, request=change)
    calls.call("orders.decrease_v2", own, request=kalshi.DecreaseOrderV2Request(reduce_by="2"))
    calls.call("orders.get", own)
    calls.call("orders.queue_position", own)
    calls.call("orders.queue_positions", market_tickers=[market])
    calls.call("orders.cancel_v2", own, market_ticker=market, exchange_index=-1)
    batch = kalshi.BatchCreateOrdersV2Request(orders=[order("0.10"), order("0.11")])
    made = calls.call("orders.batch_create_v2", request=batch)
    first = kalshi.BatchCancelOrdersV2RequestOrder(order_id=made.orders[0].order_id)
    calls.call("orders.batch_cancel_v2", request=kalshi.BatchCancelOrdersV2Request(orders=[first]))
    calls.call("orders.cancel_all_v2")
    calls.answers["taken"] = calls.call("orders.create_v2", request=order("0.50", "2")).order_id


def run_groups(calls: Calls) -> None:
    group = calls.call("order_groups.create", contracts_limit=10).order_group_id
    calls.call("order_groups.get", group)
    calls.call("order_groups.update_limit", group, contracts_limit=20)
    calls.call("order_groups.trigger", group)
    calls.call("order_groups.reset", group)
    calls.call("order_groups.delete", group)


def make_keys(calls: Calls) -> None:
    made = calls.call("api_keys.generate", name="another")
    calls.call("api_keys.delete", made.api_key_id)
    del calls.answers["api_keys.generate"]


async def follow(kalshi: Any, config: Any, auth: Any, market: str, act: Any) -> dict[str, Any]:
    """Subscribe to every channel, act, and return the first message of each."""
    ws: Any = importlib.import_module("kalshi.ws.client")
    async with ws.KalshiWebSocket(auth=auth, config=config).connect() as session:
        streams = {
            "fill": await session.subscribe_fill(),
            "market_positions": await session.subscribe_market_positions(),
            "user_orders": await session.subscribe_user_orders(),
            "order_group": await session.subscribe_order_group(),
            "lifecycle": await session.subscribe_market_lifecycle(),
            "trade": await session.subscribe_trade(tickers=[market]),
            "ticker": await session.subscribe_ticker(tickers=[market]),
        }
        books = await session.orderbook(market)
        seen: dict[str, Any] = {"opening": to_text(await anext(books))}
        await asyncio.to_thread(act)
        async with asyncio.timeout(SECONDS):
            for name, stream in streams.items():
                seen[name] = await anext(stream)
            while seen.get("book") != {"yes": {}, "no": {"0.5": "3"}}:
                seen["book"] = to_text(await anext(books))
    return seen


def to_text(book: Any) -> dict[str, dict[str, str]]:
    return {
        side: {f"{level.price.normalize()}": f"{level.quantity.normalize()}" for level in levels}
        for side, levels in (("yes", book.yes), ("no", book.no))
    }


def main(host: str, key_id: str, pem: str, market: str, other: str) -> dict[str, Any]:
    kalshi: Any = importlib.import_module("kalshi")
    base, socket = f"{host}/trade-api/v2", f"{host}/trade-api/ws/v2".replace("http", "ws", 1)
    config = kalshi.KalshiConfig(base_url=base, ws_base_url=socket, max_retries=0)
    auth = kalshi.KalshiAuth.from_pem(key_id, pem)
    with kalshi.KalshiClient(auth=auth, config=config) as client:
        calls = Calls(kalshi, client)
        read(calls, market, other)
        make_keys(calls)

        def act() -> None:
            run_groups(calls)
            trade(calls, market)

        seen = asyncio.run(follow(kalshi, config, auth, market, act))
    return {"answers": calls.answers, "seen": seen}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=to_plain))
