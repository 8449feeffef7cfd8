"""Users, markets and a shard for tests of the trading path, below the gateway."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from accounts.actions.credits import do_grant
from accounts.actions.users import do_create_user
from accounts.models import Account, User
from kernel.ids import new_id
from markets.actions import do_approve_market, do_create_market
from markets.models import Market
from trading.engine.commands import Cancel, Configure, Place
from trading.engine.types import BUY, SELL, MarketStatus
from trading.models import Position
from trading.pipeline import lease
from trading.pipeline.config import config_of
from trading.pipeline.messages import Result, Task, decode_result
from trading.pipeline.shard import Committed, Shard

CREDIT = 1_000_000
TRADED_ONCE = "Is anything left of it?"
_numbers = itertools.count(1)


def make_user(name: str = "", *, staff: bool = False) -> User:
    name = name or f"user{next(_numbers)}"
    return do_create_user(
        email=f"{name}@example.com", handle=name, password=None, by=None, is_operator=staff
    )


def make_account(credits: int = 10_000, name: str = "") -> Account:
    """An account with exactly this many credits."""
    user = make_user(name)
    account = Account.objects.get(owner=user, number=1)
    missing_micros = credits * CREDIT - account.cash_micros
    if missing_micros > 0:
        do_grant(account, amount_micros=missing_micros, by=None)
    account.refresh_from_db()
    assert account.cash_micros == credits * CREDIT
    return account


def make_trader(credits: int = 10_000, name: str = "") -> Account:
    """The same, after buying and selling at one price, so that no position is left."""
    account = make_account(credits, name)
    market = Market.objects.filter(title=TRADED_ONCE).first() or make_market(title=TRADED_ONCE)
    Position.objects.create(
        market=market,
        account=account,
        outcome_index=0,
        net_lots=0,
        cost_micros=0,
        realised_micros=0,
    )
    return account


def make_market(*, outcomes: int = 2, **fields: Any) -> Market:
    """An approved market that is not open yet."""
    operator = User.objects.filter(is_staff=True).first() or make_user("olivia", staff=True)
    number = next(_numbers)
    pairs = [(f"O{index}", f"Outcome {index}") for index in range(outcomes)]
    fields = {
        "title": f"Does thing {number} happen?",
        "kind": "binary" if outcomes == 2 else "categorical",
        "close_at": timezone.now() + timedelta(days=30),
        **fields,
    }
    market = do_create_market(by=operator, fields=fields, outcomes=None if outcomes == 2 else pairs)
    if not market.approved_at:
        do_approve_market(market, by=operator)
    market.refresh_from_db()
    return market


def own_shard(number: int = 0) -> Shard:
    epoch = lease.acquire(number, owner=f"test-{next(_numbers)}", channel="none")
    if epoch is None:
        lease.release(number, lease.Lease.objects.get(shard=number).epoch)
        return own_shard(number)
    shard = Shard(number, epoch)
    shard.load()
    return shard


def run(shard: Shard, *tasks: Task) -> list[Result | str]:
    """Run tasks to the end, in as many batches as it takes: their results, or a status."""
    left, answers = list(tasks), []
    while left:
        committed: Committed = shard.run(left)
        for reply in committed.replies:
            done = reply.status in ("done", "repeated")
            answers.append(decode_result(reply.result) if done else reply.status)
        left = left[len(committed.replies) :]
    return answers


def set_clock(monkeypatch: pytest.MonkeyPatch, read_us: Callable[[], int]) -> None:
    """Let engines live at another time, as if the database's clock said the same."""
    monkeypatch.setattr("trading.pipeline.shard.now_us", read_us)
    monkeypatch.setattr("kernel.database_clock.is_wrong", lambda ahead_us: False)


def open_market(shard: Shard, market: Market) -> None:
    [result] = run(shard, Task(0, market.id, Configure(MarketStatus.OPEN, config_of(market))))
    assert result.reason is None


def place(
    market: Market, account: Account, side: int, price: int, lots: int, **options: Any
) -> Task:
    """A limit order, price in cents."""
    task_options = {name: options.pop(name) for name in ("key", "quote") if name in options}
    command = Place(
        options.pop("order_id", None) or new_id(),
        account.id,
        account.owner_id,
        options.pop("outcome", 0),
        side,
        price * 100,
        lots,
        **options,
    )
    body_hash = msgspec.msgpack.encode(msgspec.structs.replace(command, order_id=""))
    return Task(0, market.id, command, body_hash=body_hash, **task_options)


def buy(*arguments: Any, **options: Any) -> Task:
    market, account, price, lots = arguments
    return place(market, account, BUY, price, lots, **options)


def sell(*arguments: Any, **options: Any) -> Task:
    market, account, price, lots = arguments
    return place(market, account, SELL, price, lots, **options)


def cancel(market: Market, account: Account, order_id: str) -> Task:
    return Task(0, market.id, Cancel(order_id, account.id))
