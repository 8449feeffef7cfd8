"""A bot: PREDEX_KEY=pdx_... python bots/example.py"""

import json
import os
import urllib.request

URL = os.environ.get("PREDEX_URL", "http://127.0.0.1:8000") + "/api/v1/"


def call(method: str, path: str, body: dict | None = None) -> dict:
    headers = {"X-API-Key": os.environ["PREDEX_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    return json.load(urllib.request.urlopen(request))


markets = call("GET", "markets?status=open&sort=closing")["results"]
print(*(market["title"] for market in markets), sep="\n")
book = call("GET", f"markets/{markets[0]['slug']}/book")["books"][0]
price = book["asks"][0][0] if book["asks"] else "0.50"
order = {"market": markets[0]["slug"], "outcome": book["outcome"], "side": "buy",
         "price": price, "quantity": 1}  # fmt: skip
answer = call("POST", "orders", order)
print(answer["status"], answer["filled"], "of", answer["quantity"], "at", answer["average_price"])
