"""Who is on a bench: an operator's key, and traders with keys and play money.

The database has digests only; the keys are in `keys.json`, readable by its owner alone.
"""

import os
import secrets
from typing import Final

import msgspec
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.actions import do_create_api_key, do_create_user, do_grant
from accounts.keys import find_prefix
from accounts.models import ApiKey, User
from kernel.units import MICROS_PER_CREDIT
from simulator.bench import get_folder
from simulator.recordings.stage import do_stage_market

CREDITS_EACH: Final = 100_000
OPERATOR: Final = "bench_operator"
PASSWORD_BYTES: Final = 12
FILE_MODE: Final = 0o600


class BenchTrader(msgspec.Struct):
    """Logs in as `<handle>@bench.invalid`, to see its report."""

    handle: str
    key: str
    password: str


class People(msgspec.Struct):
    """`markets` are slugs of open markets without recordings."""

    operator_key: str
    traders: list[BenchTrader]
    markets: list[str] = []


def do_seed_people(*, traders: int) -> People:
    """Return the kept people if this database has them all, else make them."""
    kept = _read()
    if kept is not None and len(kept.traders) >= traders and _are_known(kept):
        return kept
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    encoded = make_password(password)  # once: it is slow on purpose
    people = People(
        _make(OPERATOR, ["operate", "read", "trade"], encoded, is_operator=True),
        [
            BenchTrader(handle, _make(handle, ["read", "trade"], encoded), password)
            for handle in (f"trader_{number}" for number in range(1, traders + 1))
        ],
    )
    write(people)
    return people


def do_open_plain_markets(people: People, count: int) -> None:
    """Open so many markets without a recording."""
    stamp = f"{timezone.now():%H%M%S}"
    for number in range(len(people.markets) + 1, count + 1):
        market = do_stage_market(
            name=f"{stamp}-{number}",
            title=f"Market {number}",
            description="",
            rules="Whatever the bench's operator says.",
        )
        people.markets.append(market.slug)
    write(people)


def write(people: People) -> None:
    path = get_folder() / "keys.json"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(people)) + b"\n")
    new.replace(path)


def _read() -> People | None:
    try:
        return msgspec.json.decode((get_folder() / "keys.json").read_bytes(), type=People)
    except FileNotFoundError:
        return None


def _are_known(people: People) -> bool:
    keys = [people.operator_key, *(trader.key for trader in people.traders)]
    prefixes = {find_prefix(key) for key in keys}
    return ApiKey.objects.live().filter(prefix__in=prefixes).count() == len(prefixes)


def _make(handle: str, scopes: list[str], encoded: str, *, is_operator: bool = False) -> str:
    """Return a new key of a user, who gets this password and is made if need be."""
    user = User.objects.filter(handle=handle).first()
    if user is None:
        user = do_create_user(
            email=f"{handle}@bench.invalid", handle=handle, password=None, by=None,
            is_email_verified=True, is_operator=is_operator,
        )  # fmt: skip
        do_grant(
            user.accounts.get(number=1), amount_micros=CREDITS_EACH * MICROS_PER_CREDIT, by=None
        )
    User.objects.filter(pk=user.pk).update(password=encoded)
    account = user.accounts.get(number=1)
    _, key = do_create_api_key(account, name="bench", scopes=scopes, by=None)
    return key
