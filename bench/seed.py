"""Setup of an exchange for measuring: traders with keys, open markets.

Called inside Django through `Stage.call`, while no engine runs: a shard in this process opens a
market, with the same transaction as the engine's own process.
"""

from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from accounts.actions import do_create_api_key, do_create_user, do_edit_policy, do_grant
from accounts.models import Policy, User
from accounts.models.policy import RATE_MAX
from markets.actions import do_create_market
from markets.models import Market
from trading.engine.commands import Configure
from trading.engine.types import MarketStatus
from trading.models import Order
from trading.pipeline import lease
from trading.pipeline.config import config_of
from trading.pipeline.messages import Task, decode_result
from trading.pipeline.shard import Shard

CREDITS_EACH_MICROS: Final = 10**9 * 10**6
SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
OPEN_FOR: Final = timedelta(days=30)


def make_traders(count: int) -> list[str]:
    """Create funded system accounts without a rate limit; return a key of each."""
    policy = Policy.objects.get(pk=1)
    unlimited = {"read": [RATE_MAX, RATE_MAX], "write": [RATE_MAX, RATE_MAX]}
    policy.rate_limits = {**policy.rate_limits, "system": unlimited}
    do_edit_policy(policy, by=None)
    with transaction.atomic():
        return [_make_trader(f"bench_{number}") for number in range(count)]


def make_operator_key() -> str:
    """Return a key of an operator with the scope `operate`."""
    account = get_operator().accounts.get(number=1)
    _, secret = do_create_api_key(account, name="bench", scopes=["operate"], by=None)
    return secret


def open_market(tick_pips: int = 100) -> dict[str, Any]:
    """Create and open a binary market without fees; return its id and slug."""
    market = make_market(tick_pips=tick_pips)
    epoch = lease.acquire(market.shard, owner="bench", channel="")
    assert epoch is not None, "no engine may run yet"
    shard = Shard(market.shard, epoch)
    shard.load()
    done = shard.run([Task(0, market.pk, Configure(MarketStatus.OPEN, config_of(market)))])
    lease.release(market.shard, epoch)
    assert done.replies[0].result is not None
    assert decode_result(done.replies[0].result).reason is None
    return {"id": market.pk, "slug": market.slug}


def make_market(*, tick_pips: int = 100) -> Market:
    """Create a binary market without fees, not open yet."""
    fields = {
        "title": "Does the bench come to an end?",
        "close_at": timezone.now() + OPEN_FOR,
        "tick_pips": tick_pips,
        "fee_kind": "none",
        "dispute_seconds": 0,
    }
    return do_create_market(by=get_operator(), fields=fields)


def count_orders() -> int:
    return Order.objects.count()


def describe_sqlite() -> str:
    """Return the durability settings of a connection that is opened as the exchange does."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
        cursor.execute("PRAGMA synchronous")
        synchronous = SYNCHRONOUS[cursor.fetchone()[0]]
    return f"SQLite: journal_mode={mode}, synchronous={synchronous}"


def get_operator() -> User:
    operator = User.objects.filter(is_superuser=True).first()
    return operator or _make_user("bench_operator", is_operator=True)


def _make_trader(handle: str) -> str:
    account = _make_user(handle, kind="system").accounts.get(number=1)
    do_grant(account, amount_micros=CREDITS_EACH_MICROS, by=None)
    _, secret = do_create_api_key(account, name="bench", scopes=["read", "trade"], by=None)
    return secret


def _make_user(handle: str, **options: Any) -> User:
    return do_create_user(
        email=f"{handle}@example.org",
        handle=handle,
        password=None,
        by=None,
        is_email_verified=True,
        **options,
    )
