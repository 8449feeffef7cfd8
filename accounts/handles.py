"""Handles: the public, unique, lower-case names of users."""

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

DELETED_PREFIX = "deleted_"
"""The prefix of deleted users' opaque handles, which users cannot choose."""
HANDLE_LENGTH_MAX = 30
HANDLE_PATTERN = re.compile(r"[a-z0-9_]{3,30}", re.ASCII)
# fmt: off
RESERVED = frozenset({
    "admin", "administrator", "operator", "staff", "support", "system", "house", "issuer",
    "escrow", "fees", "maker", "market", "api", "root", "predex", "me", "anonymous", "null",
    "none",
})
# fmt: on


def validate_handle(handle: str) -> None:
    """Raise ValidationError unless `handle` is allowed as a new handle."""
    if not HANDLE_PATTERN.fullmatch(handle):
        raise ValidationError(
            _("A handle has 3 to 30 lower-case letters, digits or underscores."),
            code="bad_handle",
        )
    if handle in RESERVED or handle.startswith(DELETED_PREFIX):
        raise ValidationError(_("This handle is reserved."), code="handle_reserved")


def compute_retired_digest(handle: str) -> str:
    """Return the keyed hash of a deleted user's handle: enough to recognise it, no more."""
    return salted_hmac(
        "accounts.RetiredHandle", handle, secret=settings.API_KEY_PEPPER, algorithm="sha256"
    ).hexdigest()


VALIDATORS = [validate_handle]
