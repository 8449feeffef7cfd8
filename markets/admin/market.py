"""Markets: description and times are edited, actions open, close and pay out."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.admin_base import (
    KnownValuesFilter,
    Link,
    ModelAdmin,
    TabularInline,
    link_to_list,
    show_amount,
    show_duration,
    show_price,
    show_quantity,
)
from accounts.models import User
from markets.actions import (
    DESCRIPTIVE_FIELDS,
    TEXT_FIELDS,
    do_create_market,
    do_edit_market,
    do_set_outcomes,
    get_default_terms,
    has_traded,
    may_manage_markets,
    may_resolve_markets,
)
from markets.admin import imports
from markets.admin.acts import ACTS
from markets.admin.forms import (
    DESCRIBED,
    FIXED_AT_CREATION,
    MAKER,
    TERMS,
    TIMES,
    MarketAdminForm,
    OutcomeForm,
    OutcomeFormSet,
)
from markets.admin.history import show_from_status
from markets.models import (
    HIDDEN_STATUSES,
    OUTCOMES_MAX,
    Clarification,
    Market,
    Outcome,
    StatusChange,
)

SHOWN_ONLY: list[Any] = ["status", "creator", "approved_by", "approved_at", "settled_at", "shard"]
TRADING_STATUSES = (Market.Status.OPEN, Market.Status.HALTED)
IN_UNITS = {
    "dispute_seconds", "dispute_bond_micros", "tick_pips", "lot_step_lots", "fee_maker_rate",
    "fee_taker_rate", "fee_unit_micros", "position_limit_lots", "maker_b_lots", "low_millionths",
    "high_millionths",
}  # fmt: skip
STATUS_COLOURS = {
    Market.Status.DRAFT: "",
    Market.Status.PROPOSED: "warning",
    Market.Status.OPEN: "success",
    Market.Status.HALTED: "danger",
    Market.Status.CLOSED: "info",
    Market.Status.RESOLVING: "warning",
}


class OutcomeInline(TabularInline):
    model = Outcome
    form = OutcomeForm
    formset = OutcomeFormSet
    fields = ["index", "code", "name", "payout_pips", "withdrawn_pips", "withdrawn_at"]
    readonly_fields = ["payout_pips", "withdrawn_pips", "withdrawn_at"]
    extra = 0
    max_num = OUTCOMES_MAX
    hide_title = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset: Any = super().get_formset(request, obj, **kwargs)
        formset.user = _user(request)
        return formset

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_early = obj is not None and obj.status in HIDDEN_STATUSES
        return is_early and may_manage_markets(_user(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class RecordInline(TabularInline):
    """Rows that are shown and never edited."""

    ordering = ["id"]
    hide_title = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class StatusChangeInline(RecordInline):
    model = StatusChange
    fields = ["created_at", show_from_status, "to_status", "by", "reason"]
    readonly_fields: ClassVar[Any] = fields
    verbose_name_plural = _("history")


class ClarificationInline(RecordInline):
    model = Clarification
    fields = ["created_at", "text", "by"]
    readonly_fields: ClassVar[Any] = fields


class DueFilter(KnownValuesFilter):
    title = _("due to close")
    parameter_name = "due"
    values = [("day", _("within 24 hours")), ("week", _("within 7 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        days = {"day": 1, "week": 7}.get(self.value() or "")
        if days is None:
            return queryset
        until = timezone.now() + timedelta(days=days)
        return queryset.filter(status__in=TRADING_STATUSES, close_at__lte=until)


@admin.register(Market)
class MarketAdmin(ModelAdmin):
    form = MarketAdminForm
    acts = ACTS
    inlines = [OutcomeInline, ClarificationInline, StatusChangeInline]
    list_display = ["title", "slug", "kind", "show_status", "visibility", "creator", "close_at"]
    list_filter = ["status", DueFilter, "kind", "visibility", "category", "featured"]
    list_select_related = ["creator"]
    search_fields = ["slug", "title", "=creator__handle"]
    search_help_text = _("Words of the title or address, or the creator's handle")
    shown_dispute_seconds = staticmethod(show_duration("dispute_seconds", _("Dispute window")))
    shown_dispute_bond_micros = staticmethod(
        show_amount("dispute_bond_micros", _("Bond of a dispute"))
    )
    shown_low_millionths = staticmethod(show_amount("low_millionths", _("Lowest number")))
    shown_high_millionths = staticmethod(show_amount("high_millionths", _("Highest number")))
    shown_tick_pips = staticmethod(show_price("tick_pips", _("Tick")))
    shown_lot_step_lots = staticmethod(show_quantity("lot_step_lots", _("Lot step")))
    shown_fee_maker_rate = staticmethod(show_amount("fee_maker_rate", _("Maker's rate")))
    shown_fee_taker_rate = staticmethod(show_amount("fee_taker_rate", _("Taker's rate")))
    shown_fee_unit_micros = staticmethod(show_amount("fee_unit_micros", _("Fees are rounded to")))
    shown_position_limit_lots = staticmethod(
        show_quantity("position_limit_lots", _("Position limit"))
    )
    shown_maker_b_lots = staticmethod(show_quantity("maker_b_lots", _("Liquidity")))
    ordering = ["-id"]
    list_before_template = "admin/markets/market/import_link.html"

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def show_status(self, row: Market) -> tuple[str, str]:
        return row.status, row.get_status_display()

    def view_on_site(self, obj: Market) -> str:
        return f"/markets/{obj.slug}/"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="markets_market_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest) -> Any:
        return imports.show(self, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"may_import": self.has_add_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_links(self, row: Market) -> Iterable[Link]:
        yield Link(_("Status changes"), link_to_list("markets_statuschange", row.slug))
        yield Link(_("Results"), link_to_list("markets_resolution", row.slug))
        yield Link(_("Disputes"), link_to_list("markets_dispute", row.slug))
        for title, key in (
            (_("Escrow account"), row.escrow_account_id),
            (_("Fees account"), row.fees_account_id),
        ):
            if key is not None:
                yield Link(title, reverse("admin:accounts_account_change", args=[key]))
        yield Link(_("Audit log"), link_to_list("accounts_auditevent", f"market:{row.pk}"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; read-only ones are shown in credits and contracts."""
        fixed = set(self._list_fixed(request, obj))

        def named(names: list[str]) -> list[str]:
            return [f"shown_{name}" if name in fixed & IN_UNITS else name for name in names]

        return [
            (None, {"fields": [*FIXED_AT_CREATION, *DESCRIBED]}),
            (_("Times"), {"fields": named(TIMES)}),
            (_("Terms"), {"fields": named(TERMS)}),
            (_("Automated market maker"), {"fields": named(MAKER)}),
            (_("Standing"), {"fields": SHOWN_ONLY}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = [f"shown_{name}" for name in sorted(IN_UNITS)]
        return [*SHOWN_ONLY, *shown, *self._list_fixed(request, obj)]

    def _list_fixed(self, request: HttpRequest, obj: Any) -> list[str]:
        if obj is None:
            return []
        if not self.has_change_permission(request, obj):
            return list(MarketAdminForm.Meta.fields)
        if obj.status in HIDDEN_STATUSES:
            return FIXED_AT_CREATION
        mended = DESCRIPTIVE_FIELDS - TEXT_FIELDS if has_traded(obj) else DESCRIPTIVE_FIELDS
        fixed = [name for name in MarketAdminForm.Meta.fields if name not in mended]
        return fixed if may_resolve_markets(_user(request)) else [*fixed, "resolver"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.user = _user(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**get_default_terms(), **super().get_changeform_initial_data(request)}

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return self.inlines if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Market, form: Any, change: bool) -> None:
        if change:
            do_edit_market(obj, by=_user(request), fields=form.get_changes())
        else:
            obj.pk = do_create_market(by=_user(request), fields=form.get_changes()).pk
        obj.refresh_from_db()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        # Django's change message asks for these.
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if formset.model is Outcome and formset.has_changed():
            do_set_outcomes(form.instance, by=_user(request), outcomes=formset.get_outcomes())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_manage_markets(_user(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage_markets(_user(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its accounts, orders and history stay; a bad market is voided


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)  # only operators reach the admin
