"""Schedules of series: made, paused and resumed here; the markets they made are listed."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import Link, ModelAdmin, ReadOnlyAdmin, find_url, get_operator, link_to
from accounts.models import User
from kernel.errors import RefusedError, describe
from markets.actions import (
    check_create_schedule,
    do_create_schedule,
    do_pause_schedule,
    do_resume_schedule,
    may_manage_markets,
)
from markets.admin.acts import MarketAction
from markets.models import Market, ScheduledMarket, SeriesSchedule


class PauseScheduleAction(MarketAction):
    title = _("Pause")
    done = _("The schedule is paused.")
    explanation = _("No more markets are made until it is resumed. Those that were made go on.")

    @classmethod
    def is_available(cls, row: SeriesSchedule) -> bool:
        return row.paused_at is None

    def do(self, row: SeriesSchedule, *, by: User, reason: str) -> None:
        do_pause_schedule(row, by=by, reason=reason)


class ResumeScheduleAction(MarketAction):
    title = _("Resume")
    done = _("The schedule is resumed.")
    explanation = _(
        "The market of the current interval is made at once; intervals that passed are skipped."
    )

    @classmethod
    def is_available(cls, row: SeriesSchedule) -> bool:
        return row.paused_at is not None

    def do(self, row: SeriesSchedule, *, by: User, reason: str) -> None:
        do_resume_schedule(row, by=by, reason=reason)


class SeriesScheduleForm(forms.ModelForm):
    user: User  # set on the class that is made for each request

    class Meta:
        model = SeriesSchedule
        fields = ("series", "template", "interval_seconds", "first_start_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "template" not in self.fields:
            return
        template: Any = self.fields["template"]
        template.queryset = Market.objects.filter(status=Market.Status.DRAFT).order_by("-pk")
        template.help_text = _(
            "A draft that stays one. Its texts may have {start}, {end}, {date}, {start_unix} and"
            " {end_unix}."
        )
        self.fields["first_start_at"].help_text = _(
            "Each interval begins at this time of the hour, day or week, in UTC."
        )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors or "template" not in values:
            return values
        terms = ("template", "interval_seconds", "first_start_at")
        try:
            check_create_schedule(by=self.user, **{name: values[name] for name in terms})
        except RefusedError as refusal:
            name = refusal.field if refusal.field in self.fields else None
            self.add_error(name, describe(refusal))
        return values


@admin.register(SeriesSchedule)
class SeriesScheduleAdmin(ModelAdmin):
    form = SeriesScheduleForm
    acts: ClassVar[Any] = {"pause": PauseScheduleAction, "resume": ResumeScheduleAction}
    list_display = ["series", "template", "interval_seconds", "first_start_at", "paused_at"]
    list_select_related = ["series", "template"]
    search_fields = ["series__slug", "series__title"]
    ordering = ["-id"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = list(SeriesScheduleForm.Meta.fields)
        return names if obj is None else [*names, "created_by", "paused_at", "paused_because"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [] if obj is None else self.get_fields(request, obj)

    def get_links(self, row: SeriesSchedule) -> Iterable[Link]:
        yield Link(_("Template"), find_url(row.template))
        made = reverse("admin:markets_scheduledmarket_changelist")
        yield Link(_("Markets made"), f"{made}?schedule__id__exact={row.pk}")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.user = get_operator(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now().replace(minute=0, second=0, microsecond=0)
        return {"first_start_at": now, **super().get_changeform_initial_data(request)}

    def save_model(
        self, request: HttpRequest, obj: SeriesSchedule, form: Any, change: bool
    ) -> None:
        made = do_create_schedule(by=get_operator(request), **form.cleaned_data)
        obj.pk = made.pk
        obj.refresh_from_db()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_manage_markets(get_operator(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # pause it and make another

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ScheduledMarket)
class ScheduledMarketAdmin(ReadOnlyAdmin):
    list_display = ["starts_at", link_to("market", _("market")), "skipped"]
    list_select_related = ["market"]
    list_filter = ["schedule"]
    fields: ClassVar[Any] = ["schedule", "starts_at", "market", "skipped"]
    readonly_fields: ClassVar[Any] = fields
    ordering = ["-starts_at"]

    def get_links(self, row: ScheduledMarket) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
