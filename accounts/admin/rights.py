"""Roles (groups of permissions), and unregistering other packages' models.

Their pages would show or change sessions, second factors and tokens past our actions and audit.
"""

from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.admin_base import ModelAdmin

admin.site.unregister(
    [Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession]
)

# The built-in ones (`trading.roles`), by the name in the database.
ROLES: Final = {
    "operator": pgettext_lazy("a role", "operator"),
    "resolver": pgettext_lazy("a role", "resolver"),
    "finance": pgettext_lazy("a role", "finance"),
    "moderator": pgettext_lazy("a role", "moderator"),
}
VERBS: Final = {
    "add": pgettext_lazy("a permission", "add"),
    "change": pgettext_lazy("a permission", "change"),
    "delete": pgettext_lazy("a permission", "delete"),
    "view": pgettext_lazy("a permission", "view"),
}


def describe_role(role: Group) -> str:
    return str(ROLES.get(role.name, role.name))


def describe_permission(permission: Permission) -> str:
    """Return a text like "Market: view". Needs `permission.content_type`."""
    kind = permission.content_type
    model = kind.model_class()
    verb, _joint, name = permission.codename.partition("_")
    if name == kind.model and verb in VERBS:
        what = VERBS[verb]
    else:
        named = {} if model is None else dict(model._meta.permissions)
        what = named.get(permission.codename, permission.name)
    subject = kind.model if model is None else model._meta.verbose_name
    return f"{capfirst(subject)}: {what}"


class NamingRights(admin.ModelAdmin):
    """Offers roles and permissions by their names in the viewer's language."""

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: Any = None, **kwargs: Any
    ) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "groups":
            field.label, field.help_text = _("roles"), _("This user may do what the roles allow.")
            field.label_from_instance = describe_role
        elif db_field.name in ("permissions", "user_permissions"):
            field.queryset = field.queryset.select_related("content_type")
            field.label_from_instance = describe_permission
        if db_field.name == "user_permissions":
            field.label = _("single permissions")
            field.help_text = _("What this user may do in addition to the roles.")
        return field


@admin.register(Group)
class RoleAdmin(NamingRights, ModelAdmin, GroupAdmin):
    """Only superusers edit permissions, whatever permissions another operator has."""

    list_display = ["show_name"]
    filter_horizontal = ()

    @admin.display(description=_("name"), ordering="name")
    def show_name(self, row: Group) -> str:
        return describe_role(row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
