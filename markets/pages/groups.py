"""Groups: a user's groups, a group's page, and joining one."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from kernel.errors import ApiError, RefusedError, describe, not_found
from markets.actions import (
    do_create_group,
    do_invite,
    do_join,
    do_leave,
    do_make_owner,
    do_remove_member,
    do_withdraw_invitation,
    find_invitation,
    may_manage_markets,
)
from markets.models import Group, GroupInvitation, GroupMember, Market

GROUPS_SHOWN_MAX = 200
MEMBERS_SHOWN_MAX = 500
MARKETS_SHOWN_MAX = 100


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """The user's groups, and a form for a new one."""
    user = cast("User", request.user)
    context: dict[str, Any] = {"groups": list_groups(user), "name": "", "description": ""}
    if request.method != "POST":
        return render(request, "markets/groups.html", context)
    name, description = request.POST.get("name", ""), request.POST.get("description", "")
    try:
        group = do_create_group(by=user, name=name, description=description)
    except ApiError as refusal:
        fault = {"field": refusal.field or "name", "text": describe(refusal)}
        context |= {"name": name, "description": description, "fault": fault}
        return render(request, "markets/groups.html", context, status=422)
    messages.success(request, _("The group has been created. Invite people to it."))
    return redirect("group", group.slug)


def list_groups(user: User) -> list[Group]:
    groups = Group.objects.filter(members=user).annotate(
        people=Count("memberships", distinct=True), questions=Count("markets", distinct=True)
    )
    return list(groups[:GROUPS_SHOWN_MAX])


@require_safe
@login_required
def show(request: HttpRequest, slug: str) -> HttpResponse:
    user = cast("User", request.user)
    group, own = find_group(slug, user)
    is_owner = may_manage_markets(user) or (own is not None and own.is_owner)
    invitations = GroupInvitation.objects.filter(
        group=group, withdrawn_at=None, expires_at__gt=timezone.now()
    )
    members = group.memberships.select_related("user").order_by("-is_owner", "created_at")
    markets = Market.objects.visible_to(user).filter(group=group).select_related("stats")
    return render(
        request,
        "markets/group.html",
        {
            "group": group,
            "own": own,
            "is_owner": is_owner,
            "members": members[:MEMBERS_SHOWN_MAX],
            "markets": markets.order_by("-created_at")[:MARKETS_SHOWN_MAX],
            "invitations": [
                (row, request.build_absolute_uri(reverse("group_join", args=[row.code])))
                for row in (invitations.order_by("-id") if is_owner else ())
            ],
        },
    )


@require_POST
@login_required
def act(request: HttpRequest, slug: str, action: str) -> HttpResponse:
    """Invite, withdraw an invitation, remove a member, make an owner, leave."""
    user = cast("User", request.user)
    group, _own = find_group(slug, user)
    try:
        message = _ACTIONS[action](request, group, user)
    except RefusedError as refusal:
        if refusal.status == 403:
            raise
        messages.error(request, describe(refusal))
        return redirect("group", slug)
    messages.success(request, message)
    return redirect("groups") if action == "leave" else redirect("group", slug)


@login_required
def join(request: HttpRequest, code: str) -> HttpResponse:
    """The page of an invitation, whose button joins the group."""
    invitation = find_invitation(code)
    if request.method != "POST":
        return render(request, "markets/group_join.html", {"invitation": invitation})
    group = do_join(invitation, by=cast("User", request.user))
    message = _("You are now a member of %(name)s.") % {"name": group.name}
    messages.success(request, message)
    return redirect("group", group.slug)


def find_group(slug: str, user: User) -> tuple[Group, GroupMember | None]:
    """Return the group and the viewer's membership; the same 404 for unknown and foreign ones."""
    group = Group.objects.filter(slug=slug).first()
    own = None if group is None else GroupMember.objects.filter(group=group, user=user).first()
    if group is None or (own is None and not may_manage_markets(user)):
        raise not_found("this group")
    return group, own


def _invite(request: HttpRequest, group: Group, user: User) -> str:
    days, uses_max = (_read_number(request.POST.get(name, "")) for name in ("days", "uses_max"))
    do_invite(group, by=user, days=days, uses_max=uses_max)
    return _("Copy the link and send it to the people you want in the group.")


def _withdraw(request: HttpRequest, group: Group, user: User) -> str:
    number = _read_number(request.POST.get("invitation", ""))
    invitation = GroupInvitation.objects.filter(group=group, pk=number).first()
    if invitation is None:
        raise not_found("this invitation")
    do_withdraw_invitation(invitation, by=user)
    return _("The link no longer works.")


def _remove(request: HttpRequest, group: Group, user: User) -> str:
    do_remove_member(group, _find_member(request), by=user)
    return _("Removed from the group.")


def _make_owner(request: HttpRequest, group: Group, user: User) -> str:
    do_make_owner(group, _find_member(request), by=user)
    return _("The group has a new owner.")


def _leave(request: HttpRequest, group: Group, user: User) -> str:
    do_leave(group, by=user)
    return _("You have left the group.")


def _find_member(request: HttpRequest) -> User:
    member = User.objects.filter(handle=request.POST.get("handle", "")).first()
    if member is None:
        raise not_found("this member")
    return member


def _read_number(text: str) -> int:
    """Return a positive integer of reasonable size, 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


_ACTIONS = {
    "invite": _invite,
    "withdraw-invitation": _withdraw,
    "remove": _remove,
    "make-owner": _make_owner,
    "leave": _leave,
}
