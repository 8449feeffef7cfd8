"""Traders and open markets for the program under test, made before it starts.

`python -m tests.faults.seed '{"traders": 6, "markets": 2, "kind": "system"}'`, run in the
program's environment, prints what it made as JSON (see `World`).
"""

import json
import sys
from typing import Any, NamedTuple

from tests.exchange import COMMAND_SECONDS, Exchange
from tests.forks import run

CREDITS_EACH = 100_000
PASSWORD = "tests-only-password"


class Trader(NamedTuple):
    handle: str
    account_id: int
    key: str


class Market(NamedTuple):
    slug: str
    id: int
    shard: int


class World(NamedTuple):
    """`operator` has every right and logs in with PASSWORD; traders trade with their keys."""

    traders: list[Trader]
    markets: list[Market]
    operator: Trader


def seed(exchange: Exchange, **wishes: Any) -> World:
    """Run this module in the environment of an exchange that is not running."""
    done = run(
        ["-m", "tests.faults.seed", json.dumps(wishes)],
        environment=exchange.environment, seconds=COMMAND_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"seeding failed:\n{done.stdout}{done.stderr}"
    made = json.loads(done.stdout.splitlines()[-1])
    return World(
        [Trader(*trader) for trader in made["traders"]],
        [Market(*market) for market in made["markets"]],
        Trader(*made["operator"]),
    )


def main(
    *,
    traders: int = 6,
    markets: int = 1,
    kind: str = "system",
    group: str = "",
    rate_limits: dict[str, Any] | None = None,
    **fields: Any,
) -> World:
    """Make traders of this kind with CREDITS_EACH, and open markets (`fields` are theirs).

    Everybody is in `group`; `rate_limits` replace those of the same name.
    """
    from django.db import transaction

    from accounts.models import Policy
    from tests.trading import world

    with transaction.atomic():
        operator = make_trader("olivia", "user", is_operator=True)
        made = [make_trader(f"trader{index}", kind) for index in range(traders)]
        if group:
            make_group(group)
        if rate_limits:
            policy = Policy.objects.get()
            policy.rate_limits |= rate_limits
            policy.save()
    opened = []
    for _ in range(markets):
        market = world.make_market(**{"dispute_seconds": 0, **fields})
        shard = world.own_shard(market.shard)
        world.open_market(shard, market)
        world.lease.release(shard.number, shard.epoch)
        opened.append(Market(market.slug, market.pk, market.shard))
    return World(made, opened, operator)


def make_trader(handle: str, kind: str, *, is_operator: bool = False) -> Trader:
    from accounts.actions import do_create_api_key, do_create_user, do_grant
    from kernel.units import MICROS_PER_CREDIT

    user = do_create_user(
        email=f"{handle}@example.com", handle=handle, password=PASSWORD if is_operator else None,
        by=None, kind=kind, is_email_verified=True, is_operator=is_operator,
    )  # fmt: skip
    account = user.accounts.get(number=1)
    do_grant(account, amount_micros=CREDITS_EACH * MICROS_PER_CREDIT, by=None)
    _, secret = do_create_api_key(account, name="load", scopes=["read", "trade"], by=None)
    return Trader(handle, account.pk, secret)


def make_group(slug: str) -> None:
    from accounts.models import User
    from markets.models import Group

    group = Group.objects.create(slug=slug, name=slug.title())
    for user in User.objects.all():
        group.memberships.create(user=user)


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(main(**json.loads(sys.argv[1]))._asdict()))
