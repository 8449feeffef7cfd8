"""Invitation codes, for a site on which sign-up needs one."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import ModelAdmin, get_operator
from accounts.admin_fields import WholeField
from accounts.models import InviteCode

CODE_BYTES = 9
USES_MAX = 2**31 - 1


class InviteCodeForm(forms.ModelForm):
    uses_max = WholeField(label=_("How many times it can be used"), units_max=USES_MAX)


@admin.register(InviteCode)
class InviteCodeAdmin(ModelAdmin):
    form = InviteCodeForm
    list_display = ["code", "uses", "uses_max", "expires_at", "created_by"]
    list_select_related = ["created_by"]
    fields = ["code", "uses_max", "expires_at"]
    search_fields = ["code"]
    search_help_text = _("Part of a code")
    ordering = ["-id"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        code = secrets.token_urlsafe(CODE_BYTES)
        return {"code": code, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: InviteCode, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = get_operator(request)
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # let it expire: the record of who used it is kept
