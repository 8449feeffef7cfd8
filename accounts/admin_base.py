"""The base of every ModelAdmin of ours: one place for the admin's look and for audit events."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from accounts.audit import record_audit
from accounts.errors import ApiError
from accounts.models import User
from accounts.units import format_amount, format_price, format_quantity

COUNT_MAX = 10_000


class CheapPaginator(Paginator):
    """Counts no further than people page: a count(*) of a big table takes seconds."""

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNT_MAX].count()  # type: ignore[attr-defined]


class ModelAdmin(admin.ModelAdmin):
    paginator = CheapPaginator
    show_full_result_count = False
    list_per_page = 50

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
    """Shows and searches; changes nothing, whatever the permissions."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def get_operator(request: HttpRequest) -> User:
    """Return who uses the admin, which lets nobody in without a log-in."""
    return cast("User", request.user)


def show_amount(field: str) -> Callable[[Any], str]:
    return _show(field, format_amount)


def show_price(field: str) -> Callable[[Any], str]:
    return _show(field, format_price)


def show_quantity(field: str) -> Callable[[Any], str]:
    return _show(field, format_quantity)


def act_on_each(request: HttpRequest, rows: QuerySet, act: Callable[[Any], Any], done: str) -> None:
    """Call a `do_` action for each selected row; tell what was refused and go on."""
    count = 0
    for row in rows:
        try:
            act(row)
        except ApiError as refusal:
            messages.error(request, f"{row}: {refusal.message}")
        else:
            count += 1
    if count:
        messages.success(request, f"{count} {done}")


def _show(field: str, format_units: Callable[[int], str]) -> Callable[[Any], str]:
    """A column that shows integer units as the decimal that people know."""

    def show(row: Model) -> str:
        units = getattr(row, field)
        return "" if units is None else format_units(units)

    show.short_description = field.rsplit("_", 1)[0].replace("_", " ")  # type: ignore[attr-defined]
    show.admin_order_field = field  # type: ignore[attr-defined]
    return show
