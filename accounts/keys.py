"""API keys as text, `pdx_<prefix>_<secret>`: the prefix finds the row, the digest verifies the key.

256 random bits need no slow hash; the pepper makes a stolen table useless without the environment.
"""

import hashlib
import hmac
import re
import secrets

from django.conf import settings

_KEY = re.compile(r"pdx_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)


def make_key() -> tuple[str, str, str]:
    """Return a new key's text, prefix and digest."""
    prefix = secrets.token_hex(6)
    text = f"pdx_{prefix}_{secrets.token_urlsafe(32)}"
    return text, prefix, compute_digest(text)


def find_prefix(text: str) -> str | None:
    """Return the prefix if the text has the form of a key."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def compute_digest(text: str) -> str:
    pepper = settings.API_KEY_PEPPER.encode()
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()
