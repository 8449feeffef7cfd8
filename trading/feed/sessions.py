"""A browser's session, and checks that it is still valid while a socket is open.

Read without changing the session: `django.contrib.auth.get_user` may rotate its key, and a socket
has no answer in which to send a new cookie.
"""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.api.principal import Principal, principal_of_user
from accounts.models import User


class Login(NamedTuple):
    """A session that was valid when read; `stamp` changes when it may have ended."""

    key: str
    principal: Principal
    stamp: tuple[str, str]
    """The session's row and the password's hash: while both are unchanged, it is valid."""


def find_session_key(cookie_header: str) -> str | None:
    try:
        morsel = SimpleCookie(cookie_header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    return morsel.value if morsel is not None and morsel.value else None


def read_login(key: str) -> Login | None:
    """Return a session's log-in, None for an anonymous one; AuthError for a stopped user."""
    row = _rows([key]).get(key)
    if row is None:
        return None
    data = _store().decode(row)
    user = _find_user(data)
    if user is None or not _is_of_password(data, user):
        return None
    return Login(key, principal_of_user(user), (row, user.password))


def find_ended(logins: Iterable[Login]) -> set[Login]:
    """Return those that have ended: logged out, expired, or the password was changed."""
    logins = set(logins)
    rows = _rows([login.key for login in logins])
    passwords = dict(
        User.objects.filter(pk__in={login.principal.user_id for login in logins}).values_list(
            "pk", "password"
        )
    )
    return {
        login
        for login in logins
        if login.stamp != (rows.get(login.key), passwords.get(login.principal.user_id))
        and not _stands(login)
    }


def _stands(login: Login) -> bool:
    """Check a session whose row changed: it may only have been used."""
    now = read_login(login.key)
    return now is not None and now.principal.account_id == login.principal.account_id


def _rows(keys: list[str]) -> dict[str, str]:
    model = _store().get_model_class()
    rows = model.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return dict(rows.values_list("session_key", "session_data"))


def _store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore()


def _find_user(data: dict[str, Any]) -> User | None:
    path = data.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(path).get_user(data.get(SESSION_KEY))
    return user if isinstance(user, User) else None


def _is_of_password(data: dict[str, Any], user: User) -> bool:
    stored = data.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(stored, known) for known in hashes)
