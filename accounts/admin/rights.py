"""Roles: groups of permissions. And what other packages register that is not for operators.

Their pages would show or change log-ins, second factors and tokens past our actions and audit.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import ModelAdmin
from accounts.names import ROLES
from accounts.naming import describe_permission

admin.site.unregister(
    [Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession]
)


def describe_role(role: Group) -> str:
    return str(ROLES.get(role.name, role.name))


class NamingRights(admin.ModelAdmin):
    """Offers roles and permissions by their names in the viewer's language."""

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: Any = None, **kwargs: Any
    ) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "groups":
            field.label_from_instance = describe_role
        elif db_field.name in ("permissions", "user_permissions"):
            field.queryset = field.queryset.select_related("content_type")
            field.label_from_instance = describe_permission
        return field


@admin.register(Group)
class RoleAdmin(NamingRights, ModelAdmin, GroupAdmin):
    """Only who has every right edits rights, whatever permissions somebody was given."""

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
