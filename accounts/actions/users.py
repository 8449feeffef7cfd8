"""Users and their accounts: sign-up, suspension, closing."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts import ledger, registry
from accounts.actions.credentials import check_help_user, do_create_api_key
from accounts.actions.credits import do_grant
from accounts.audit import record_audit
from accounts.handles import compute_retired_digest, validate_handle
from accounts.models import Account, ApiKey, InviteCode, Policy, RetiredHandle, User
from accounts.models.account import MAIN_NUMBER
from accounts.notices import notify_on_commit
from accounts.policy import get_policy
from accounts.status import check_may_act
from kernel.errors import ApiError, AuthError, RefusedError, not_found
from kernel.texts import check_line

log = structlog.get_logger(__name__)


def check_create_user(*, email: str, handle: str, display_name: str = "") -> None:
    check_line(display_name, "display_name")
    try:
        validate_handle(handle)
    except ValidationError as error:
        raise RefusedError(error.code or "bad_handle", "handle") from None
    if User.objects.filter(handle=handle).exists() or is_retired(handle):
        raise RefusedError("handle_taken", "handle")
    if User.objects.filter(email=email.lower()).exists():
        raise RefusedError("email_taken", "email")


def is_retired(handle: str) -> bool:
    """Whether a deleted user had this handle."""
    return RetiredHandle.objects.filter(pk=compute_retired_digest(handle)).exists()


def check_sign_up(invite_code: str) -> InviteCode | None:
    """Return the invite to use, None where sign-up is open; refuses otherwise."""
    sign_up = get_policy().sign_up
    if sign_up == "open":
        return None
    if sign_up == "closed":
        raise RefusedError("sign_up_closed")
    invite = InviteCode.objects.filter(code=invite_code, uses__lt=F("uses_max")).first()
    if invite is None or (invite.expires_at and invite.expires_at <= timezone.now()):
        raise RefusedError("invite_needed", "invite_code")
    return invite


def do_sign_up(
    *, email: str, handle: str, password: str, display_name: str = "", invite_code: str = ""
) -> User:
    """Create a user if the policy allows it, with the policy's grant."""
    invite = check_sign_up(invite_code)
    with transaction.atomic():
        user = do_create_user(
            email=email, handle=handle, password=password, display_name=display_name, by=None
        )
        do_welcome_user(user, invite=invite)
    return user


def do_sign_up_with_key(*, key: Mapping[str, Any], **fields: str) -> tuple[User, ApiKey, str]:
    """Create a user and a first API key in one; both or neither. Return the key's secret too.

    A key would outlast the check of an address that is another person's, so where addresses are
    verified nobody gets one before.
    """
    if settings.EMAIL_VERIFICATION_REQUIRED:
        raise AuthError(
            "email_not_verified",
            "key",
            detail="addresses are verified here before a key is made: register without `key`, "
            "follow the link in the mail, log in and create the key",
        )
    with transaction.atomic():
        user = do_sign_up(**fields)
        account = Account.objects.get(owner=user, number=1)
        return user, *do_create_api_key(account, by=user, **key)


def do_create_user(
    *,
    email: str,
    handle: str,
    password: str | None,
    by: User | None,
    display_name: str = "",
    kind: str = "user",
    is_email_verified: bool = False,
    is_operator: bool = False,
) -> User:
    """Create a user and account number 1, without a grant. `is_operator` makes a superuser."""
    check_create_user(email=email, handle=handle, display_name=display_name)
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email,
                handle,
                password,
                display_name=display_name,
                kind=kind,
                is_staff=is_operator,
                is_superuser=is_operator,
            )
            EmailAddress.objects.create(
                user=user, email=user.email, primary=True, verified=is_email_verified
            )
            record_audit("create_user", user, by=by, after={"handle": handle, "kind": kind})
    except IntegrityError:  # another user took the name meanwhile
        check_create_user(email=email, handle=handle)
        raise
    return user


def do_create_operator(
    *, email: str, handle: str, password: str | None, display_name: str = ""
) -> User:
    """Create a superuser, with the same grant as everyone who signs up."""
    with transaction.atomic():
        user = do_create_user(
            email=email, handle=handle, password=password, display_name=display_name, by=None,
            is_email_verified=True, is_operator=True,
        )  # fmt: skip
        do_welcome_user(user, invite=None)
    return user


def do_welcome_user(user: User, *, invite: InviteCode | None) -> None:
    """Use up the invite and pay the sign-up grant; the caller holds the transaction."""
    if invite is not None:
        used = InviteCode.objects.filter(pk=invite.pk, uses__lt=F("uses_max"))
        if not used.update(uses=F("uses") + 1):
            raise RefusedError("invite_needed", "invite_code")
    amount_micros = Policy.objects.get(pk=1).sign_up_grant_micros
    if amount_micros:
        do_grant(user.accounts.get(number=1), amount_micros=amount_micros, by=None)


def do_move_email(user: User, *, old: str, by: User) -> None:
    """Move log-in, mails and password resets to an address that an operator set for a user.

    The old one is no longer valid for anything, and is notified. The new one is unverified, unless
    it was already a confirmed further address of the user.
    """
    with transaction.atomic():
        notify_on_commit(
            user, "email_changed", by=by, detail=f"{old} → {user.email}", also_to=[old]
        )
        rows = EmailAddress.objects.filter(user=user)
        rows.filter(email__iexact=old).delete()
        rows.update(primary=False)
        rows.update_or_create(user=user, email=user.email, defaults={"primary": True})


def do_change_profile(user_id: int, **fields: Any) -> User:
    """Change a user's public profile, unless they have been suspended meanwhile."""
    with transaction.atomic():
        user = _lock_user(user_id)
        check_may_act(user)
        # Only these columns: others may have changed meanwhile.
        User.objects.filter(pk=user_id).update(**fields)
    return User.objects.get(pk=user_id)


def do_suspend_user(user: User, *, by: User, reason: str) -> None:
    """Suspend a user and cancel their orders; they keep balances and positions.

    Nothing that locks their account after this moves its money for them; read access ends within a
    second.
    """
    if user == by:
        raise RefusedError("own_account")
    check_help_user(user, by=by)
    with transaction.atomic():
        account_ids = lock_accounts(user)
        user = _lock_user(user.pk)
        if user.suspended_at is not None:
            raise RefusedError("already_suspended")
        _set_suspended(user, timezone.now())
        record_audit("suspend_user", user, by=by, reason=reason)
        transaction.on_commit(
            lambda: cancel_what_rests(account_ids, by=by, reason=reason), robust=True
        )


def cancel_what_rests(account_ids: Iterable[int], *, by: User | None, reason: str = "") -> None:
    """Cancel the open orders of accounts that were just stopped, if the engine is available.

    `by` is the operator, None the owner. Otherwise the periodic task does that looks for orders
    of stopped accounts.
    """
    for account_id in account_ids:
        try:
            registry.cancel_orders(account_id, by=by, reason=reason)
        except ApiError as refusal:
            log.info("left_for_later", account_id=account_id, because=refusal.code)


def do_reinstate_user(user: User, *, by: User, reason: str) -> None:
    with transaction.atomic():
        lock_accounts(user)
        user = _lock_user(user.pk)
        if user.suspended_at is None:
            raise RefusedError("not_suspended")
        _set_suspended(user, None)
        record_audit("reinstate_user", user, by=by, reason=reason)


def _set_suspended(user: User, since: datetime | None) -> None:
    user.suspended_at = since
    user.save(update_fields=["suspended_at"])
    user.accounts.update(owner_suspended=since is not None)


def check_close_account(account: Account) -> None:
    if account.closed_at is not None:
        raise RefusedError("account_closed.already")
    if account.held_micros:
        raise RefusedError("orders_are_open")
    if account.withdrawing_micros:
        raise RefusedError("withdrawal_is_open")


def do_close_account(account: Account, *, by: User, reason: str = "") -> None:
    """Close an account permanently; the main one with all others of its owner, all or none.

    Payouts of positions are still booked to it. A user whose main account closes cannot log in any
    more.
    """
    with transaction.atomic():
        accounts = _list_closing(account)
        ledger.lock([one.pk for one in accounts])
        for one in _list_closing(account):
            check_close_account(one)
            close_locked(one, by=by, reason=reason)
        owner = account.owner
        if owner is not None and account.number == MAIN_NUMBER:
            User.objects.filter(pk=owner.pk).update(is_active=False)
            owner.login_sessions.filter(revoked_at=None).update(revoked_at=timezone.now())


def _list_closing(account: Account) -> list[Account]:
    """Return what closes with an account: itself first, although it may be closed already."""
    itself = Account.objects.select_related("owner").get(pk=account.pk)
    if itself.owner is None or itself.number != MAIN_NUMBER:
        return [itself]
    others = itself.owner.accounts.filter(closed_at=None).exclude(pk=itself.pk)
    return [itself, *others.order_by("pk")]


def close_locked(account: Account, *, by: User, reason: str = "") -> None:
    """Close an account that the caller has locked and checked, and revoke its keys."""
    now = timezone.now()
    Account.objects.filter(pk=account.pk).update(closed_at=now)
    account.api_keys.filter(revoked_at=None).update(revoked_at=now)
    record_audit("close_account", account, by=by, reason=reason)


def lock_accounts(user: User) -> list[int]:
    """Lock a user's accounts before their other rows: the same lock order everywhere."""
    account_ids = list(user.accounts.order_by("pk").values_list("pk", flat=True))
    ledger.lock(account_ids)
    return account_ids


def _lock_user(user_id: int) -> User:
    # Not FOR UPDATE: inserts of rows that refer to the user, as trading does, must not block.
    return User.objects.select_for_update(of=("self",), no_key=True).get(pk=user_id)


def find_account(handle: str, number: int = 1) -> Account:
    """Return a user's account by public names, or raise the uniform 404."""
    account = (
        Account.objects.select_related("owner").filter(owner__handle=handle, number=number).first()
    )
    if account is None:
        raise not_found("this account")
    return account
