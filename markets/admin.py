"""Markets in the admin. Forms show what `markets.actions` refuses; saving calls its `do_`."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import (
    ModelAdmin,
    ReadOnlyAdmin,
    act_on_each,
    show_amount,
    show_price,
    show_quantity,
)
from accounts.audit import record_audit
from accounts.errors import RefusedError
from accounts.models import User
from markets.actions import (
    DESCRIPTIVE_FIELDS,
    OutcomePair,
    check_create_market,
    check_edit_market,
    check_set_outcomes,
    do_approve_market,
    do_create_market,
    do_edit_exchange,
    do_edit_market,
    do_reject_market,
    do_set_outcomes,
    get_default_terms,
    may_manage_markets,
)
from markets.models import (
    OUTCOMES_MAX,
    Category,
    Dispute,
    Event,
    Exchange,
    Group,
    GroupMember,
    Market,
    Outcome,
    Resolution,
    Series,
    StatusChange,
    Tag,
)

DESCRIBED: list[Any] = [
    "title", "description", "rules", "resolution_source", "category", "tags", "event",
    "resolver", "visibility", "group", "featured",
]  # fmt: skip
TIMES: list[Any] = ["open_at", "close_at", "expected_settle_at", "dispute_seconds"]
TERMS: list[Any] = [
    "tick_pips", "lot_step_lots", "fee_kind", "fee_maker_rate", "fee_taker_rate",
    "fee_unit_micros", "position_limit_lots", "strict_refund",
]  # fmt: skip
FIXED_AT_CREATION: list[Any] = ["kind", "slug"]
SHOWN_ONLY: list[Any] = ["status", "creator", "approved_by", "approved_at", "settled_at", "shard"]


# --- forms -------------------------------------------------------------------------------------


class MarketForm(forms.ModelForm):
    user: User  # set on the class that is made for each request

    class Meta:
        model = Market
        fields = [*FIXED_AT_CREATION, *DESCRIBED, *TIMES, *TERMS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = "Empty: made from the title."

    def clean(self) -> dict[str, Any]:
        # Not super(): its checks of uniqueness and constraints are the actions' too, with names.
        if not self.errors:
            try:
                self._check()
            except RefusedError as refusal:
                self.add_error(self._find_field(refusal.field), refusal.message)
        return self.cleaned_data

    def get_changes(self) -> dict[str, Any]:
        """Return what the action is to set: all of a new market, what changed of another."""
        is_new = self.instance.pk is None
        names = [name for name in self.cleaned_data if is_new or name in self.changed_data]
        changes = {name: self.cleaned_data[name] for name in names}
        if "tags" in changes:
            changes["tags"] = list(changes["tags"])
        if not changes.get("slug"):
            changes.pop("slug", None)
        return changes

    def _check(self) -> None:
        if self.instance.pk is None:
            check_create_market(by=self.user, fields=self.get_changes())
        else:
            check_edit_market(self.instance, by=self.user, fields=self.get_changes())

    def _find_field(self, name: str | None) -> str | None:
        """The API's `tick` is `tick_pips` here."""
        return next((ours for ours in self.fields if name and ours.startswith(name)), None)


class OutcomeForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        return self.cleaned_data  # uniqueness is checked over all of them, after the change


class OutcomeFormSet(forms.BaseInlineFormSet):
    user: User

    def clean(self) -> None:
        if any(self.errors) or not self.has_changed():
            return
        try:
            check_set_outcomes(self.instance, by=self.user, outcomes=self.get_outcomes())
        except RefusedError as refusal:
            raise forms.ValidationError(refusal.message) from None

    def get_outcomes(self) -> list[OutcomePair]:
        rows = [
            form.cleaned_data
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        rows.sort(key=lambda row: row["index"])
        return [(row["code"], row["name"]) for row in rows]


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)  # nobody else gets into the admin


class NoteActionForm(ActionForm):
    note = forms.CharField(required=False, max_length=500)


# --- markets -----------------------------------------------------------------------------------


class OutcomeInline(admin.TabularInline):
    model = Outcome
    form = OutcomeForm
    formset = OutcomeFormSet
    fields = ["index", "code", "name", "payout_pips"]
    readonly_fields = ["payout_pips"]
    extra = 0
    max_num = OUTCOMES_MAX

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset: Any = super().get_formset(request, obj, **kwargs)
        formset.user = _user(request)
        return formset

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_draft = obj is not None and obj.status == Market.Status.DRAFT
        return is_draft and may_manage_markets(_user(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class StatusChangeInline(admin.TabularInline):
    model = StatusChange
    fields = ["created_at", "from_status", "to_status", "by", "reason"]
    readonly_fields = ["created_at", "from_status", "to_status", "by", "reason"]
    ordering = ["id"]
    verbose_name_plural = "history"
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(Market)
class MarketAdmin(ModelAdmin):
    form = MarketForm
    action_form = NoteActionForm
    inlines = [OutcomeInline, StatusChangeInline]
    list_display = [
        "slug",
        "title",
        "kind",
        "status",
        "approved_at",
        "visibility",
        "creator",
        "close_at",
        show_price("tick_pips"),
        show_quantity("position_limit_lots"),
    ]
    list_filter = ["status", "kind", "visibility", "category", "featured"]
    list_select_related = ["creator"]
    search_fields = ["slug", "title", "creator__handle"]
    autocomplete_fields = ["event", "resolver", "group"]
    filter_horizontal = ["tags"]
    fieldsets = [
        (None, {"fields": [*FIXED_AT_CREATION, *DESCRIBED]}),
        ("Times", {"fields": TIMES}),
        ("Terms", {"fields": TERMS}),
        ("Standing", {"fields": SHOWN_ONLY}),
    ]
    ordering = ["-id"]
    actions = ["approve", "reject"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return SHOWN_ONLY
        if obj.status == Market.Status.DRAFT:
            return [*SHOWN_ONLY, *FIXED_AT_CREATION]
        fixed = [name for name in MarketForm.Meta.fields if name not in DESCRIPTIVE_FIELDS]
        return [*SHOWN_ONLY, *fixed]

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

    @admin.action(permissions=["change"], description="Approve selected proposals")
    def approve(self, request: HttpRequest, rows: QuerySet) -> None:
        note = request.POST.get("note", "")
        act_on_each(
            request,
            rows,
            lambda market: do_approve_market(market, by=_user(request), reason=note),
            "approved",
        )

    @admin.action(permissions=["change"], description="Reject selected proposals (with a note)")
    def reject(self, request: HttpRequest, rows: QuerySet) -> None:
        note = request.POST.get("note", "")
        act_on_each(
            request,
            rows,
            lambda market: do_reject_market(market, by=_user(request), reason=note),
            "rejected",
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_manage_markets(_user(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_manage_markets(_user(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its accounts, orders and history stay; a bad market is voided


@admin.register(StatusChange)
class StatusChangeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "market", "from_status", "to_status", "by", "reason"]
    list_select_related = ["market", "by"]
    list_filter = ["to_status"]
    search_fields = ["market__slug", "by__handle"]
    ordering = ["-id"]


@admin.register(Resolution)
class ResolutionAdmin(ReadOnlyAdmin):
    list_display = [
        "market",
        "payout_pips",
        "proposed_by",
        "proposed_at",
        "final_at",
        "approved_by",
        show_amount("house_cover_micros"),
        "withdrawn_at",
    ]
    list_select_related = ["market", "proposed_by", "approved_by"]
    search_fields = ["market__slug", "proposed_by__handle"]
    ordering = ["-id"]


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ["resolution", "raised_by", "raised_at", "decision", "decided_by"]
    list_select_related = ["resolution__market", "raised_by", "decided_by"]
    list_filter = ["decision"]
    search_fields = ["resolution__market__slug", "raised_by__handle"]
    ordering = ["-id"]


# --- what groups markets -------------------------------------------------------------------------


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ["name", "slug", "position"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Tag)
class TagAdmin(ModelAdmin):
    list_display = ["name", "slug"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Series)
class SeriesAdmin(ModelAdmin):
    list_display = ["title", "slug", "category"]
    list_select_related = ["category"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}


@admin.register(Event)
class EventAdmin(ModelAdmin):
    list_display = ["title", "slug", "series", "category"]
    list_select_related = ["series", "category"]
    list_filter = ["category"]
    search_fields = ["title", "slug"]
    autocomplete_fields = ["series"]
    prepopulated_fields = {"slug": ["title"]}


class GroupMemberInline(admin.TabularInline):
    model = GroupMember
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    list_display = ["name", "slug"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [GroupMemberInline]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for action, members in (
            ("add_group_member", formset.new_objects),
            ("remove_group_member", formset.deleted_objects),
        ):
            for member in members:
                after = {"user": str(member.user)}
                record_audit(action, form.instance, by=_user(request), after=after)


@admin.register(Exchange)
class ExchangeAdmin(ModelAdmin):
    list_display = ["__str__", "trading_halted", "maintenance", "announcement"]
    fields = ["trading_halted", "maintenance", "announcement"]

    def save_model(self, request: HttpRequest, obj: Exchange, form: Any, change: bool) -> None:
        do_edit_exchange(obj, by=_user(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # there is one

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("markets.run_exchange")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
