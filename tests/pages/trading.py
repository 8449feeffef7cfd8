"""An exchange for tests of pages: orders are carried out at once, in the test's own transaction."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from tests.trading import world
from trading.pipeline.messages import Answer, Task, decode_result
from trading.pipeline.shard import Shard


@pytest.fixture
def shard(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Shard:
    """The engine; what pages and actions send goes to it."""
    settings.EMAIL_VERIFICATION_REQUIRED = False
    shard = world.own_shard()

    def send_sync(tasks: Sequence[Task]) -> list[Answer]:
        return [answer_task(shard, task) for task in tasks]

    monkeypatch.setattr("trading.actions.engine.send_sync", send_sync)
    return shard


def answer_task(shard: Shard, task: Task) -> Answer:
    [reply] = shard.run([task]).replies
    result = None if reply.result is None else decode_result(reply.result)
    return Answer(reply.ticket, reply.status, result)


def browser_of(account: Account | None = None) -> Client:
    client = Client()
    if account is not None:
        client.force_login(account.owner, backend="accounts.backends.Backend")
    return client
