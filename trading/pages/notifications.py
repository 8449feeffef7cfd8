"""Notifications: the list behind the bell, and preferences."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from trading.models import (
    OPERATORS_KINDS,
    Notification,
    NotificationKind,
    NotificationPreference,
)
from trading.notifications.sentences import describe_all
from web.pagination import paginate

PAGE_SIZE = 30


@require_safe
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """The viewer's notifications, newest first; those on the page become read."""
    rows = Notification.objects.filter(user=cast("User", request.user)).select_related("market")
    page = paginate(
        rows.prefetch_related("market__outcomes"),
        order=["-id"],
        cursor=request.GET.get("cursor", ""),
        limit=PAGE_SIZE,
    )
    unread = [row.pk for row in page.rows if row.read_at is None]
    if unread and request.method == "GET":
        # Before the page is drawn: its bell counts what is left, and so sees what comes meanwhile.
        Notification.objects.filter(pk__in=unread).update(read_at=timezone.now())
    context = {
        "notifications": list(zip(page.rows, describe_all(page.rows), strict=True)),
        "next_cursor": page.next_cursor,
    }
    return render(request, "trading/notifications.html", context)


@require_POST
@login_required
def read_all(request: HttpRequest) -> HttpResponse:
    Notification.objects.filter(user=cast("User", request.user), read_at=None).update(
        read_at=timezone.now()
    )
    return redirect("notifications")


@login_required
def choices(request: HttpRequest) -> HttpResponse:
    """Preferences for each kind: on the site, by mail, both or neither."""
    user = cast("User", request.user)
    kinds = [kind for kind in NotificationKind if user.is_staff or kind not in OPERATORS_KINDS]
    if request.method == "POST":
        for kind in kinds:
            NotificationPreference.objects.update_or_create(
                user=user,
                kind=kind,
                defaults={
                    "on_site": f"{kind}-site" in request.POST,
                    "by_mail": f"{kind}-mail" in request.POST,
                },
            )
        messages.success(request, _("Saved."))
        return redirect("notification_settings")
    chosen = {row.kind: row for row in NotificationPreference.objects.filter(user=user)}
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        choice = chosen.get(kind) or NotificationPreference(kind=kind)
        said = {"kind": kind.value, "label": kind.label}
        rows.append({**said, "site": choice.on_site, "mail": choice.by_mail})
    return render(
        request, "trading/notification_settings.html", {"rows": rows, "tab": "notifications"}
    )
