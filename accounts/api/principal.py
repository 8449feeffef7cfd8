"""Authentication: from a request's headers (or a browser's user) to a `Principal`.

The API views and the order app both use this. A principal is cached for less than a second, so a
revoked key, a log-out, a new password or a suspension takes effect everywhere within a second; a
cache hit costs one dict lookup. `headers` are always a mapping with lower-case names.
"""

import hmac
import time
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, NamedTuple, TypeGuard, cast

import msgspec
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.keys import compute_digest, find_prefix
from accounts.models import Account, ApiKey, LoginSession, User
from accounts.models.account import MAIN_NUMBER
from accounts.policy import get_policy
from accounts.second_factor import may_operate
from accounts.signing import PublicKey, load_public_key
from accounts.status import account_closed, check_may_act
from accounts.tokens import compute_password_stamp, read_token
from kernel.cache import BatchCache, FreshCache
from kernel.errors import AuthError, not_found
from web.addresses import is_in, parse_networks
from web.limits import Rate

CACHE_SECONDS = 0.9  # part of the second that revocation may take
CACHE_ENTRIES_MAX = 50_000
NUMBERS_MAX = 32_767  # of accounts, as the database has them
LAST_USED_SECONDS = 60  # precision of `ApiKey.last_used_at`
# Keys, passwords and withdrawals are managed by a logged-in user, never with a key.
LOGIN_SCOPES = frozenset({"read", "trade", "manage"})
OPERATE = "operate"  # operators' actions, see `accounts.second_factor`

Headers = Mapping[str, str]


class Principal(msgspec.Struct, frozen=True):
    user_id: int
    account_id: int
    owner_id: int
    account_kind: str
    scopes: frozenset[str]
    credential: str  # "session", "key" or "jwt"
    credential_id: str
    is_verified: bool  # may trade and withdraw: the e-mail address is verified
    read_rate: Rate
    write_rate: Rate
    expires_at: float = inf  # Unix seconds
    networks: tuple[str, ...] = ()  # from where its key may be used; empty: from everywhere
    subaccount: int = 0  # the account's number as its owner calls it; 0 is the main one


class Signer(NamedTuple):
    """Who signs with a key, and the key's public half."""

    principal: Principal
    public_key: PublicKey


def find_credential(headers: Headers) -> str | None:
    """Return the key or token of a request, if any; AuthError for another scheme."""
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


def authenticate_headers(headers: Headers, address: str) -> Principal:
    """Return the principal or raise AuthError; may read the database.

    `address` is the caller's, as found behind trusted proxies.
    """
    credential = _require_credential(headers)
    principal = _cache.get_sync(credential)
    return check_address(principal if _is_current(principal) else _look_up(credential), address)


async def authenticate(headers: Headers, address: str) -> Principal:
    """`authenticate_headers` for async code."""
    credential = _require_credential(headers)
    principal = await _cache.get(credential)
    if not _is_current(principal):
        _cache.drop(credential)
        principal = await _cache.get(credential)
    return check_address(cast("Principal", principal), address)


async def get_signer(key_id: str) -> Signer:
    """Return who signs with this key (a UUID's text), or raise AuthError."""
    signer = await _signers.get(key_id)
    if signer is None or not _is_current(signer.principal):
        _signers.drop(key_id)
        signer = await _signers.get(key_id)
    return cast("Signer", signer)


def get_signer_sync(key_id: str) -> Signer:
    """`get_signer` for sync code."""
    signer = _signers.get_sync(key_id)
    current = signer is not None and _is_current(signer.principal)
    return cast("Signer", signer) if current else _look_up_signer(key_id)


def check_address(principal: Principal, address: str) -> Principal:
    """Return the principal; AuthError (403) where its key may not be used from this address."""
    if principal.networks and not is_in(address, parse_networks(principal.networks)):
        raise AuthError("address_not_allowed", address=address or "unknown")
    return principal


def _is_current(principal: Principal | None) -> TypeGuard[Principal]:
    """Whether its credential is still unexpired."""
    return principal is not None and time.time() < principal.expires_at


def principal_of_user(user: User) -> Principal:
    """Return the principal of a browser's session; AuthError for a stopped user."""
    check_may_act(user)
    operates = user.is_staff and user.may_operate
    return cast("Principal", _sessions.get_sync((user.pk, operates)))


async def act_for(principal: Principal, subaccount: int | None) -> Principal:
    """Return the principal as acting for an own sub-account that a request names; None: its own.

    A key of a sub-account acts for that alone: AuthError (403).
    """
    if subaccount is None or subaccount == principal.subaccount:
        return principal
    account_id = await _subaccounts.get(_find_named(principal, subaccount))
    return _act_as(principal, subaccount, account_id)


def act_for_sync(principal: Principal, subaccount: int | None) -> Principal:
    """`act_for` for sync code."""
    if subaccount is None or subaccount == principal.subaccount:
        return principal
    account_id = _subaccounts.get_sync(_find_named(principal, subaccount))
    return _act_as(principal, subaccount, account_id)


def require_main(principal: Principal) -> None:
    """Raise AuthError (403) for a key of a sub-account."""
    if principal.subaccount:
        raise AuthError("key_of_subaccount", number=principal.subaccount)


def list_account_ids(principal: Principal) -> list[int]:
    """Return the accounts that it speaks for: all of the owner's, or that of a sub-account."""
    if principal.subaccount:
        return [principal.account_id]
    return list(Account.objects.filter(owner=principal.owner_id).values_list("pk", flat=True))


def _find_named(principal: Principal, subaccount: int) -> tuple[int, int]:
    require_main(principal)
    if not 0 <= subaccount < NUMBERS_MAX:
        raise not_found("this sub-account")
    return principal.owner_id, subaccount


def _act_as(principal: Principal, subaccount: int, account_id: int | None) -> Principal:
    if account_id is None:
        raise not_found("this sub-account")
    return msgspec.structs.replace(principal, account_id=account_id, subaccount=subaccount)


def _look_up_subaccount(named: tuple[int, int]) -> int | None:
    owner_id, subaccount = named
    open_ones = Account.objects.filter(owner=owner_id, closed_at=None)
    found = open_ones.filter(number=subaccount + MAIN_NUMBER)
    return found.values_list("pk", flat=True).first()


def require_scope(principal: Principal, scope: str, *others: str) -> None:
    """Raise AuthError (403) unless the principal has `scope` or one of the others."""
    if principal.scopes.isdisjoint((scope, *others)):
        raise AuthError("missing_scope", scope=scope)
    if scope == "trade":
        require_verified(principal)


def require_verified(principal: Principal) -> None:
    if not principal.is_verified:
        raise AuthError("email_not_verified")


def find_stopped(principals: Iterable[Principal]) -> set[Principal]:
    """Return those whose credential is no longer valid; for long-lived sockets.

    Three queries for any number of them; call it at least every second and close what it returns.
    """
    principals = set(principals)
    now = timezone.now()
    accounts = Account.objects.filter(pk__in={p.account_id for p in principals}, closed_at=None)
    accounts = accounts.filter(owner__is_active=True, owner__suspended_at=None)
    active = set(accounts.values_list("pk", flat=True))
    keys = _find_valid(ApiKey, principals, "key", now)
    logins = _find_valid(LoginSession, principals, "jwt", now)
    return {
        p
        for p in principals
        if p.account_id not in active
        or (p.credential == "key" and p.credential_id not in keys)
        or (p.credential == "jwt" and p.credential_id not in logins)
    }


def forget_user(user_id: int) -> None:
    """Drop a user from the cache, so that their next page shows what they have just changed."""
    for operates in (True, False):
        _sessions.drop((user_id, operates))


def _require_credential(headers: Headers) -> str:
    credential = find_credential(headers)
    if credential is None:
        raise no_credential()
    return credential


def no_credential() -> AuthError:
    return AuthError("not_authenticated", detail="send an API key or a token")


def _look_up(credential: str) -> Principal:
    prefix = find_prefix(credential)
    return _look_up_key(credential, prefix) if prefix else _look_up_token(credential)


def _look_up_many(credentials: list[str]) -> dict[str, Principal | None]:
    """Look up credentials, all keys in one query.

    An invalid one is None; the next request with it gets the reason.
    """
    prefixes = {credential: find_prefix(credential) for credential in credentials}
    keys = {key.prefix: key for key in _select_keys().filter(prefix__in=set(prefixes.values()))}
    found: dict[str, Principal | None] = {}
    for credential, prefix in prefixes.items():
        try:
            found[credential] = (
                _accept_key(credential, keys.get(prefix)) if prefix else _look_up_token(credential)
            )
        except AuthError:
            found[credential] = None
    return found


def _look_up_key(credential: str, prefix: str) -> Principal:
    return _accept_key(credential, _select_keys().filter(prefix=prefix).first())


def _select_keys() -> Any:
    verified = Exists(_verified_emails(OuterRef("account__owner")))
    return ApiKey.objects.select_related("account__owner").annotate(verified=verified)


def _accept_key(credential: str, key: Any) -> Principal:
    if key is None or not hmac.compare_digest(key.digest, compute_digest(credential)):
        raise AuthError("invalid_credentials", detail="this key is not valid")
    return _accept_row(key)


def _look_up_signer(key_id: str) -> Signer:
    key = _select_keys().filter(pk=key_id).exclude(public_key="").first()
    if key is None:
        raise AuthError("invalid_credentials", detail="there is no key with this id")
    return Signer(_accept_row(key), load_public_key(key.public_key))


def _accept_row(key: Any) -> Principal:
    if key.revoked_at is not None:
        raise AuthError("invalid_credentials", detail="this key was revoked")
    expires_at = key.expires_at.timestamp() if key.expires_at else inf
    if expires_at <= time.time():
        raise AuthError("invalid_credentials", detail="this key has expired")
    _check_account(key.account)
    scopes = frozenset(key.scopes)
    if OPERATE in scopes and settings.ADMIN_REQUIRE_MFA and not key.used_second_factor:
        raise AuthError(
            "invalid_credentials",
            detail="this key operates and was made without the second factor: make a new one",
        )
    _note_use(key)
    # A key may outlive its owner's role and second factor; its right to operate must not.
    if not may_operate(key.account.owner, used_second_factor=True):
        scopes -= {OPERATE}
    principal = _build(
        key.account, scopes, "key", str(key.pk), is_verified=_verified(key), expires_at=expires_at
    )
    return msgspec.structs.replace(principal, networks=tuple(key.networks))


def _look_up_token(credential: str) -> Principal:
    token = read_token(credential, use="access")
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
    verified, ends = _verified(login), token.expires_at
    return _build(account, scopes, "jwt", str(login.pk), is_verified=verified, expires_at=ends)


def _look_up_session(user: tuple[int, bool]) -> Principal:
    user_id, operates = user
    account = Account.objects.filter(owner=user_id, number=1).first()
    if account is None or account.closed_at:
        raise account_closed()
    verified = not settings.EMAIL_VERIFICATION_REQUIRED or _verified_emails(user_id).exists()
    scopes = LOGIN_SCOPES | {OPERATE} if operates else LOGIN_SCOPES
    return _build(account, scopes, "session", str(user_id), is_verified=verified)


def check_login(login: Any) -> Any:
    """Return the log-in behind a token; AuthError unless it exists and is still valid."""
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
    expires_at: float = inf,
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
        expires_at=expires_at,
        subaccount=account.subaccount,
    )


def _find_valid(model: Any, principals: set[Principal], credential: str, now: Any) -> set[str]:
    ids = {p.credential_id for p in principals if p.credential == credential}
    rows = model.objects.filter(pk__in=ids, revoked_at=None).exclude(expires_at__lte=now)
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or (now - key.last_used_at).total_seconds() > LAST_USED_SECONDS:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


_cache: BatchCache[str, Principal] = BatchCache(
    _look_up, _look_up_many, seconds=CACHE_SECONDS, entries_max=CACHE_ENTRIES_MAX
)
# A separate cache, so that no text sent as a key can ever name a session.
_sessions: FreshCache[tuple[int, bool], Principal] = FreshCache(
    _look_up_session, seconds=CACHE_SECONDS, entries_max=CACHE_ENTRIES_MAX
)
_subaccounts: FreshCache[tuple[int, int], int] = FreshCache(
    _look_up_subaccount, seconds=CACHE_SECONDS, entries_max=CACHE_ENTRIES_MAX
)
_signers: FreshCache[str, Signer] = FreshCache(
    _look_up_signer, seconds=CACHE_SECONDS, entries_max=CACHE_ENTRIES_MAX
)
