"""Creates the missing parts of the demo: users, traders, open markets. Existing ones are kept.

Passwords and keys are random; they are stored only in `secrets_file`. If that file or the database
is lost, the other one is completed: same users, new passwords or keys.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from accounts import keys
from accounts.actions import do_create_api_key, do_create_user, do_grant, do_welcome_user
from accounts.audit import record_audit
from accounts.models import Account, ApiKey, User
from kernel.units import MICROS_PER_CREDIT
from markets.actions import do_create_market
from markets.models import Category, Market, Tag
from trading.demo.catalogue import CATEGORIES, MARKETS, TAG, DemoMarket
from trading.demo.secrets_file import Demo, DemoTrader, Person, load_demo, save_demo

OPERATOR: Final = "olivia"
PEOPLE: Final = ("alice", "bob")
KEY_OWNER: Final = "alice"
TRADERS: Final = {"demo_maker": "maker", "demo_noise_1": "noise", "demo_noise_2": "noise"}
"""Handle -> program of `bots`."""
TRADER_MICROS: Final = 1_000_000 * MICROS_PER_CREDIT
SCOPES: Final = ("read", "trade")
PASSWORD_BYTES: Final = 12


def do_seed_demo() -> Demo:
    """Create what is missing, in one transaction; return the log-ins and keys."""
    demo = load_demo() or Demo()
    with transaction.atomic():
        for handle in (OPERATOR, *PEOPLE):
            _seed_person(demo, handle)
        for handle, program in TRADERS.items():
            seed_trader(demo, handle, program)
        _seed_markets(User.objects.get(handle=OPERATOR))
        save_demo(demo)  # before the commit: a key stored only in the database would be lost
    return demo


# --- users and programs --------------------------------------------------------------------------


def _seed_person(demo: Demo, handle: str) -> None:
    person = demo.find_person(handle)
    user = User.objects.filter(handle=handle).first()
    if person is None:
        person = Person(handle, f"{handle}@example.com", secrets.token_urlsafe(PASSWORD_BYTES))
        demo.people.append(person)
        if user is not None:
            _set_password(user, person.password)
    if user is None:
        user = do_create_user(
            email=person.email,
            handle=handle,
            password=person.password,
            by=None,
            display_name=handle.title(),
            is_email_verified=True,
            is_operator=handle == OPERATOR,
        )
        do_welcome_user(user, invite=None)
    if handle == KEY_OWNER:
        person.key = _keep_key(user.accounts.get(number=1), person.key)


def _set_password(user: User, password: str) -> None:
    """Set a new password, because the old one was lost with the file."""
    user.set_password(password)
    user.save(update_fields=["password"])
    record_audit("set_password", user, by=None, reason="demo")


def seed_trader(demo: Demo, handle: str, program: str) -> None:
    account = Account.objects.filter(owner__handle=handle, number=1).first()
    if account is None:
        user = do_create_user(
            email=f"{handle}@example.com",
            handle=handle,
            password=None,
            by=None,
            kind="system",
            is_email_verified=True,
        )
        account = user.accounts.get(number=1)
        do_grant(account, amount_micros=TRADER_MICROS, by=None)
    trader = demo.find_trader(handle)
    if trader is None:
        trader = DemoTrader(handle, program, "", account.pk)
        demo.traders.append(trader)
    trader.key, trader.account_id = _keep_key(account, trader.key), account.pk


def _keep_key(account: Account, text: str) -> str:
    """Return the key if the account still has it, else create a new one."""
    row = ApiKey.objects.filter(
        account=account, prefix=keys.find_prefix(text) or "", revoked_at=None
    ).first()
    if row is not None and hmac.compare_digest(row.digest, keys.compute_digest(text)):
        return text
    _, text = do_create_api_key(account, name="demo", scopes=SCOPES, by=None)
    return text


# --- markets -------------------------------------------------------------------------------------


def _seed_markets(operator: User) -> None:
    """Create each market of the catalogue, and again once its last one is past its close."""
    now = timezone.now()
    for market in MARKETS:
        fields = _build(market, now)
        named = Market.objects.filter(slug__startswith=market.slug)
        if named.filter(close_at__gt=now).exists():
            continue
        if named.exists():
            fields["slug"] = f"{market.slug}-{fields['close_at']:%Y-%m-%d}"
        do_create_market(by=operator, fields=fields, outcomes=market.outcomes)


def _build(market: DemoMarket, now: datetime) -> dict[str, Any]:
    """Return the fields of a market that is due to open, which the scheduler does."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    close_at = midnight + timedelta(days=market.closes_in_days)
    days = {"opening": _show_day(now), "day": _show_day(close_at)}
    return {
        "slug": market.slug,
        "title": market.title.format(**days),
        "kind": Market.Kind.CATEGORICAL if market.outcomes else Market.Kind.BINARY,
        "rules": market.rules.format(**days),
        "resolution_source": market.source,
        "category": _get_category(market.category),
        "tags": [_get_tag(name) for name in (TAG, *market.tags)],
        "open_at": now,
        "close_at": close_at,
        "expected_settle_at": close_at + timedelta(days=2),
        **market.terms,
    }


def _get_category(name: str) -> Category:
    defaults = {"name": name, "position": CATEGORIES.index(name)}
    category, _ = Category.objects.get_or_create(slug=slugify(name), defaults=defaults)
    return category


def _get_tag(name: str) -> Tag:
    tag, _ = Tag.objects.get_or_create(slug=slugify(name), defaults={"name": name})
    return tag


def _show_day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
