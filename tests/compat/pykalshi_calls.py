"""What pykalshi reads and trades over REST: `HOST KEY_ID PEM_FILE MARKET`. Prints what it saw."""

import importlib
import json
import sys
from typing import Any


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
    return {
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


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=str))
