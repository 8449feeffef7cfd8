"""A bot: PREDEX_URL=http://127.0.0.1:8000 PREDEX_KEY=pdx_... python -m bots.example"""

from predex_client import Client

with Client() as client:
    markets = list(client.markets(status="open", sort="closing"))
    print(*(market.title for market in markets), sep="\n")
    slug = markets[0].slug
    book = client.book(slug).books[0]
    price = book.asks[0].price if book.asks else "0.50"
    order = client.place(slug, "buy", 1, price, outcome=book.outcome)
    print(order.status, order.filled, "of", order.quantity, "at", order.average_price)
