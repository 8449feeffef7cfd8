"""Every read of an official CLOB client: `MODULE HOST YES NO CONDITION`. Prints answers by method.

Runs with only the client's own packages; see `sdks`.
"""

import dataclasses
import importlib
import json
import sys
from typing import Any


def main(module: str, host: str, yes: str, no: str, condition: str) -> dict[str, Any]:
    sdk = importlib.import_module(module)
    types = importlib.import_module(f"{module}.clob_types")
    client = importlib.import_module(f"{module}.client").ClobClient(host, 137)
    both = [types.BookParams(token_id=token, side="BUY") for token in (yes, no)]
    book = client.get_order_book(yes)
    sent_hash = book["hash"] if isinstance(book, dict) else book.hash
    answers = {
        "get_ok": client.get_ok(),
        "get_server_time": client.get_server_time(),
        "get_midpoint": client.get_midpoint(yes),
        "get_midpoints": client.get_midpoints(both),
        "get_price": [client.get_price(yes, side) for side in ("BUY", "SELL")],
        "get_prices": client.get_prices(both),
        "get_spread": client.get_spread(yes),
        "get_spreads": client.get_spreads(both),
        "get_tick_size": client.get_tick_size(yes),
        "get_neg_risk": client.get_neg_risk(yes),
        "get_fee_rate_bps": client.get_fee_rate_bps(yes),
        "get_order_book": book,
        "get_order_books": client.get_order_books(both),
        "get_last_trade_price": client.get_last_trade_price(no),
        "get_last_trades_prices": client.get_last_trades_prices(both),
        "get_markets": client.get_markets(),
        "get_simplified_markets": client.get_simplified_markets(),
        "get_sampling_markets": client.get_sampling_markets(),
        "get_market": client.get_market(condition),
        "get_sampling_simplified_markets": client.get_sampling_simplified_markets(),
        "hashes": [sent_hash, client.get_order_book_hash(book)],
    }
    if module.endswith("v2"):
        answers |= {
            "get_version": client.get_version(),
            "get_clob_market_info": client.get_clob_market_info(condition),
            "get_fee_exponent": client.get_fee_exponent(no),
            "get_prices_history": client.get_prices_history(
                types.PricesHistoryParams(market=yes, interval="1h", fidelity=1)
            ),
            "calculate_market_price": client.calculate_market_price(yes, "BUY", 2, "FOK"),
        }
    assert sdk is not None
    return answers


def as_plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=as_plain))
