"""The fixture `predex_exchange`, which pytest has once this package is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from predex_client.testing import Exchange


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--predex-source", default=None, help="a copy of the exchange's source")
    parser.addini("predex_scope", "how long predex_exchange lives", default="function")


def find_scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("predex_scope")


@pytest.fixture(scope=find_scope)
def predex_exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    """A running exchange with an open market and three traders; `predex_scope` in the ini file says
    whether each test gets one of its own (`function`, the default) or they share it.
    """
    source = request.config.getoption("--predex-source")
    with Exchange(Path(source) if source else None) as exchange:
        yield exchange
