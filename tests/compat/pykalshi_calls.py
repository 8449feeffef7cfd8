"""What pykalshi reads and trades over REST, and hears over its socket.

`HOST KEY_ID PEM_FILE MARKET`: MARKET is fresh, with 5 asked at 0.50 by somebody else. Prints what
it saw.
"""

import importlib
import json
import sys
import time
from typing import Any

SECONDS = 60
CHANNELS = ("ticker", "trade", "fill", "market_positions", "user_orders", "order_group_updates",
            "orderbook_delta")  # fmt: skip
"""The last one begins with a message of its own, after which all are live."""


def main(host: str, key_id: str, pem_file: str, market: str) -> dict[str, Any]:
    pykalshi: Any = importlib.import_module("pykalshi")
    client: Any = pykalshi.KalshiClient(
        api_key_id=key_id, private_key_path=pem_file, api_base=f"{host}/trade-api/v2"
    )
    found = client.get_market(market)
    own = client.portfolio
    order = own.place_order(
        market, pykalshi.Action.BUY, pykalshi.Side.YES, "10", yes_price_dollars="0.2000"
    )
    amended = own.amend_order(
        order.order_id, ticker=market, action=pykalshi.Action.BUY, side=pykalshi.Side.YES,
        count_fp="12.00", yes_price_dollars="0.2100",
    )  # fmt: skip
    own.decrease_order(order.order_id, reduce_by_fp="2.00")
    read = own.get_order(order.order_id)
    queue = own.get_queue_position(order.order_id)
    resting = [one.order_id for one in own.get_orders(ticker=market)]
    own.cancel_order(order.order_id)
    group = own.create_order_group("10.00")
    own.trigger_order_group(group.id)
    for read_list in (own.get_positions, own.get_fills, own.get_settlements, own.get_order_groups,
                      client.get_events, client.get_markets, client.api_keys.list,
                      client.get_all_series, client.get_trades):  # fmt: skip
        read_list()
    heard = listen(pykalshi, client, host, market)
    return {
        "heard": heard,
        "ticker": found.ticker,
        "book": found.get_orderbook() is not None,
        "trading": client.exchange.is_trading(),
        "limits": client.api_keys.get_limits() is not None,
        "balance": own.get_balance().balance,
        "resting_value": own.get_resting_order_value(),
        "amended": amended.order_id == order.order_id,
        "remaining": read.remaining_count_fp,
        "price": read.yes_price_dollars,
        "queue": str(queue.queue_position_fp),
        "resting": resting == [order.order_id],
    }


def listen(pykalshi: Any, client: Any, host: str, market: str) -> dict[str, Any]:
    """Subscribe to every channel, trade, and return the messages of each by channel."""
    heard: dict[str, list[Any]] = {channel: [] for channel in CHANNELS}
    feed = client.feed()
    feed._ws_url = f"{host}/trade-api/ws/v2".replace("http", "ws", 1)  # its only way
    for channel in CHANNELS:
        feed.on(channel, heard[channel].append)
        is_of_market = channel in ("orderbook_delta", "ticker", "trade")
        feed.subscribe(channel, **({"market_ticker": market} if is_of_market else {}))
    with feed:
        wait_for(lambda: heard["orderbook_delta"])
        client.portfolio.create_order_group("10.00")
        client.portfolio.place_order(
            market, pykalshi.Action.BUY, pykalshi.Side.YES, "2", yes_price_dollars="0.5000"
        )
        wait_for(lambda: all(heard.values()) and len(heard["orderbook_delta"]) > 1)
        feed.unsubscribe("ticker", market_ticker=market)
    return {
        "types": {channel: type(found[0]).__name__ for channel, found in heard.items()},
        "snapshot": heard["orderbook_delta"][0].no_dollars,
        "delta": heard["orderbook_delta"][1].delta_fp,
        "trade": heard["trade"][0].count_fp,
        "fill": heard["fill"][0].post_position_fp,
        "order": heard["user_orders"][-1].status,
        "position": heard["market_positions"][-1].position_fp,
        "group": heard["order_group_updates"][0].event_type,
    }


def wait_for(is_so: Any) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until, "nothing was heard"
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=str))
