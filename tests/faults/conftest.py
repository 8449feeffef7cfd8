"""A seeded exchange under load. All of these tests want the machine for themselves."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import ExchangeFactory
from tests.exchange import Exchange
from tests.faults.audit import Audit, audit
from tests.faults.load import Load
from tests.faults.rows import Database
from tests.faults.seed import World, seed

AGAIN_COUNT = 30
BACK_SECONDS_MAX = 5.0


class Stage(NamedTuple):
    """A running exchange, who is there, and its database."""

    exchange: Exchange
    world: World
    database: Database

    def load(self, *, seed: int, **options: Any) -> Load:
        return Load(
            self.exchange.port, self.world.traders, self.world.markets, seed=seed, **options
        )

    async def check(self, load: Load) -> Audit:
        """Settle the load: nothing that was acknowledged may be lost, doubled or contradicted."""
        await load.settle()
        await load.ask_again(AGAIN_COUNT)
        found = audit(load, self.database)
        found.check()
        return found

    def verify(self) -> None:
        """All invariants by the program's own check, which replays every journal too."""
        self.exchange.manage("verify")


Setter = Callable[..., Stage]


@pytest.fixture
def set_stage(make_exchange: ExchangeFactory, request: pytest.FixtureRequest) -> Iterator[Setter]:
    """`set_stage("sqlite" | "postgres", wishes={...}, **options of make_exchange)`.

    Whatever a test did to the exchange, at its end all invariants hold.
    """
    for name in {"postgres_server", "redis_server"} & set(request.fixturenames):
        request.getfixturevalue(name)  # made first, so that it is still there at the end
    stages: list[Stage] = []

    def set_up(kind: str, *, wishes: dict[str, Any] | None = None, **options: Any) -> Stage:
        worlds: list[World] = []
        exchange = make_exchange(
            kind,
            prepare=lambda exchange: worlds.append(seed(exchange, **(wishes or {}))),
            environment={"LOG_LEVEL": "WARNING", **options.pop("environment", {})},
            **options,
        )
        stage = Stage(exchange, worlds[0], Database(exchange.environment["DATABASE_URL"]))
        stages.append(stage)
        return stage

    yield set_up
    for stage in stages:
        stage.verify()
