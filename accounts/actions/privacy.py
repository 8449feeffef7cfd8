"""Deleting a user: personal data is wiped, trades stay under an opaque name.

The ledger, orders and trades concern others too, so the account stays: closed, and no longer
traceable to its owner. Payouts of its positions are still booked, and its credits stay on it.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils import timezone

from accounts import registry
from accounts.actions.users import cancel_what_rests, close_locked, lock_accounts
from accounts.audit import record_audit
from accounts.handles import DELETED_PREFIX, compute_retired_digest
from accounts.models import Account, ApiKey, RetiredHandle, User
from kernel.errors import RefusedError

NO_MAIL_DOMAIN = "deleted.invalid"  # RFC 2606: mail to it goes nowhere


def check_delete_user(user: User) -> None:
    if user.is_deleted:
        raise RefusedError("account_closed.already")
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise RefusedError("last_operator")
    if user.accounts.filter(withdrawing_micros__gt=0).exists():
        raise RefusedError("withdrawal_is_open")


def do_delete_user(user: User) -> None:
    """Delete the user. Not inside a transaction: the engine, which cancels orders, needs locks.

    A program may place orders meanwhile: once the accounts are closed none is accepted, and those
    placed until then are cancelled.
    """
    check_delete_user(user)
    for account_id in user.accounts.values_list("pk", flat=True):
        registry.cancel_orders(account_id)
    with transaction.atomic():
        account_ids = lock_accounts(user)
        # Of the last two operators leaving concurrently, one finds the other gone.
        superusers = User.objects.filter(is_superuser=True).order_by("pk")
        list(superusers.select_for_update(no_key=True))
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        check_delete_user(user)
        for account in user.accounts.filter(closed_at=None).order_by("pk"):
            close_locked(account, by=user)
        for account in user.accounts.all():
            _wipe_account(account)
        _end_log_ins(user)
        registry.forget_user(user.pk)
        _wipe_user(user)
        record_audit("delete_user", user, by=user)
    cancel_what_rests(account_ids, by=None)


def _wipe_account(account: Account) -> None:
    account.withdrawals.update(note="")
    account.deposits.update(note="")
    ApiKey.objects.filter(account=account).update(name="")


def _end_log_ins(user: User) -> None:
    for browser in UserSession.objects.filter(user=user):
        browser.end()
    user.login_sessions.filter(revoked_at=None).update(revoked_at=timezone.now())
    user.login_sessions.update(address=None, user_agent="")
    for model in (EmailAddress, Authenticator, SocialAccount):
        model.objects.filter(user=user).delete()


def _wipe_user(user: User) -> None:
    RetiredHandle.objects.get_or_create(pk=compute_retired_digest(user.handle))
    user.handle = f"{DELETED_PREFIX}{user.pk}"
    user.email = f"{user.handle}@{NO_MAIL_DOMAIN}"
    user.display_name = user.bio = ""
    user.public_profile = user.on_leaderboards = user.shares_positions = False
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.deleted_at = timezone.now()
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
