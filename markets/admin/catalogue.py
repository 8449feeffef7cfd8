"""Categories, tags, series and events of markets, and groups of users."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import ModelAdmin, TabularInline, get_operator
from accounts.admin_fields import UserField
from accounts.audit import record_audit
from markets.models import Category, Event, Group, GroupMember, Series, Tag


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    fields = ["name", "slug", "position"]
    list_display = ["name", "slug", "position"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Tag)
class TagAdmin(ModelAdmin):
    fields = ["name", "slug"]
    list_display = ["name", "slug"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Series)
class SeriesAdmin(ModelAdmin):
    fields = ["title", "slug", "description", "category"]
    list_display = ["title", "slug", "category"]
    list_select_related = ["category"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}


@admin.register(Event)
class EventAdmin(ModelAdmin):
    fields = ["title", "slug", "description", "series", "category"]
    list_display = ["title", "slug", "series", "category"]
    list_select_related = ["series", "category"]
    list_filter = ["category"]
    search_fields = ["title", "slug"]
    prepopulated_fields = {"slug": ["title"]}


class GroupMemberForm(forms.ModelForm):
    user = UserField(label=_("User"), help_text=_("A handle."))

    class Meta:
        model = GroupMember
        fields = ("user", "is_owner")


class GroupMemberInline(TabularInline):
    model = GroupMember
    form = GroupMemberForm
    hide_title = True
    verbose_name_plural = _("members")
    extra = 0


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    fields = ["name", "slug", "description"]
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
                record_audit(action, form.instance, by=get_operator(request), after=after)
