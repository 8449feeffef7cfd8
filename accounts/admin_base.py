"""The base of all our ModelAdmins: one place for the admin's appearance and audit events.

Tables that grow without bound use `RecordAdmin`: searched by exact values that have an index,
sorted in an index's order, neither filtered by a column's values nor counted.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, Q, QuerySet
from django.forms import CharField, Media, Script
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold import admin as unfold

from accounts.admin_actions import ActionsAdmin
from accounts.admin_fields import format_seconds
from accounts.audit import record_audit
from accounts.models import Account, User
from accounts.templatetags import predex as show
from kernel.ids import check_id
from kernel.texts import validate_line, validate_text

COUNT_MAX = 10_000
FOUND_MAX = 1_000
NUMBER_DIGITS_MAX = 18
ID_SHOWN_MAX = 20

Column = Callable[[Any], Any]


class Link(NamedTuple):
    """A link from the page of a row to related ones."""

    title: Any
    url: str


class CheapPaginator(Paginator):
    """Caps its count: a count(*) of a big table takes seconds."""

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNT_MAX].count()  # type: ignore[attr-defined]


class TakesWholeTexts:
    """Renders no maxlength: browsers silently truncate pasted texts, while the form reports what
    is too long.
    """

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None:
            field.widget.attrs.pop("maxlength", None)
        return field


class TabularInline(TakesWholeTexts, unfold.TabularInline):
    media = Media()  # rows are added and removed by unfold's own script, which is on every page

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the rows' form set with a label on each field: a column heading is not one."""
        formset: Any = super().get_formset(request, obj, **kwargs)
        for field in formset.form.base_fields.values():
            if field.label:
                field.widget.attrs.setdefault("aria-label", capfirst(field.label))
        return formset


class ModelAdmin(ActionsAdmin, TakesWholeTexts, unfold.ModelAdmin):
    # Django's own are jQuery and dependants, for widgets that we do not use.
    media = Media(
        js=["admin/js/actions.js", Script("js/admin-related.js", type="module")]  # type: ignore[list-item]
    )
    paginator = CheapPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # would count the rows of each filter's values
    list_per_page = 50
    list_disable_select_all = True
    list_fullwidth = True
    change_form_outer_before_template = "admin/row_panel.html"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, CharField) and isinstance(db_field, models.TextField):
            field.validators.append(validate_text)
        elif isinstance(field, CharField) and isinstance(db_field, models.CharField):
            field.validators.append(validate_line)
        return field

    def get_links(self, row: Any) -> Iterable[Link]:
        """Return the links shown on the page of this row."""
        return ()

    def get_facts(self, request: HttpRequest, row: Any) -> Iterable[tuple[Any, Any]]:
        """Return the facts shown above the row's fields, as pairs of name and value."""
        return ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            context["facts"] = list(self.get_facts(request, row))
            context["links"] = list(self.get_links(row))
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        names = [name for name in form.changed_data if "password" not in name]
        record_audit(
            "edit_in_admin" if change else "add_in_admin",
            obj,
            by=get_operator(request),
            before={name: str(form.initial.get(name)) for name in names} if change else None,
            after={name: str(form.cleaned_data.get(name)) for name in names},
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record_audit("delete_in_admin", obj, by=get_operator(request), before={"name": str(obj)})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset:
            self.delete_model(request, row)


class ReadOnlyAdmin(ModelAdmin):
    """View and search only, whatever the permissions."""

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """Link the first column that is no link itself to the row's page."""
        plain = [column for column in list_display if not getattr(column, "is_link", False)]
        return plain[:1]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["show_history"] = False  # it lists changes made by forms, of which there are none
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnlyAdmin):
    """`account_keys` are the columns that find an account's rows, `found_order` their order."""

    ordering = ["-pk"]
    sortable_by = ()
    search_fields = ["pk"]  # `find` does the search; this only shows the search box
    account_keys: tuple[str, ...] = ("account",)
    found_order: tuple[str, ...] = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        conditions = list(self.find(term))
        wanted = conditions[0] if len(conditions) == 1 else self._find_any(conditions)
        return queryset.filter(wanted).order_by(*self.found_order), False

    def find(self, term: str) -> Iterable[Q]:
        """Yield conditions that each use one index; rows that meet any are found."""
        yield from self.find_by_id(term)
        yield from self.find_by_account(term)

    def find_by_id(self, term: str) -> Iterable[Q]:
        """Yield the condition for a row's number, if the term is one."""
        if is_number(term):
            yield Q(pk=int(term))

    def find_by_account(self, handle: str) -> Iterable[Q]:
        """Yield the conditions for the rows of a user's accounts, if there is such a user."""
        if not self.account_keys:
            return
        ids = list(Account.objects.filter(owner__handle=handle).values_list("pk", flat=True))
        if ids:
            yield from (Q(**{f"{key}__in": ids}) for key in self.account_keys)

    def _find_any(self, conditions: list[Q]) -> Q:
        """Return a condition for the newest rows that meet any of the conditions.

        As a single condition with OR, the database might scan the whole table.
        """
        rows = self.model._default_manager.order_by("-pk").values_list("pk", flat=True)
        return Q(
            pk__in={pk for condition in conditions for pk in rows.filter(condition)[:FOUND_MAX]}
        )


class HexRecordAdmin(RecordAdmin):
    """Records whose id is a UUID."""

    def find_by_id(self, term: str) -> Iterable[Q]:
        return find_by_hex(term)


class KnownValuesFilter(SimpleListFilter):
    """A filter by one of a fixed set of values, without a query to list them."""

    values: Iterable[tuple[str, str | Promise]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.values)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = {str(self.parameter_name): self.value()}
        return queryset if self.value() is None else queryset.filter(**wanted)


def find_by_hex(term: str) -> Iterable[Q]:
    """Yield the condition for a row's UUID, if the term is one."""
    try:
        yield Q(pk=check_id(term))
    except ValueError:
        return


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX


def get_operator(request: HttpRequest) -> User:
    """Return the admin's user, who is always logged in."""
    return cast("User", request.user)


# --- columns -------------------------------------------------------------------------------------


def show_amount(field: str, title: Any = None) -> Column:
    """A column of micros, exact: 2 decimals, or more if needed."""
    return _show(field, _exact_amount, title)


def show_price(field: str, title: Any = None) -> Column:
    return _show(field, show.price, title)


def show_quantity(field: str, title: Any = None) -> Column:
    return _show(field, show.contracts, title)


def show_time(field: str, title: Any = None) -> Column:
    """A column of microseconds, shown as a time in the viewer's zone."""

    def show_moment(row: Model) -> str:
        us = getattr(row, field)
        return show.when(us, "second") if us else show.NOTHING

    return _describe(show_moment, field, title)


def show_duration(field: str, title: Any) -> Column:
    """A column of seconds, shown like "2d 12h"."""
    return _show(field, lambda seconds: format_seconds(seconds or 0), title)


def show_id(field: str = "id", title: Any = "ID") -> Column:
    """A column of UUIDs, abbreviated to one line, with the full value as a tooltip."""

    def show_short(row: Model) -> Any:
        text = str(getattr(row, field) or "")
        return _shorten(text) if len(text) > ID_SHOWN_MAX else text or show.NOTHING

    return _describe(show_short, field, title)


def link_to(field: str, title: Any) -> Column:
    """A column of a foreign key that links to the page of its row."""

    def link(row: Model) -> Any:
        target = getattr(row, field)
        # A market's title is a sentence; its slug fits into a column.
        return None if target is None else link_to_row(target, getattr(target, "slug", None))

    link.is_link = True  # type: ignore[attr-defined]
    return _describe(link, field, title)


def link_to_row(row: Model, text: Any = None) -> Any:
    return format_html('<a class="admin-link" href="{}">{}</a>', find_url(row), text or row)


def find_url(row: Model) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def link_to_list(model: str, term: str) -> str:
    """Return the URL of a list ("trading_trade") searched for `term`."""
    return f"{reverse(f'admin:{model}_changelist')}?q={term}"


def _shorten(text: str) -> Any:
    return format_html(
        '<span class="record-id" title="{}">{}…{}</span>', text, text[:13], text[-6:]
    )


def _exact_amount(micros: int | None) -> str:
    decimals = 2 if not micros or micros % 10_000 == 0 else 4 if micros % 100 == 0 else 6
    return show.amount(micros, decimals)


def _show(field: str, format_units: Callable[[int | None], str], title: Any) -> Column:
    """A column that shows integer units as decimals."""

    def show_units(row: Model) -> str:
        return format_units(getattr(row, field))

    return _describe(show_units, field, title)


def _describe(column: Any, field: str, title: Any) -> Column:
    column.short_description, column.admin_order_field = title, field
    described: Column = column
    return described
