"""A shard in this process, an open market on it, and a trader."""

import pytest

from tests.trading import world


@pytest.fixture
def shard():
    return world.own_shard()


@pytest.fixture
def market(shard):
    market = world.make_market()
    world.open_market(shard, market)
    return market


@pytest.fixture
def alice():
    return world.make_account()
