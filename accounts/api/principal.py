"""Who asks: from the headers of a request (or a browser's user) to a `Principal`.

Both doors use this. A principal is read from the database once and kept for less than a second,
so a revoked key, a log-out, a new password or a suspension stops everywhere within a second; a
hit costs one dict lookup. `headers` are always a mapping with lower-case names.
"""

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

import msgspec
import structlog
from allauth.account.models import EmailAddress
from channels.db import database_sync_to_async
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.keys import compute_digest, find_prefix
from accounts.models import Account, ApiKey, LoginSession, User
from accounts.policy import get_policy
from accounts.second_factor import may_operate
from accounts.standing import account_closed, check_may_act
from accounts.tokens import compute_password_stamp, read_token
from kernel.errors import AuthError
from web.limits import Rate

CACHE_SECONDS = 0.9  # of the second that a stop may take
CACHE_ENTRIES_MAX = 50_000
GATHER_SECONDS = 0.1  # how long one that is still fresh waits for others that fall due
LAST_USED_SECONDS = 60  # how exact `ApiKey.last_used_at` is
# Keys, passwords and withdrawals are managed by somebody who logged in, never by a key.
LOGIN_SCOPES = frozenset({"read", "trade", "manage"})
OPERATE = "operate"  # an operator's acts, see `accounts.second_factor`

Headers = Mapping[str, str]

log = structlog.get_logger(__name__)


class Principal(msgspec.Struct, frozen=True):
    user_id: int
    account_id: int
    owner_id: int
    account_kind: str
    scopes: frozenset[str]
    credential: str  # "session", "key" or "jwt"
    credential_id: str
    is_verified: bool  # may trade and withdraw: the e-mail address is known to be theirs
    read_rate: Rate
    write_rate: Rate


_cache: dict[str, tuple[float, Principal]] = {}
_lookups: dict[str, "asyncio.Future[Principal]"] = {}
_due: "WeakKeyDictionary[asyncio.AbstractEventLoop, set[str]]" = WeakKeyDictionary()


def find_credential(headers: Headers) -> str | None:
    """Return the key or token that a request carries, if any; AuthError for another scheme."""
    key = headers.get("x-api-key")
    if key:
        return key
    authorization = headers.get("authorization")
    if not authorization:
        return None
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise AuthError(
            "invalid_credentials", detail="send a key or token as: Authorization: Bearer ..."
        )
    return credential.strip()


def find_cached(headers: Headers) -> Principal | None:
    """Return the principal if it is known without input and output."""
    credential = find_credential(headers)
    return _find_fresh(credential) if credential else None


def authenticate_headers(headers: Headers) -> Principal:
    """Return the principal or raise AuthError; may read the database."""
    credential = _require_credential(headers)
    return _find_fresh(credential) or _look_up(credential)


async def authenticate(headers: Headers) -> Principal:
    """The same from async code: a miss is looked up once, whoever else waits for it.

    From half its age on a principal is looked up again in the background, so that a busy caller
    never waits for it.
    """
    credential = _require_credential(headers)
    principal = _find_fresh(credential)
    if principal is None:
        return await asyncio.shield(_start_lookup(credential))
    if time.monotonic() > _cache[credential][0] - CACHE_SECONDS / 2:
        _renew_soon(credential)
    return principal


def _renew_soon(credential: str) -> None:
    """Look up again, together with all others that fall due within GATHER_SECONDS."""
    loop = asyncio.get_running_loop()
    due = _due.get(loop)
    if due is None:
        due = _due[loop] = set()
    if not due:
        loop.call_later(GATHER_SECONDS, _start_renewal, loop, due)
    due.add(credential)


def _start_renewal(loop: asyncio.AbstractEventLoop, due: set[str]) -> None:
    taken = list(due)  # they stay due, so that nobody asks for them a second time meanwhile
    renew = database_sync_to_async(_look_up_again, thread_sensitive=False)
    renewal = asyncio.ensure_future(renew(taken))
    renewal.add_done_callback(lambda done: _end_renewal(loop, due, taken, done))


def _end_renewal(
    loop: asyncio.AbstractEventLoop, due: set[str], taken: list[str], done: "asyncio.Future[None]"
) -> None:
    due.difference_update(taken)
    if due:
        loop.call_later(GATHER_SECONDS, _start_renewal, loop, due)
    if not done.cancelled() and (fault := done.exception()):
        log.warning("principals_not_renewed", fault=str(fault))


def _start_lookup(credential: str) -> "asyncio.Future[Principal]":
    lookup = _lookups.get(credential)
    if lookup is None or lookup.get_loop() is not asyncio.get_running_loop():
        look_up = database_sync_to_async(_look_up, thread_sensitive=False)
        lookup = asyncio.ensure_future(look_up(credential))
        _lookups[credential] = lookup
        lookup.add_done_callback(lambda done: _end_lookup(credential, done))
    return lookup


def _name_of(user_id: int, *, operates: bool) -> str:
    return f"user {user_id} {operates}"  # no credential has a space in it


def principal_of_user(user: User) -> Principal:
    """Return the principal of a browser's session; AuthError for a stopped user."""
    check_may_act(user)
    operates = user.is_staff and user.may_operate
    name = _name_of(user.pk, operates=operates)
    principal = _find_fresh(name)
    if principal is not None:
        return principal
    started = time.monotonic()
    account = Account.objects.filter(owner=user, number=1).first()
    if account is None or account.closed_at:
        raise account_closed()
    verified = not settings.EMAIL_VERIFICATION_REQUIRED or _verified_emails(user.pk).exists()
    scopes = LOGIN_SCOPES | {OPERATE} if operates else LOGIN_SCOPES
    principal = _build(account, scopes, "session", str(user.pk), is_verified=verified)
    return _keep(name, principal, started)


def require_scope(principal: Principal, scope: str, *others: str) -> None:
    """Raise AuthError (403) unless the principal may do what needs `scope`, or one of others."""
    if principal.scopes.isdisjoint((scope, *others)):
        raise AuthError("missing_scope", scope=scope)
    if scope == "trade":
        require_verified(principal)


def require_verified(principal: Principal) -> None:
    if not principal.is_verified:
        raise AuthError("email_not_verified")


def find_stopped(principals: Iterable[Principal]) -> set[Principal]:
    """Return those whose credential no longer stands: for sockets that stay open.

    Three queries whatever the number; call it at most a second apart and close what it names.
    """
    principals = set(principals)
    now = timezone.now()
    accounts = Account.objects.filter(pk__in={p.account_id for p in principals}, closed_at=None)
    accounts = accounts.filter(owner__is_active=True, owner__suspended_at=None)
    standing = set(accounts.values_list("pk", flat=True))
    keys = _standing(ApiKey, principals, "key", now)
    logins = _standing(LoginSession, principals, "jwt", now)
    return {
        p
        for p in principals
        if p.account_id not in standing
        or (p.credential == "key" and p.credential_id not in keys)
        or (p.credential == "jwt" and p.credential_id not in logins)
    }


def forget_user(user_id: int) -> None:
    """Let a user's next page see at once what they have just changed about themselves."""
    for operates in (True, False):
        _cache.pop(_name_of(user_id, operates=operates), None)


def forget_all() -> None:
    """Drop this process's cache: for tests, and where a stop must show at once."""
    _cache.clear()


def _require_credential(headers: Headers) -> str:
    credential = find_credential(headers)
    if credential is None:
        raise no_credential()
    return credential


def no_credential() -> AuthError:
    return AuthError("not_authenticated", detail="send an API key or a token")


def _find_fresh(credential: str) -> Principal | None:
    entry = _cache.get(credential)
    return entry[1] if entry is not None and time.monotonic() < entry[0] else None


def _keep(credential: str, principal: Principal, started: float, seconds: float = 1.0) -> Principal:
    if len(_cache) >= CACHE_ENTRIES_MAX:
        _cache.clear()
    _cache[credential] = (started + min(CACHE_SECONDS, seconds), principal)
    return principal


def _end_lookup(credential: str, done: "asyncio.Future[Principal]") -> None:
    if _lookups.get(credential) is done:
        del _lookups[credential]
    if not done.cancelled():
        done.exception()  # every waiter has it; none left is no fault


def _look_up(credential: str) -> Principal:
    prefix = find_prefix(credential)
    return _look_up_key(credential, prefix) if prefix else _look_up_token(credential)


def _look_up_again(credentials: list[str]) -> None:
    """Renew what is known of credentials: all keys in one query.

    One that does not stand any more is forgotten; whoever sends it next is told why.
    """
    started = time.monotonic()
    prefixes = {credential: find_prefix(credential) for credential in credentials}
    keys = {key.prefix: key for key in _select_keys().filter(prefix__in=set(prefixes.values()))}
    for credential, prefix in prefixes.items():
        try:
            if prefix:
                _accept_key(credential, keys.get(prefix), started)
            else:
                _look_up_token(credential)
        except AuthError:
            _cache.pop(credential, None)


def _look_up_key(credential: str, prefix: str) -> Principal:
    started = time.monotonic()
    return _accept_key(credential, _select_keys().filter(prefix=prefix).first(), started)


def _select_keys() -> Any:
    verified = Exists(_verified_emails(OuterRef("account__owner")))
    return ApiKey.objects.select_related("account__owner").annotate(verified=verified)


def _accept_key(credential: str, key: Any, started: float) -> Principal:
    if key is None or not hmac.compare_digest(key.digest, compute_digest(credential)):
        raise AuthError("invalid_credentials", detail="this key is not valid")
    if key.revoked_at is not None:
        raise AuthError("invalid_credentials", detail="this key was revoked")
    seconds = (key.expires_at - timezone.now()).total_seconds() if key.expires_at else 1.0
    if seconds <= 0:
        raise AuthError("invalid_credentials", detail="this key has expired")
    _check_account(key.account)
    scopes = frozenset(key.scopes)
    if OPERATE in scopes and settings.ADMIN_REQUIRE_MFA and not key.used_second_factor:
        raise AuthError(
            "invalid_credentials",
            detail="this key operates and was made without the second factor: make a new one",
        )
    _note_use(key)
    # A key outlives a role and a second factor; the right to operate does not.
    if not may_operate(key.account.owner, used_second_factor=True):
        scopes -= {OPERATE}
    principal = _build(key.account, scopes, "key", str(key.pk), is_verified=_verified(key))
    return _keep(credential, principal, started, seconds)


def _look_up_token(credential: str) -> Principal:
    token = read_token(credential, use="access")
    started = time.monotonic()
    login = (
        LoginSession.objects.select_related("user")
        .annotate(verified=Exists(_verified_emails(OuterRef("user"))))
        .filter(pk=token.session_id)
        .first()
    )
    login = check_login(login)
    account = Account.objects.select_related("owner").filter(owner=login.user, number=1).first()
    account = _check_account(account)
    operates = may_operate(login.user, used_second_factor=login.used_second_factor)
    scopes = LOGIN_SCOPES | {OPERATE} if operates else LOGIN_SCOPES
    principal = _build(account, scopes, "jwt", str(login.pk), is_verified=_verified(login))
    return _keep(credential, principal, started, token.expires_at - time.time())


def check_login(login: Any) -> Any:
    """Return the log-in behind a token; AuthError unless it is there and still stands."""
    if login is None or login.revoked_at is not None:
        raise AuthError("invalid_credentials", detail="this log-in has ended")
    if not hmac.compare_digest(login.password_stamp, compute_password_stamp(login.user)):
        raise AuthError("invalid_credentials", detail="the password has changed: log in again")
    check_may_act(login.user)
    return login


def _check_account(account: Account | None) -> Account:
    if account is None or account.owner is None:
        raise AuthError("invalid_credentials", detail="there is no account for this")
    check_may_act(account.owner)
    if account.closed_at is not None:
        raise account_closed()
    return account


def _verified_emails(user: Any) -> Any:
    return EmailAddress.objects.filter(user=user, verified=True)


def _verified(row: Any) -> bool:
    return row.verified or not settings.EMAIL_VERIFICATION_REQUIRED


def _build(
    account: Account,
    scopes: frozenset[str],
    credential: str,
    credential_id: str,
    *,
    is_verified: bool,
) -> Principal:
    limits = get_policy().rate_limits
    rates = limits.get(account.kind, limits["user"])
    owner_id = cast("int", account.owner_id)
    return Principal(
        user_id=owner_id,
        account_id=account.pk,
        owner_id=owner_id,
        account_kind=account.kind,
        scopes=scopes,
        credential=credential,
        credential_id=credential_id,
        is_verified=is_verified,
        read_rate=Rate(*rates["read"]),
        write_rate=Rate(*rates["write"]),
    )


def _standing(model: Any, principals: set[Principal], credential: str, now: Any) -> set[str]:
    ids = {p.credential_id for p in principals if p.credential == credential}
    rows = model.objects.filter(pk__in=ids, revoked_at=None).exclude(expires_at__lte=now)
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or (now - key.last_used_at).total_seconds() > LAST_USED_SECONDS:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
