"""Users, money and credentials in the admin: money is read-only, buttons call `do_` actions."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.actions import (
    do_close_account,
    do_decide_withdrawal,
    do_edit_policy,
    do_reinstate_user,
    do_revoke_api_key,
    do_suspend_user,
    record_audit,
)
from accounts.admin_base import ModelAdmin, ReadOnlyAdmin, act_on_each, get_operator, show_amount
from accounts.models import (
    Account,
    ApiKey,
    AuditEvent,
    InviteCode,
    LoginSession,
    Policy,
    Transfer,
    User,
    WithdrawalRequest,
)

ADMIN_REASON = "in the admin"
RIGHTS = ["is_staff", "is_superuser", "groups", "user_permissions"]


class NewUserForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "handle")


@admin.register(User)
class UserAdmin(ModelAdmin, DjangoUserAdmin):
    add_form = NewUserForm
    list_display = ["handle", "email", "is_staff", "is_active", "suspended_at", "created_at"]
    list_filter = ["is_staff", "is_active", ("suspended_at", admin.EmptyFieldListFilter)]
    search_fields = ["handle", "email"]
    ordering = ["-id"]
    readonly_fields = ["is_active", "suspended_at", "created_at", "last_login"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["email", "handle", "display_name", "password"]}),
        ("Standing", {"fields": ["is_active", "suspended_at", "created_at", "last_login"]}),
        ("Rights", {"fields": RIGHTS}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "handle", "usable_password", "password1", "password2"]})
    ]
    actions = ["suspend", "reinstate"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Who may edit users must not thereby give themselves every right.
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, *RIGHTS]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            obj.accounts.create()

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        if "assword" in str(message):
            record_audit("set_password", obj, by=get_operator(request))
        return super().log_change(request, obj, message)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        # Their password or address would be the way to their rights.
        return may_change and (obj is None or not obj.is_staff or request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a user's money and acts stay; accounts are closed instead

    @admin.action(permissions=["suspend"])
    def suspend(self, request: HttpRequest, rows: QuerySet) -> None:
        act_on_each(
            request,
            rows,
            lambda user: do_suspend_user(user, by=get_operator(request), reason=ADMIN_REASON),
            "suspended",
        )

    @admin.action(permissions=["suspend"])
    def reinstate(self, request: HttpRequest, rows: QuerySet) -> None:
        act_on_each(
            request,
            rows,
            lambda user: do_reinstate_user(user, by=get_operator(request), reason=ADMIN_REASON),
            "reinstated",
        )

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.suspend_users")


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "kind",
        show_amount("cash_micros"),
        show_amount("held_micros"),
        show_amount("withdrawing_micros"),
        show_amount("available_micros"),
        "closed_at",
    ]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["owner__handle", "owner__email"]
    actions = ["close"]

    @admin.action(permissions=["close"], description="Close selected accounts for good")
    def close(self, request: HttpRequest, rows: QuerySet) -> None:
        act_on_each(
            request,
            rows,
            lambda account: do_close_account(
                account, by=get_operator(request), reason=ADMIN_REASON
            ),
            "closed",
        )

    def has_close_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.suspend_users")


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "created_at",
        "kind",
        "debit_account",
        "credit_account",
        show_amount("amount_micros"),
        "market_id",
    ]
    list_select_related = ["debit_account__owner", "credit_account__owner"]
    list_filter = ["kind"]
    search_fields = ["=id", "=reference", "=market_id"]
    ordering = ["-id"]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = [
        "prefix",
        "name",
        "account",
        "scopes",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_select_related = ["account__owner"]
    exclude = ["digest"]
    search_fields = ["prefix", "name", "account__owner__handle"]
    ordering = ["-id"]
    actions = ["revoke"]

    @admin.action(permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet) -> None:
        act_on_each(
            request, rows, lambda key: do_revoke_api_key(key, by=get_operator(request)), "revoked"
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.suspend_users")


@admin.register(LoginSession)
class LoginSessionAdmin(ReadOnlyAdmin):
    list_display = ["id", "user", "address", "user_agent", "created_at", "expires_at", "revoked_at"]
    list_select_related = ["user"]
    exclude = ["password_stamp"]
    search_fields = ["user__handle", "address"]
    ordering = ["-id"]


@admin.register(WithdrawalRequest)
class WithdrawalRequestAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "account",
        show_amount("amount_micros"),
        "status",
        "requested_at",
        "decided_by",
    ]
    list_select_related = ["account__owner", "decided_by"]
    list_filter = ["status"]
    search_fields = ["=id", "account__owner__handle"]
    ordering = ["-id"]
    actions = ["approve", "reject"]

    @admin.action(permissions=["decide"])
    def approve(self, request: HttpRequest, rows: QuerySet) -> None:
        _decide(request, rows, approve=True)

    @admin.action(permissions=["decide"])
    def reject(self, request: HttpRequest, rows: QuerySet) -> None:
        _decide(request, rows, approve=False)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.decide_withdrawals")


def _decide(request: HttpRequest, rows: QuerySet, *, approve: bool) -> None:
    act_on_each(
        request,
        rows.select_related("account"),
        lambda row: do_decide_withdrawal(
            row, approve=approve, by=get_operator(request), reason=ADMIN_REASON
        ),
        "approved" if approve else "rejected",
    )


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "actor", "action", "subject_type", "subject_id", "reason"]
    list_select_related = ["actor"]
    list_filter = ["action"]
    search_fields = ["=subject_id", "=request_id", "actor__handle"]
    ordering = ["-id"]


@admin.register(Policy)
class PolicyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # there is one

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        do_edit_policy(obj, by=get_operator(request), reason=ADMIN_REASON)
        messages.info(request, "Every process follows the new policy within a second.")


@admin.register(InviteCode)
class InviteCodeAdmin(ModelAdmin):
    list_display = ["code", "uses", "uses_max", "expires_at", "created_by"]
    list_select_related = ["created_by"]
    fields = ["code", "uses_max", "expires_at"]
    search_fields = ["code"]
    ordering = ["-id"]

    def save_model(self, request: HttpRequest, obj: InviteCode, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = get_operator(request)
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # let it expire: who came by it stays known
