"""Creating and revoking API keys and the log-ins behind tokens."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import keys, ledger, signing
from accounts.audit import record_audit
from accounts.models import Account, ApiKey, LoginSession, User
from accounts.notices import notify_on_commit
from accounts.second_factor import has_shown_factor, no_right
from accounts.status import check_may_act, check_may_trade
from accounts.tokens import compute_password_stamp
from kernel.errors import AuthError, RefusedError
from kernel.texts import check_line
from web.addresses import normalise_networks

KEYS_MAX = 50
NETWORKS_MAX = 20


def check_create_api_key(
    account: Account,
    *,
    name: str,
    scopes: Iterable[str],
    by: User | None,
    expires_at: datetime | None,
) -> None:
    check_line(name, "name")
    if account.owner_id is None:
        raise RefusedError("not_a_trading_account")
    if "operate" in scopes and by is not None and not (by.is_staff and by.may_operate):
        raise no_right(by)
    if expires_at is not None and expires_at <= timezone.now():
        raise RefusedError("already_expired", "expires_at")
    if account.api_keys.live().count() >= KEYS_MAX:
        raise RefusedError("too_many_keys", count=KEYS_MAX)


def do_create_api_key(
    account: Account,
    *,
    name: str,
    scopes: Iterable[str],
    by: User | None,
    expires_at: datetime | None = None,
    public_key: str = "",
    networks: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Return the key's row and its secret, which is not stored; "" with a `public_key` (PEM).

    `networks` say from where it may be used; none: from everywhere.
    """
    scopes, networks = sorted(set(scopes)), _read_networks(networks)
    text, prefix, digest = keys.make_key()
    if public_key:
        public_key = signing.normalise_public_key(public_key)
        text = digest = ""
    with transaction.atomic():
        ledger.lock(
            [account.pk]
        )  # locked, or two concurrent requests could both fit below the limit
        check_may_trade(account.pk)
        check_create_api_key(account, name=name, scopes=scopes, by=by, expires_at=expires_at)
        key = ApiKey.objects.create(
            account=account,
            prefix=prefix,
            digest=digest,
            public_key=public_key,
            name=name,
            scopes=scopes,
            networks=networks,
            used_second_factor="operate" in scopes and by is not None and has_shown_factor(by),
            expires_at=expires_at,
        )
        after = {"name": name, "prefix": prefix, "scopes": key.scopes, "networks": networks}
        record_audit("create_api_key", key, by=by, after=after)
        if account.owner is not None:
            notify_on_commit(account.owner, "key_created", by=by, detail=_name_key(key))
    return key, text


def _read_networks(texts: Sequence[str]) -> list[str]:
    if len(texts) > NETWORKS_MAX:
        raise RefusedError("bad_network", count=NETWORKS_MAX)
    try:
        return normalise_networks(texts)
    except ValueError:
        raise RefusedError("bad_network", count=NETWORKS_MAX) from None


def do_revoke_api_key(key: ApiKey, *, by: User | None) -> None:
    """Revoke a key, effective within a second; revoking it again changes nothing."""
    with transaction.atomic():
        if _revoke(key, by=by) and key.account.owner is not None:
            notify_on_commit(key.account.owner, "key_revoked", by=by, detail=_name_key(key))


def do_revoke_api_keys(user: User, *, by: User | None) -> None:
    """Revoke every key of a user; the caller notifies them."""
    with transaction.atomic():
        for key in ApiKey.objects.live().filter(account__owner=user):
            _revoke(key, by=by)


def _revoke(key: ApiKey, *, by: User | None) -> bool:
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    if revoked:
        record_audit("revoke_api_key", key, by=by)
    return bool(revoked)


def _name_key(key: ApiKey) -> str:
    return f"{key.name} ({key.shown_name}): {', '.join(key.scopes)}"


def do_end_login(login: LoginSession, *, by: User | None) -> None:
    """End a program's log-in: its refresh token now, its access token within a second."""
    with transaction.atomic():
        live = LoginSession.objects.filter(pk=login.pk, revoked_at=None)
        if live.update(revoked_at=timezone.now()):
            record_audit("log_out", login, by=by)


def do_log_in(
    user: User, *, address: str, user_agent: str, used_second_factor: bool = False
) -> LoginSession:
    """Start the log-in that a program's tokens refer to; the caller has authenticated the user."""
    with transaction.atomic():
        # Locked, so that no log-in begins while the user is being suspended.
        check_may_act(User.objects.select_for_update(no_key=True).get(pk=user.pk))
        login = LoginSession.objects.create(
            user=user,
            password_stamp=compute_password_stamp(user),
            address=address or None,
            user_agent=user_agent[:200],
            used_second_factor=used_second_factor,
            expires_at=timezone.now() + timedelta(seconds=settings.JWT_REFRESH_SECONDS),
        )
        record_audit("log_in", login, by=user)
    return login


def do_refresh_login(login: LoginSession, *, number: int) -> LoginSession:
    """Count a refresh with token number `number`; a reused token ends the log-in."""
    newest = LoginSession.objects.filter(pk=login.pk, revoked_at=None, refreshes=number)
    if not newest.update(refreshes=F("refreshes") + 1):
        with transaction.atomic():
            do_end_login(login, by=login.user)
            record_audit("refresh_token_came_again", login, by=None)
        raise AuthError("invalid_credentials", detail="this refresh token was used: log in again")
    login.refreshes = number + 1
    return login


def check_help_user(user: User, *, by: User) -> None:
    """Refuse to change an operator's means of log-in unless `by` is a superuser."""
    if user.is_staff and user != by and not by.is_superuser:
        raise RefusedError("is_an_operator")


def do_end_browser(browser: UserSession, *, by: User) -> None:
    """End one browser's session, effective at its next request."""
    with transaction.atomic():
        browser.end()
        record_audit("end_session", browser, by=by)


def do_end_sessions(user: User, *, by: User, reason: str = "", but: str | None = None) -> None:
    """Log a user out everywhere: browsers at once, programs within a second. Keys stay.

    `but` is the session key of the one browser that stays logged in.
    """
    check_help_user(user, by=by)
    with transaction.atomic():
        browsers = list(UserSession.objects.filter(user=user).exclude(session_key=but or ""))
        for browser in browsers:
            browser.end()
        programs = user.login_sessions.filter(revoked_at=None).update(revoked_at=timezone.now())
        after = {"browsers": len(browsers), "programs": programs}
        record_audit("end_sessions", user, by=by, after=after, reason=reason)


def do_reset_mfa(user: User, *, by: User, reason: str) -> None:
    """Delete a user's second factors of every kind; the password stays valid."""
    check_help_user(user, by=by)
    with transaction.atomic():
        factors = Authenticator.objects.filter(user=user)
        kinds = sorted(factors.values_list("type", flat=True))
        if not kinds:
            raise RefusedError("no_second_factor")
        factors.delete()
        record_audit("reset_mfa", user, by=by, before={"factors": kinds}, reason=reason)
        notify_on_commit(user, "factors_reset", by=by)
