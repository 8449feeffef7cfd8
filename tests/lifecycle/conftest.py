"""An exchange inside the test: the gateway's end is a shard that carries tasks out at once."""

from collections.abc import Sequence
from typing import Any

import pytest

from accounts.models import Account, User
from markets.models import Market
from tests.trading import world
from trading.pipeline.messages import Answer, Result, Task, decode_result
from trading.pipeline.shard import Shard


@pytest.fixture(autouse=True)
def verified(settings: Any) -> None:
    """Nobody here has to verify an e-mail address first."""
    settings.EMAIL_VERIFICATION_REQUIRED = False


@pytest.fixture
def shard(db: None, monkeypatch: pytest.MonkeyPatch) -> Shard:
    """The engine; what `trading.actions` sends goes to it."""
    shard = world.own_shard()
    answer_with(shard, monkeypatch)
    return shard


def answer_with(shard: Shard, patch: pytest.MonkeyPatch) -> None:
    """Let the shard carry out what `trading.actions` sends."""

    def send_sync(tasks: Sequence[Task]) -> list[Answer]:
        return [_answer(shard, task) for task in tasks]

    patch.setattr("trading.actions.engine.send_sync", send_sync)


def _answer(shard: Shard, task: Task) -> Answer:
    [reply] = shard.run([task]).replies
    result: Result | None = None if reply.result is None else decode_result(reply.result)
    return Answer(reply.ticket, reply.status, result)


@pytest.fixture
def operator(db: None) -> User:
    return world.make_user("opera", staff=True)


@pytest.fixture
def colleague(db: None) -> User:
    """A second operator."""
    return world.make_user("operb", staff=True)


@pytest.fixture
def alice(db: None) -> Account:
    return world.make_account(name="alice")


@pytest.fixture
def bob(db: None) -> Account:
    return world.make_account(name="bob")


@pytest.fixture
def draft(shard: Shard, operator: User) -> Market:
    """An approved binary market that is not open yet; its dispute window is 0."""
    return world.make_market(dispute_seconds=0)


@pytest.fixture
def market(shard: Shard, draft: Market) -> Market:
    """An open binary market."""
    world.open_market(shard, draft)
    draft.refresh_from_db()
    return draft
