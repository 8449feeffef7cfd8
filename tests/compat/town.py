"""Markets of every kind on a running exchange, for readers of Polymarket's interfaces."""

import hashlib
import json
from typing import Any

import httpx

from compat.polymarket.names import BinaryLeg, build_leg
from markets.models import Market, Outcome
from tests.compat.site import Site
from tests.e2e.people import wait_for
from tests.patience import PATIENCE_SECONDS

KEYS = (
    "market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size",
    "neg_risk", "last_trade_price",
)  # fmt: skip


class Town:
    """A site with one market of each kind: binary, of three outcomes, with a maker, in a group."""

    def __init__(self, site: Site) -> None:
        self.site = site
        base_url = f"{site.exchange.base_url}/poly/"
        self.http = httpx.Client(base_url=base_url, timeout=PATIENCE_SECONDS)
        self.binary = site.market
        self.nominee = self.open(
            "Who is nominated?", kind="categorical", matches_across_outcomes=False,
            outcomes=[{"code": name.upper(), "name": name} for name in ("Ann", "Bo", "Cy")],
        )  # fmt: skip
        self.made = self.open("Does the maker quote?", maker_liquidity="100")
        self.unlisted = self.open("Is this one listed?", visibility="unlisted")
        self.secret = self.open("Is this a secret?", visibility="group", group="friends")
        seller, buyer = site.trader(0), site.trader(1)
        for text in ("sell 10 YES @ 0.60", "sell 5.00 YES @ 0.65", "buy 7 YES @ 0.40"):
            seller.place(self.binary, text)
        buyer.place(self.binary, "buy 3 YES @ 0.60")
        buyer.place(self.binary, "sell 4 YES @ 0.56")
        seller.place(self.nominee, "sell 5 BO @ 0.30")
        seller.place(self.secret, "sell 5 YES @ 0.30")
        wait_for(lambda: self.market(self.binary)["lastTradePrice"] == 0.6)

    def open(self, title: str, **fields: Any) -> str:
        return self.site.open(title, **fields)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.http.get(path, params=query or None)
        assert answer.status_code == status, (path, query, answer.text)
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    def market(self, slug: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"gamma/markets/slug/{slug}")
        return found

    def tokens(self, slug: str) -> tuple[str, str]:
        yes, no = json.loads(self.market(slug)["clobTokenIds"])
        return yes, no


def find_hidden_leg(slug: str) -> BinaryLeg:
    """Return the names of a binary market, which anybody can compute who knows its slug."""
    market = Market(pk=0, slug=slug, kind=Market.Kind.BINARY)
    return build_leg(market, Outcome(index=0, code="YES"))


def check_hash(book: dict[str, Any]) -> None:
    """A reader computes the hash from what it gets."""
    payload = {name: book[name] for name in KEYS} | {"hash": ""}
    text = json.dumps(payload, separators=(",", ":"))
    assert book["hash"] == hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
