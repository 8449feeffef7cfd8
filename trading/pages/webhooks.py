"""Webhooks in the account: register an address, see what was sent, send again."""

from typing import Any, cast
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from kernel.errors import RefusedError, describe, not_found
from trading import actions
from trading.models import SUBSCRIBABLE, DeliveryState, Webhook
from web.outbound import URL_LENGTH_MAX
from web.pagination import paginate

DELIVERIES_SHOWN = 50
UNPROCESSABLE = 422


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Begins with https://, on the public internet."),
        max_length=URL_LENGTH_MAX,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"}
        ),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=[(event.value, event.label) for event in SUBSCRIBABLE],
        initial=["fill", "order_ended"],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox checkbox-sm"}),
    )


@login_required
@reauthentication_required(allow_get=True)
@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """The secret is only in the response to the form, so this does not redirect."""
    user = cast("User", request.user)
    form = WebhookForm(request.POST or None)
    secret, status = "", 200
    if request.method == "POST":
        secret = _create(user, form) if form.is_valid() else ""
        status = 201 if secret else UNPROCESSABLE
        form = WebhookForm() if secret else form
    context = {
        "tab": "webhooks",
        "form": form,
        "secret": secret,
        "webhooks": [_show(row) for row in user.webhooks.order_by("-pk")],
    }
    response = render(request, "trading/webhooks.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_safe
def webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """One webhook with the log of its deliveries."""
    row = _find(request, webhook_id)
    page = paginate(
        row.deliveries.all(),
        order=["-id"],
        cursor=request.GET.get("cursor", ""),
        limit=DELIVERIES_SHOWN,
    )
    context = {
        "tab": "webhooks",
        "is_subpage": True,
        "webhook": _show(row),
        "deliveries": page.rows,
        "next_cursor": page.next_cursor,
        "DUE": DeliveryState.DUE,
    }
    return render(request, "trading/webhook.html", context)


@login_required
@require_POST
def change(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """Switch it on or off, send it a test, or delete it: `act` says what."""
    row, user = _find(request, webhook_id), cast("User", request.user)
    act = request.POST.get("act", "")
    try:
        if act == "ping":
            actions.do_ping_webhook(row)
            messages.success(request, _("A test is on its way."))
        elif act in ("on", "off"):
            actions.do_change_webhook(row, by=user, is_on=act == "on")
            messages.success(request, _("Saved."))
        elif act == "delete":
            actions.do_delete_webhook(row, by=user)
            messages.success(request, _("The webhook is deleted."))
            return redirect("account_webhooks")
    except RefusedError as refusal:
        messages.error(request, describe(refusal))
    return redirect("account_webhook", row.pk)


@login_required
@require_POST
def redeliver(request: HttpRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    row = _find(request, webhook_id)
    delivery = row.deliveries.select_related("webhook").filter(pk=delivery_id).first()
    if delivery is None:
        raise not_found("this delivery")
    try:
        actions.do_redeliver(delivery)
        messages.success(request, _("It is sent again."))
    except RefusedError as refusal:
        messages.error(request, describe(refusal))
    return redirect("account_webhook", row.pk)


def _find(request: HttpRequest, webhook_id: UUID) -> Webhook:
    row = cast("User", request.user).webhooks.filter(pk=webhook_id).first()
    if row is None:
        raise not_found("this webhook")
    return row


def _create(user: User, form: WebhookForm) -> str:
    """Return the new webhook's secret; "" with an error on the form if refused."""
    data = form.cleaned_data
    try:
        return actions.do_create_webhook(user, url=data["url"], events=data["events"])[1]
    except RefusedError as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, describe(refusal))
        return ""


def _show(row: Webhook) -> dict[str, Any]:
    return {"row": row, "events": [event.label for event in SUBSCRIBABLE if event in row.events]}
