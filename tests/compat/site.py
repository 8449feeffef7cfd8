"""A running exchange with an operator and traders, who call it by its API."""

from typing import NamedTuple

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

    def trader(self, number: int) -> Person:
        trader = self.world.traders[number]
        person = Person(self.exchange, trader.handle)
        person.key = trader.key
        person.http.headers["X-API-Key"] = trader.key
        return person
