"""Stories are played to the fast engine and to the naive one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine import scenario
from tests.engine.naive import NaiveEngine
from trading.engine.engine import Engine

Play = Callable[[str], None]


@pytest.fixture(params=[Engine, NaiveEngine], ids=["fast", "naive"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.param(1)


@pytest.fixture(params=[False, True], ids=["strangers", "known"])
def play(engine: Any, request: pytest.FixtureRequest) -> Play:
    """Plays a story; the fast engine has a shorter way for accounts that it knows."""
    return lambda story: scenario.play(engine, story, introduce=request.param)
