"""Groups: created by any user, joined by invitation, managed by their owners."""

import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import slugify

from accounts.api.principal import principal_of_user
from accounts.audit import record_audit
from accounts.models import User
from kernel.errors import RefusedError, not_found
from kernel.texts import check_line, check_text
from markets.actions.exchange import check_not_in_maintenance
from markets.actions.rules import may_manage_markets, tidy
from markets.models import Group, GroupInvitation, GroupMember
from web import limits

NAME_LENGTH_MAX = 80
DESCRIPTION_LENGTH_MAX = 1_000
GROUPS_OWNED_MAX = 50
INVITATION_DAYS_MAX = 90
INVITATION_USES_MAX = 10_000


def check_create_group(*, by: User, name: str, description: str = "") -> str:
    """Return the name as it will be stored."""
    check_not_in_maintenance()
    if not principal_of_user(by).is_verified:
        raise RefusedError("email_not_verified")
    name = tidy(name)
    if not name:
        raise RefusedError("blank.group")
    if len(name) > NAME_LENGTH_MAX:
        raise RefusedError("too_long", "name")
    check_line(name, "name")
    check_text(description, "description")
    if len(description) > DESCRIPTION_LENGTH_MAX:
        raise RefusedError("too_long", "description")
    if GroupMember.objects.filter(user=by, is_owner=True).count() >= GROUPS_OWNED_MAX:
        raise RefusedError("too_many_groups")
    return name


def do_create_group(*, by: User, name: str, description: str = "") -> Group:
    """Create a group that `by` owns."""
    name = check_create_group(by=by, name=name, description=description)
    limits.check_attempt("group", address="", account=str(by.pk))
    stem = slugify(name)[:50].strip("-") or "group"
    try:
        with transaction.atomic():
            slug = f"{stem}-{secrets.token_hex(2)}" if Group.objects.filter(slug=stem) else stem
            group = Group.objects.create(slug=slug, name=name, description=description.strip())
            GroupMember.objects.create(group=group, user=by, is_owner=True)
            record_audit("create_group", group, by=by, after={"name": name})
    except IntegrityError:
        raise RefusedError("name_taken", "name") from None
    return group


def check_may_run_group(group: Group, *, by: User) -> None:
    """Only owners and operators may; others get a 404."""
    if may_manage_markets(by):
        return
    if not GroupMember.objects.filter(group=group, user=by, is_owner=True).exists():
        raise RefusedError("not_an_owner")


def do_invite(group: Group, *, by: User, days: int = 7, uses_max: int = 20) -> GroupInvitation:
    """Create an invitation link with limited uses and lifetime."""
    check_not_in_maintenance()
    check_may_run_group(group, by=by)
    if not 1 <= days <= INVITATION_DAYS_MAX:
        raise RefusedError("bad_duration", "days")
    if not 1 <= uses_max <= INVITATION_USES_MAX:
        raise RefusedError("bad_number", "uses_max")
    return GroupInvitation.objects.create(
        code=secrets.token_urlsafe(18),
        group=group,
        created_by=by,
        expires_at=timezone.now() + timedelta(days=days),
        uses_max=uses_max,
    )


def do_withdraw_invitation(invitation: GroupInvitation, *, by: User) -> None:
    check_may_run_group(invitation.group, by=by)
    GroupInvitation.objects.filter(pk=invitation.pk, withdrawn_at=None).update(
        withdrawn_at=timezone.now()
    )


def find_invitation(code: str) -> GroupInvitation:
    """Return the invitation if it is still valid; the same 404 for all others."""
    usable = GroupInvitation.objects.filter(
        code=code, withdrawn_at=None, expires_at__gt=timezone.now(), uses__lt=F("uses_max")
    )
    invitation = usable.select_related("group", "created_by").first()
    if invitation is None:
        raise not_found("this invitation")
    return invitation


@transaction.atomic
def do_join(invitation: GroupInvitation, *, by: User) -> Group:
    """Become a member; an existing member does not use up the invitation."""
    check_not_in_maintenance()
    group = invitation.group
    if GroupMember.objects.filter(group=group, user=by).exists():
        return group
    taken = GroupInvitation.objects.filter(pk=invitation.pk, uses__lt=F("uses_max"))
    if not taken.update(uses=F("uses") + 1):
        raise not_found("this invitation")
    GroupMember.objects.create(group=group, user=by)
    record_audit("join_group", group, by=by)
    return group


@transaction.atomic
def do_leave(group: Group, *, by: User) -> None:
    """Leave; the last owner has to appoint another first, or be the last member."""
    check_not_in_maintenance()
    members = GroupMember.objects.select_for_update().filter(group=group)
    own = members.filter(user=by).first()
    if own is None:
        raise not_found("this group")
    others = members.exclude(pk=own.pk)
    if own.is_owner and others.exists() and not others.filter(is_owner=True).exists():
        raise RefusedError("last_owner")
    own.delete()
    record_audit("leave_group", group, by=by)


@transaction.atomic
def do_remove_member(group: Group, user: User, *, by: User) -> None:
    check_not_in_maintenance()
    check_may_run_group(group, by=by)
    if user == by:
        raise RefusedError("own_membership")
    if not GroupMember.objects.filter(group=group, user=user).delete()[0]:
        raise not_found("this member")
    record_audit("remove_member", group, by=by, before={"handle": user.handle})


@transaction.atomic
def do_make_owner(group: Group, user: User, *, by: User) -> None:
    """Make another member an owner too."""
    check_not_in_maintenance()
    check_may_run_group(group, by=by)
    if not GroupMember.objects.filter(group=group, user=user).update(is_owner=True):
        raise not_found("this member")
    record_audit("make_group_owner", group, by=by, after={"handle": user.handle})
