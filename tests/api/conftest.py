from collections.abc import AsyncIterator

import pytest

from tests.api.exchange import Caller, ExchangeInside, run_exchange


@pytest.fixture(params=["session", "key"])
def credential(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def inside(credential: str, transactional_db: None) -> AsyncIterator[ExchangeInside]:
    """An exchange in this test's event loop, once for each kind of credential."""
    async with run_exchange(credential) as exchange:
        yield exchange


@pytest.fixture
async def alice(inside: ExchangeInside) -> Caller:
    """1,000 credits."""
    return await inside.join()


@pytest.fixture
async def bob(inside: ExchangeInside) -> Caller:
    """1,000 credits."""
    return await inside.join()
