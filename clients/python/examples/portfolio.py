"""A portfolio watcher: PREDEX_KEY=pdx_... python portfolio.py PLACE.txt

It prints each fill. The file keeps its place, so that nothing is missed between two runs.
"""

import sys
from pathlib import Path

from predex_client import AccountEvent, Feed

place = Path(sys.argv[1])
with Feed(resume=place.read_text() if place.exists() else None) as feed:
    feed.subscribe("me")
    for event in feed:
        if isinstance(event, AccountEvent):
            for fill in event.fills:
                print(fill.side, fill.quantity, fill.outcome, fill.market, "at", fill.price)
            sys.stdout.flush()
            new = place.with_suffix(".new")
            new.write_text(event.resume)
            new.replace(place)  # never half written
            orders, balance = feed.account.orders, feed.account.balance
            print(len(orders), "open,", balance and balance.available, "available", flush=True)
