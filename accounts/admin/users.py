"""Users: profile and status, with links to their money and trades."""

from collections.abc import Iterable
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.actions import (
    do_end_sessions,
    do_move_email,
    do_reinstate_user,
    do_reset_mfa,
    do_revoke_api_keys,
    do_suspend_user,
    do_welcome_user,
    is_retired,
    record_audit,
)
from accounts.admin.rights import NamingRights, describe_permission, describe_role
from accounts.admin_actions import AdminAction
from accounts.admin_base import Link, ModelAdmin, find_url, get_operator, link_to_list
from accounts.models import User
from accounts.notices import notify_on_commit
from accounts.templatetags.predex import money

RIGHTS = ["is_staff", "is_superuser", "groups", "user_permissions"]
SHOWN_RIGHTS = ["is_staff", "is_superuser", "show_roles", "show_permissions"]  # named, not edited
STATUS_FIELDS = ["is_active", "suspended_at", "created_at", "last_login"]


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email", "handle")

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"]
        if is_retired(handle):
            raise ValidationError(_("This handle is taken."), code="handle_taken")
        return handle


class UserAction(AdminAction):
    permission = "accounts.suspend_users"
    needs_reason = True


class SuspendAction(UserAction):
    title = _("Suspend")
    done = _("The user is suspended.")
    explanation = _(
        "Stops every log-in, API key and session within a second and cancels all open orders."
        " Balances and positions stay theirs."
    )
    is_harmful = True

    @classmethod
    def is_available(cls, row: User) -> bool:
        return row.is_active and not row.is_suspended

    def do(self, row: User, *, by: User, reason: str) -> None:
        do_suspend_user(row, by=by, reason=reason)


class ReinstateAction(UserAction):
    title = _("Reinstate")
    done = _("The user is reinstated.")
    explanation = _("Lets a suspended user log in and trade again.")

    @classmethod
    def is_available(cls, row: User) -> bool:
        return row.is_suspended

    def do(self, row: User, *, by: User, reason: str) -> None:
        do_reinstate_user(row, by=by, reason=reason)


class EndSessionsAction(UserAction):
    title = _("End all sessions")
    done = _("All sessions are ended.")
    explanation = _("Logs them out of every browser and program. API keys keep working.")

    def do(self, row: User, *, by: User, reason: str) -> None:
        do_end_sessions(row, by=by, reason=reason)


class ResetMfaAction(UserAction):
    title = _("Reset second factor")
    done = _("The second factor is reset.")
    explanation = _(
        "Removes authenticator app, passkeys, security keys and recovery codes: the password "
        "alone is then enough to log in. Make sure the request really comes from them."
    )
    is_harmful = True
    takes_many = False

    def do(self, row: User, *, by: User, reason: str) -> None:
        do_reset_mfa(row, by=by, reason=reason)


@admin.register(User)
class UserAdmin(NamingRights, ModelAdmin, DjangoUserAdmin):
    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    acts = {
        "suspend": SuspendAction,
        "reinstate": ReinstateAction,
        "end-sessions": EndSessionsAction,
        "reset-mfa": ResetMfaAction,
    }
    list_display = ["handle", "email", "is_staff", "is_active", "suspended_at", "created_at"]
    list_filter = ["is_staff", "is_active", ("suspended_at", admin.EmptyFieldListFilter)]
    search_fields = ["handle__startswith", "email__startswith"]
    search_help_text = _("Beginning of a handle or e-mail address")
    sortable_by = ()
    ordering = ["-id"]
    filter_horizontal = ()  # plain lists: Django's double ones are inaccessible to screen readers
    readonly_fields = STATUS_FIELDS
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["email", "handle", "display_name", "password"]}),
        (_("Standing"), {"fields": STATUS_FIELDS}),
        (_("Rights"), {"fields": RIGHTS}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "handle", "usable_password", "password1", "password2"]})
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return super().get_search_results(request, queryset, search_term.lower())

    def get_links(self, row: User) -> Iterable[Link]:
        for account in row.accounts.all():
            yield Link(_("Account %d") % account.number, find_url(account))
        yield Link(_("API keys"), link_to_list("accounts_apikey", row.handle))
        yield Link(_("Audit log"), link_to_list("accounts_auditevent", row.handle))

    def get_facts(self, request: HttpRequest, row: User) -> Iterable[tuple[Any, Any]]:
        if not request.user.has_perm("accounts.view_account"):
            return
        for account in row.accounts.order_by("number"):
            said = {
                "available": money(account.available_micros),
                "held": money(account.held_micros),
                "withdrawing": money(account.withdrawing_micros),
            }
            text = _("%(available)s available, %(held)s held, %(withdrawing)s being withdrawn")
            yield _("Account %d") % account.number, text % said

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Permission to edit users must not suffice to become a superuser.
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, *RIGHTS, *SHOWN_RIGHTS]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return fieldsets
        return [*fieldsets[:-1], (_("Rights"), {"fields": SHOWN_RIGHTS})]

    @admin.display(description=_("roles"))
    def show_roles(self, row: User) -> str:
        return ", ".join(describe_role(role) for role in row.groups.all())

    @admin.display(description=_("single permissions"))
    def show_permissions(self, row: User) -> str:
        permissions = row.user_permissions.select_related("content_type")
        return ", ".join(describe_permission(permission) for permission in permissions)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:  # the same grant as on sign-up
            obj.accounts.create()
            EmailAddress.objects.create(user=obj, email=obj.email, primary=True)
            do_welcome_user(obj, invite=None)
        elif "email" in form.changed_data:
            do_move_email(obj, old=form.initial["email"], by=get_operator(request))

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        if "assword" in str(message):
            by = get_operator(request)
            record_audit("set_password", obj, by=by)
            do_revoke_api_keys(obj, by=by)
            notify_on_commit(obj, "password_reset", by=by)
        return super().log_change(request, obj, message)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_change = super().has_change_permission(request, obj)
        # Their password or address would give access to their rights.
        return may_change and (obj is None or not obj.is_staff or request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a user's money and records stay; accounts are closed instead
