"""Handles: the public, unique, lower-case names of users."""

import re

from django.core.exceptions import ValidationError

HANDLE_PATTERN = re.compile(r"[a-z0-9_]{3,30}", re.ASCII)
# fmt: off
RESERVED = frozenset({
    "admin", "administrator", "operator", "staff", "support", "system", "house", "issuer",
    "escrow", "fees", "maker", "market", "api", "root", "predex", "me", "anonymous", "null",
    "none",
})
# fmt: on


def validate_handle(handle: str) -> None:
    """Raise ValidationError unless `handle` may become somebody's name."""
    if not HANDLE_PATTERN.fullmatch(handle):
        raise ValidationError(
            "A handle has 3 to 30 lower-case letters, digits or underscores.", code="bad_handle"
        )
    if handle in RESERVED:
        raise ValidationError("This handle is reserved.", code="handle_reserved")


VALIDATORS = [validate_handle]
