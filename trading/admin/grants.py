"""Granting credits to many accounts: a list, group or CSV file; a preview; then all or none.

Between the steps the page carries the list with an idempotency key, and it is checked again:
submitted twice, by a double click or a reload, it is booked once.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.actions import Issue, do_grant_many
from accounts.admin.money import do_once
from accounts.admin_actions import REFUSED
from accounts.admin_base import ModelAdmin, get_operator
from accounts.admin_fields import AmountFormField
from accounts.audit import REASON_LENGTH_MAX
from accounts.grant_list import (
    ROWS_MAX,
    TEXT_LENGTH_MAX,
    CheckedLine,
    check_lines,
    read_lines,
    write_lines,
)
from accounts.models import User
from accounts.templatetags.predex import money
from kernel.errors import ApiError, describe
from kernel.ids import new_id
from markets.models import Group

PERMISSION = "accounts.deposit_credits"


class GrantForm(forms.Form):
    """The recipients: at least one of `people`, `group` and `file` is needed."""

    people = forms.CharField(
        label=_("People"),
        required=False,
        max_length=TEXT_LENGTH_MAX,
        widget=UnfoldAdminTextareaWidget({"rows": 6}),
        help_text=_("One handle per line, optionally followed by a comma and an amount."),
    )
    group = forms.ModelChoiceField(
        label=_("Members of a private group"),
        queryset=Group.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    file = forms.FileField(
        label=_("CSV file"),
        required=False,
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,text/csv"}),
        help_text=_("UTF-8; the columns are handle and amount."),
    )
    amount = AmountFormField(
        label=_("Amount"),
        required=False,
        help_text=_("For everyone without an amount of their own."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        validators=[MaxLengthValidator(REASON_LENGTH_MAX)],  # a browser would truncate pasted text
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("Everyone who gets credits sees it. Kept in the audit log."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("people", "group", "file", "amount"):
            self.fields[name].is_one_of_several = True  # type: ignore[attr-defined]

    def clean_file(self) -> str:
        """Return the file's text."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        data = file.read(TEXT_LENGTH_MAX + 1)
        if len(data) > TEXT_LENGTH_MAX:
            raise forms.ValidationError(
                _("The file is too big: at most %d kB.") % (TEXT_LENGTH_MAX // 1_000)
            )
        try:
            text: str = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            message = _("The file is not UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")
            raise forms.ValidationError(message) from None
        return text

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            self.lines = [line for text in self._list_texts(values) for line in read_lines(text)]
            if not self.lines:
                self.add_error(None, _("Enter people, choose a group, or upload a file."))
            if len(self.lines) > ROWS_MAX:
                self.add_error(None, _("At most %d people at once.") % ROWS_MAX)
        return values

    @staticmethod
    def _list_texts(values: dict[str, Any]) -> list[str]:
        group = values["group"]
        members = group.members.order_by("handle") if group is not None else ()
        return [values["people"], values["file"], "\n".join(user.handle for user in members)]


class ConfirmForm(forms.Form):
    text = forms.CharField(widget=forms.HiddenInput, max_length=2 * TEXT_LENGTH_MAX)
    reason = forms.CharField(widget=forms.HiddenInput, max_length=REASON_LENGTH_MAX)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


def show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    by = get_operator(request)
    if not by.has_perm(PERMISSION):
        raise PermissionDenied
    if request.method != "POST":
        return _show_page(admin, request, form=GrantForm())
    if "text" in request.POST:
        return _book(admin, request, by)
    form = GrantForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show_page(admin, request, form=form, status=REFUSED)
    rows = check_lines(form.lines, default_micros=form.cleaned_data["amount"], by=by)
    if any(row.error for row in rows):
        return _show_page(admin, request, form=form, rows=rows, status=REFUSED)
    said = {"text": write_lines(rows), "reason": form.cleaned_data["reason"], "key": new_id()}
    return _show_page(admin, request, confirm=ConfirmForm(initial=said), rows=rows)


def _book(admin: ModelAdmin, request: HttpRequest, by: User) -> HttpResponse:
    confirm = ConfirmForm(request.POST)
    if not confirm.is_valid():
        return _show_page(admin, request, form=GrantForm(), status=REFUSED)
    said = confirm.cleaned_data
    rows = check_lines(read_lines(said["text"])[:ROWS_MAX], default_micros=None, by=by)
    issues = [Issue(row.account, row.amount_micros) for row in rows if row.account is not None]

    def effect() -> tuple[int, Any]:
        do_grant_many(issues, by=by, reason=said["reason"])
        return 201, {}

    if any(row.error for row in rows):
        return _show_page(admin, request, confirm=confirm, rows=rows, status=REFUSED)
    try:
        body = {"text": said["text"], "reason": said["reason"]}
        do_once(said["key"], "grant_many", body, effect, by=by)
    except ApiError as refusal:
        confirm.add_error(None, describe(refusal))
        return _show_page(admin, request, confirm=confirm, rows=rows, status=REFUSED)
    done = ngettext("Granted to %(n)d person: %(sum)s.", "Granted to %(n)d people: %(sum)s.",
                    len(rows))  # fmt: skip
    messages.success(request, done % {"n": len(rows), "sum": money(_sum(rows))})
    return redirect("admin:accounts_account_changelist")


def _sum(rows: list[CheckedLine]) -> int:
    return sum(row.amount_micros for row in rows)


def _show_page(
    admin: ModelAdmin, request: HttpRequest, *, status: int = 200, **context: Any
) -> HttpResponse:
    rows = context.setdefault("rows", [])
    page = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": _("Grant to many"),
        "total": money(_sum(rows)),
        "bad_count": sum(bool(row.error) for row in rows),
        "rows_max": ROWS_MAX,
        **context,
    }
    return TemplateResponse(request, "admin/accounts/account/grant.html", page, status=status)
