"""Creating markets from a CSV file: upload, preview with errors per row, create.

Between the steps the page carries the file, which is checked again, so nothing is stored.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminRadioSelectWidget

from accounts.admin_base import ModelAdmin, get_operator
from kernel.errors import RefusedError, describe
from markets.actions.importing import ImportedMarket, do_import_markets
from markets.csv_import import (
    BYTES_MAX,
    COLUMNS,
    NEEDED,
    ROWS_MAX,
    CheckedRow,
    FileRefused,
    build_template,
    check_rows,
    decode,
    read_rows,
)

REFUSED = 422


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("CSV file"),
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,text/csv"}),
    )


class ChoiceForm(forms.Form):
    text = forms.CharField(widget=forms.HiddenInput, strip=False)
    all_or_none = forms.ChoiceField(
        label=_("If a row is wrong"),
        choices=[("yes", _("create none")), ("no", _("create the others"))],
        initial="yes",
        widget=UnfoldAdminRadioSelectWidget,
    )
    status = forms.ChoiceField(
        label=_("Create them as"),
        choices=[
            ("draft", _("approved drafts: they open at their open time, or by hand")),
            ("proposed", _("proposals that another operator has to approve")),
        ],
        initial="draft",
        widget=UnfoldAdminRadioSelectWidget,
    )


def show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    if not admin.has_add_permission(request):
        raise PermissionDenied
    if "template" in request.GET:
        headers = {"Content-Disposition": 'attachment; filename="markets.csv"'}
        return HttpResponse(build_template(), content_type="text/csv", headers=headers)
    if request.method != "POST":
        return _show_page(admin, request, upload=UploadForm())
    if "text" in request.POST:
        return _create(admin, request)
    upload = UploadForm(request.POST, request.FILES)
    if not upload.is_valid():
        return _show_page(admin, request, upload=upload, status=REFUSED)
    try:
        text = decode(upload.cleaned_data["file"].read(BYTES_MAX + 1))
        rows = check_rows(read_rows(text), by=get_operator(request))
    except FileRefused as refusal:
        upload.add_error("file", str(refusal))
        return _show_page(admin, request, upload=upload, status=REFUSED)
    return _show_page(admin, request, choice=ChoiceForm(initial={"text": text}), rows=rows)


def _create(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    by = get_operator(request)
    choice = ChoiceForm(request.POST)
    try:
        rows = check_rows(read_rows(request.POST["text"]), by=by)
    except FileRefused as refusal:
        upload = UploadForm({})
        upload.add_error("file", str(refusal))
        return _show_page(admin, request, upload=upload, status=REFUSED)
    if not choice.is_valid():
        return _show_page(admin, request, choice=choice, rows=rows, status=REFUSED)
    all_or_none = choice.cleaned_data["all_or_none"] == "yes"
    good = [row for row in rows if not row.errors]
    if not good or (all_or_none and len(good) < len(rows)):
        choice.add_error(None, _("Nothing was created: correct the rows below, then upload again."))
        return _show_page(admin, request, choice=choice, rows=rows, status=REFUSED)
    done = do_import_markets(
        [ImportedMarket(row.fields, row.outcomes, row.answers) for row in good],
        by=by,
        all_or_none=all_or_none,
        propose=choice.cleaned_data["status"] == "proposed",
    )
    refused = _note_refusals(good, done)
    if refused and all_or_none:
        choice.add_error(None, _("Nothing was created: correct the rows below, then upload again."))
        return _show_page(admin, request, choice=choice, rows=rows, status=REFUSED)
    created = sum(len(made) for made in done if not isinstance(made, RefusedError))
    _report(request, created=created, left=len(rows) - len(done) + refused)
    return redirect("admin:markets_market_changelist")


def _note_refusals(rows: list[CheckedRow], done: list[Any]) -> int:
    """Add the refusals of the creation to the rows; return their number."""
    count = 0
    for row, result in zip(rows, done, strict=True):
        if isinstance(result, RefusedError):
            row.errors.setdefault("", []).append(describe(result))
            count += 1
    return count


def _report(request: HttpRequest, *, created: int, left: int) -> None:
    done = ngettext("%d market created.", "%d markets created.", created) % created
    messages.success(request, done)
    if left:
        skipped = ngettext("%d row was left out.", "%d rows were left out.", left) % left
        messages.warning(request, skipped)


def _show_page(
    admin: ModelAdmin, request: HttpRequest, *, status: int = 200, **context: Any
) -> HttpResponse:
    rows = context.pop("rows", [])
    page = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": _("Import markets"),
        "columns": [(name, text, name in NEEDED) for name, (text, _example) in COLUMNS.items()],
        "rows_max": ROWS_MAX,
        "kilobytes_max": BYTES_MAX // 1024,
        "rows": [_present(row) for row in rows],
        "good_count": sum(not row.errors for row in rows),
        "bad_count": sum(bool(row.errors) for row in rows),
        **context,
    }
    return TemplateResponse(request, "admin/markets/market/import.html", page, status=status)


def _present(row: CheckedRow) -> dict[str, Any]:
    errors = [(name, capfirst(text)) for name, said in row.errors.items() for text in said]
    return {
        "line": row.line,
        "title": row.cells.get("title", ""),
        "close_at": row.fields.get("close_at") or row.cells.get("close_at", ""),
        "outcomes": row.answers or ([name for _code, name in row.outcomes or ()] or None),
        "errors": errors,
    }
