"""The first operator, created without a shell through a URL that only the console shows.

While there is no superuser, each start of the web server offers a key. It creates one operator, is
valid for a day, and is useless once there is an operator.
"""

import secrets
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.actions.users import do_create_operator
from accounts.audit import record_audit
from accounts.keys import compute_digest
from accounts.models import Policy, SetupKey, User
from kernel.errors import not_found

SETUP_KEY_AGE_MAX: Final = timedelta(hours=24)


def has_operator() -> bool:
    return User.objects.filter(is_superuser=True).exists()


def do_offer_setup() -> str | None:
    """Return a new key, which is not stored; None where there is an operator."""
    if has_operator():
        return None
    now = timezone.now()
    SetupKey.objects.filter(expires_at__lte=now).delete()
    text = secrets.token_urlsafe(32)
    SetupKey.objects.create(digest=compute_digest(text), expires_at=now + SETUP_KEY_AGE_MAX)
    return text


def check_setup_key(text: str) -> None:
    """Raise a 404 for a wrong, used or expired key."""
    live = SetupKey.objects.filter(pk=compute_digest(text), expires_at__gt=timezone.now())
    if has_operator() or not live.exists():
        raise not_found("this address")


def do_make_first_operator(key: str, *, email: str, handle: str, password: str) -> User:
    """Create the operator and use up the key; after a refusal the key stays valid."""
    with transaction.atomic():
        Policy.objects.select_for_update().get(
            pk=1
        )  # of two concurrent ones, the second finds the first
        check_setup_key(key)
        user = do_create_operator(email=email, handle=handle, password=password)
        SetupKey.objects.all().delete()
        record_audit("make_first_operator", user, by=user)
    return user
