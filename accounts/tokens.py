"""JSON Web Tokens of programs that logged in with a password.

A token has no claims about its user, only the id of a `LoginSession` row, which is looked up
(cached for a second), so that a log-out, a new password or a suspension revokes it. A refresh token
also contains its sequence number: it can be used once and is replaced by the next. HS256 with
`JWT_SIGNING_KEY` from the environment, so tokens survive restarts and are valid on every host.
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts.models import LoginSession, User
from kernel.errors import AuthError

ALGORITHM = "HS256"
ISSUER = "predex"


class Token(NamedTuple):
    session_id: uuid.UUID
    expires_at: int  # Unix seconds
    number: int  # a refresh token's sequence number


def issue_access_token(session: LoginSession) -> str:
    return _encode(session, "access", settings.JWT_ACCESS_SECONDS)


def issue_refresh_token(session: LoginSession) -> str:
    number = {"num": session.refreshes}
    return _encode(session, "refresh", settings.JWT_REFRESH_SECONDS, number)


def read_token(text: str, *, use: str) -> Token:
    """Check the signature, lifetime and use ("access" or "refresh"); AuthError otherwise."""
    try:
        claims = jwt.decode(
            text,
            settings.JWT_SIGNING_KEY,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options={"require": ["exp", "iss", "sid", "use"]},
        )
        number = int(claims.get("num", 0))
        token = Token(uuid.UUID(claims["sid"]), int(claims["exp"]), number)
    except jwt.ExpiredSignatureError:
        raise AuthError("token_expired") from None
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise AuthError("invalid_credentials", detail="this token is not valid") from None
    if claims["use"] != use:
        raise AuthError("invalid_credentials", detail=f"this is not an {use} token")
    return token


def compute_password_stamp(user: User) -> str:
    """Return a text that changes when the user's password does."""
    return salted_hmac(
        "accounts.LoginSession", user.password, secret=settings.JWT_SIGNING_KEY, algorithm="sha256"
    ).hexdigest()


def _encode(
    session: LoginSession, use: str, seconds: int, more: Mapping[str, int] | None = None
) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sid": str(session.id),
        "use": use,
        "iat": now,
        "exp": min(now + seconds, int(session.expires_at.timestamp())),
        **(more or {}),
    }
    return jwt.encode(claims, settings.JWT_SIGNING_KEY, algorithm=ALGORITHM)
