"""A taker of news: tail -f news.txt | PREDEX_KEY=pdx_... python news.py

Lines are "MARKET OUTCOME PROBABILITY": it buys up to 2 cents below what the outcome is worth.
"""

import sys
from decimal import Decimal

from predex_client import Client, RefusedError

EDGE = Decimal("0.02")

with Client() as client:
    for line in sys.stdin:
        slug, outcome, probability = line.split()
        tick = client.market(slug).tick
        worth = (Decimal(probability) - EDGE) // tick * tick
        try:
            order = client.place(slug, "buy", 10, worth, outcome=outcome, time_in_force="ioc")
        except RefusedError as refusal:  # a price out of range, or too few credits
            print(line.strip(), refusal.code, flush=True)
        else:
            print(line.strip(), order.filled, "at", order.average_price, flush=True)
