"""Operators' actions on rows: confirmed on a separate page, then executed in their name.

An `AdminAction` is a form with a permission, the rows it applies to, and its input. `ActionsAdmin`
offers a model's actions in its list (for the selected rows) and on the page of each row, shows the
form with the effect, and calls `do` for each row. None of this runs inside a transaction: the `do_`
function that an action calls has its own, checks again and writes the audit event.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MaxLengthValidator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit import REASON_LENGTH_MAX
from accounts.models import User
from kernel.errors import ApiError, describe
from kernel.texts import validate_text

ROWS_MAX = 100
REFUSED = 422


class AdminAction(forms.Form):
    """One action on rows. `title` is also the button's label; `done` is the message of success."""

    title: ClassVar[Any]
    done: ClassVar[Any]
    permission: ClassVar[str]
    explanation: ClassVar[Any] = ""
    """Its explanation above the form."""
    is_harmful: ClassVar[bool] = False
    takes_many: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = False
    reason_length_max: ClassVar[int] = REASON_LENGTH_MAX

    reason: Any = forms.CharField(
        label=_("Reason"),
        required=False,
        help_text=_("Kept in the audit log."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        validators=[validate_text],
    )

    def __init__(self, *args: Any, rows: list[Any], by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows, self.by = rows, by
        field: Any = self.fields.get("reason")
        if field is not None:
            field.required = self.needs_reason
            field.validators.append(MaxLengthValidator(self.reason_length_max))
        self.prepare()

    def prepare(self) -> None:
        """Set up what depends on the rows."""

    @classmethod
    def has_permission(cls, user: User) -> bool:
        return user.is_staff and user.has_perm(cls.permission)

    @classmethod
    def is_available(cls, row: Any) -> bool:
        """Return whether it is offered on the page of this row; `do` checks again."""
        return True

    def describe(self) -> Iterable[tuple[Any, Any]]:
        """Return the facts that the decision needs, as pairs of name and value."""
        return ()

    def do(self, row: Any, *, by: User, reason: str) -> None:
        """Execute it; raises ApiError where it is refused."""
        raise NotImplementedError

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if len(reason) > self.reason_length_max:
            raise ValidationError(_("At most %d characters.") % self.reason_length_max)
        return reason

    def find_field(self, name: str | None) -> str | None:
        """Return the form's field of a refusal: the API's `tick` may be `tick_pips` here."""
        return next((ours for ours in self.fields if name and ours.startswith(name)), None)


class ActionsAdmin(ModelAdmin):
    acts: ClassVar[Mapping[str, type[AdminAction]]] = {}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            path("do/<slug:name>/", view, name=f"{name}_many"),
            path("<path:object_id>/do/<slug:name>/", view, name=name),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if "_popup" in request.GET:
            return actions
        for name, act in self.acts.items():
            if act.takes_many and act.has_permission(request.user):  # type: ignore[arg-type]
                actions[name] = (partial(_choose, name=name), name, act.title)
        return actions

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            context["offered"] = self.list_offered(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def list_offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the actions available for this row for which the user has permission."""
        url = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            {
                "name": name,
                "title": act.title,
                "url": reverse(url, args=[row.pk, name]),
                "is_harmful": act.is_harmful,
            }
            for name, act in self.acts.items()
            if act.has_permission(request.user) and act.is_available(row)  # type: ignore[arg-type]
        ]

    def act_view(self, request: HttpRequest, name: str, object_id: str = "") -> HttpResponse:
        """Show an action's form, and execute it when submitted."""
        act, by = self.acts.get(name), request.user
        if act is None:
            raise Http404
        if not (self.has_view_permission(request) and act.has_permission(by)):  # type: ignore[arg-type]
            raise PermissionDenied
        rows = self._find_rows(request, [object_id] if object_id else request.GET.getlist("row"))
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form = act(*sent, rows=rows, by=by)  # type: ignore[arg-type]
        if sent and form.is_valid() and self._run_action(request, form):
            return redirect(self._find_page(request, rows))
        return self._show_form(request, form)

    def _find_rows(self, request: HttpRequest, keys: list[str]) -> list[Any]:
        try:
            rows = list(self.get_queryset(request).filter(pk__in=keys[:ROWS_MAX]))
        except (ValueError, ValidationError):
            raise Http404 from None
        if not rows:
            raise Http404
        return rows

    def _run_action(self, request: HttpRequest, form: AdminAction) -> bool:
        """Execute it for each row; False if there was one row and it was refused."""
        said = {"by": form.by, "reason": form.cleaned_data.get("reason", "")}
        count = 0
        for row in form.rows:
            try:
                form.do(row, **said)
            except ApiError as refusal:
                if len(form.rows) == 1:
                    form.add_error(form.find_field(refusal.field), describe(refusal))
                    return False
                messages.error(request, f"{row}: {describe(refusal)}")
            else:
                count += 1
        if count and len(form.rows) == 1:
            messages.success(request, form.done)
        elif count:
            done = ngettext("“%(title)s” was done for %(count)d row.",
                            "“%(title)s” was done for %(count)d rows.", count)  # fmt: skip
            messages.success(request, done % {"title": form.title, "count": count})
        return True

    def _find_page(self, request: HttpRequest, rows: list[Model]) -> str:
        """Return the page to go back to: the one given in the request, else the rows' own."""
        begun = request.GET.get("next", "")
        if url_has_allowed_host_and_scheme(begun, allowed_hosts=None):
            return begun
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if len(rows) == 1:
            return reverse(f"{name}_change", args=[rows[0].pk])
        return reverse(f"{name}_changelist")

    def _show_form(self, request: HttpRequest, form: AdminAction) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": form.title,
            "form": form,
            "rows": form.rows,
            "facts": [(name, value) for name, value in form.describe() if value],
            "back": self._find_page(request, form.rows),
        }
        status = REFUSED if form.errors else 200
        return TemplateResponse(request, "admin/act.html", context, status=status)


def _choose(admin: ModelAdmin, request: HttpRequest, rows: QuerySet, *, name: str) -> Any:
    """The list's action: redirect to the form for the selected rows."""
    query = QueryDict(mutable=True)
    query.setlist("row", [str(key) for key in rows.values_list("pk", flat=True)[:ROWS_MAX]])
    options = admin.opts
    url = reverse(f"admin:{options.app_label}_{options.model_name}_do_many", args=[name])
    return redirect(f"{url}?{query.urlencode()}")
