"""A shard in the test's own process, and traders."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lifecycle.conftest import alice, bob, operator, shard, verified
from tests.simulator.stage import Stage

__all__ = ["alice", "bob", "operator", "shard", "verified"]


@pytest.fixture
def make_stage(shard: Any) -> Iterator[Callable[..., Stage]]:
    """`make_stage(session, model)`; its loop is closed at the end."""
    made: list[Stage] = []

    def make(*arguments: Any) -> Stage:
        made.append(Stage(shard, *arguments))
        return made[-1]

    yield make
    for stage in made:
        stage.close()
