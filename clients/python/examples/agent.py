"""A simple agent: python agent.py http://127.0.0.1:8000

It makes an account with a key, asks what an order would do, and places it.
"""

import secrets
import sys

from predex_client import Client, KeyRequest

url, name = sys.argv[1], f"agent_{secrets.token_hex(4)}"
with Client(url) as stranger:
    email, password = f"{name}@example.org", secrets.token_urlsafe(24)
    registered = stranger.register(email, name, password, key=KeyRequest(name="first"))
with Client(url, registered.key.secret if registered.key else None) as client:
    market = next(client.markets(status="open", sort="closing"))
    code = market.outcomes[0].code
    preview = client.preview(market.slug, "buy", 1, "0.05", outcome=code)
    print(f"{market.title}: it would be {preview.status} and hold {preview.hold}")
    order = client.place(market.slug, "buy", 1, "0.05", outcome=code, client_order_id="first-1")
    print(order.status, order.filled, "of", order.quantity)
