"""Users and markets for tests, made by the same actions as everywhere."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.actions import do_create_api_key, do_create_user, do_edit_policy
from accounts.models import Policy, User
from accounts.policy import forget
from kernel.errors import RefusedError
from markets.actions import do_create_market
from markets.lifecycle import record_status
from markets.models import Group, GroupMember, Market
from tests.accounts.api import Api

STEPS_TO = {
    "draft": [],
    "proposed": ["proposed"],
    "open": ["open"],
    "halted": ["open", "halted"],
    "closed": ["open", "closed"],
    "resolving": ["open", "closed", "resolving"],
    "settled": ["open", "closed", "resolving", "settled"],
    "voided": ["open", "voided"],
}
THREE_OUTCOMES = [("RED", "Red"), ("GREEN", "Green"), ("BLUE", "Blue")]

_numbers = itertools.count(1)


def make_user(handle: str = "", *, operator: bool = False) -> User:
    handle = handle or f"user_{next(_numbers)}"
    return do_create_user(
        email=f"{handle}@example.org",
        handle=handle,
        password=None,
        by=None,
        is_email_verified=True,
        is_operator=operator,
    )


def make_group(*members: User, slug: str = "insiders") -> Group:
    group = Group.objects.create(slug=slug, name=slug.title())
    for member in members:
        GroupMember.objects.create(group=group, user=member)
    return group


def in_days(days: float) -> Any:
    return timezone.now() + timedelta(days=days)


def make_market(
    *, by: User | None = None, status: str = "draft", outcomes: Any = None, **fields: Any
) -> Market:
    """A market, by default an operator's, taken to `status` by legal steps."""
    by = by or User.objects.filter(is_superuser=True).first() or make_user(operator=True)
    fields = {"title": f"Question {next(_numbers)}?", "close_at": in_days(30), **fields}
    market = do_create_market(by=by, fields=fields, outcomes=outcomes)
    for step in STEPS_TO[status]:
        record_status(market, step, by=by, reason="test")
    return market


def let_everyone_create() -> None:
    set_policy(who_may_create="everyone")


def set_policy(**values: Any) -> None:
    policy = Policy.objects.get(pk=1)
    for name, value in values.items():
        setattr(policy, name, value)
    do_edit_policy(policy, by=None)
    forget()


def api_of(user: User | None = None) -> Api:
    """A browser's client, logged in as `user` if given."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return Api(client)


def api_with_key(user: User, *scopes: str) -> Api:
    """A program's client, with a key of these scopes."""
    account = user.accounts.get(number=1)
    _, secret = do_create_api_key(account, name="test", scopes=scopes, by=user)
    return Api(Client(), bearer=secret)


@contextmanager
def refusing(code: str, status: int = 422, field: str | None = None) -> Iterator[None]:
    """The block is refused with exactly this."""
    with pytest.raises(RefusedError) as refusal, transaction.atomic():
        yield
    error = refusal.value
    assert (error.code, error.status, error.field) == (code, status, field)
