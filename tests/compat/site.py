"""A running exchange with an operator and traders, who call it by its API."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.e2e.people import Person
from tests.exchange import Exchange
from tests.faults.seed import World


class Site(NamedTuple):
    exchange: Exchange
    world: World
    operator: Person

    @property
    def market(self) -> str:
        return self.world.markets[0].slug

    def open(self, title: str, **fields: Any) -> str:
        """Return the slug of another market, which is open."""
        close_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"title": title, "close_at": close_at, "dispute_seconds": 0, **fields}
        slug: str = self.operator.call("POST", "markets", body, status=201)["slug"]
        self.operator.call("POST", f"markets/{slug}/open", {})
        return slug

    def trader(self, number: int) -> Person:
        trader = self.world.traders[number]
        person = Person(self.exchange, trader.handle)
        person.key = trader.key
        person.http.headers["X-API-Key"] = trader.key
        return person
