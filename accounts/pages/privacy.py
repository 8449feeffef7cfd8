"""Exporting and deleting a user's data."""

import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any, cast

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from asgiref.sync import sync_to_async
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actions import check_delete_user, do_delete_user, record_audit
from accounts.models import User
from accounts.own_data import write_archive
from kernel.errors import RefusedError, describe
from web import limits

CHUNK_BYTES = 256 * 1024
UNPROCESSABLE = 422


class DeletionForm(forms.Form):
    """Asks for the handle, so that a wrong click cannot delete an account."""

    handle = forms.CharField(
        label=gettext_lazy("Type your handle to confirm"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"].strip()
        if handle != self.user.handle:
            raise forms.ValidationError(_("This is not your handle."))
        return handle


@login_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/privacy.html", {"tab": "privacy"})


@login_required
@require_POST
def export(request: HttpRequest) -> HttpResponseBase:
    """Send the archive once it is complete, so that a failure can still be an error page."""
    user = cast("User", request.user)
    if is_reauthentication_required(request, app=""):
        messages.info(request, _("You can download your data now."))
        return _reauthenticate(reverse("account_privacy"))
    limits.check_attempt("export", address="", account=str(user.pk))
    archive = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    write_archive(archive, user)
    record_audit("export_data", user, by=user)
    archive.seek(0)
    name = f"{user.handle}-{timezone.now():%Y-%m-%d}.zip"
    return StreamingHttpResponse(
        _send(archive),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def _send(archive: IO[bytes]) -> AsyncIterator[bytes]:
    with archive:
        while chunk := await sync_to_async(archive.read)(CHUNK_BYTES):
            yield chunk


@login_required
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    if is_reauthentication_required(request, app=""):
        return _reauthenticate(reverse("account_delete"))
    form = DeletionForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            do_delete_user(user)
        except RefusedError as refusal:
            form.add_error(None, describe(refusal))
        else:
            logout(request)
            return render(request, "accounts/deleted.html")
    status = UNPROCESSABLE if form.errors else 200
    context = {"tab": "privacy", "form": form, "obstacle": _find_obstacle(user)}
    return render(request, "accounts/delete.html", context, status=status)


def _find_obstacle(user: User) -> str:
    try:
        check_delete_user(user)
    except RefusedError as refusal:
        return describe(refusal)
    return ""


def _reauthenticate(path: str) -> HttpResponse:
    return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': path})}")
