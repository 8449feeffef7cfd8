"""The audit log: who did what to which subject, before, after and why."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import HexRecordAdmin, KnownValuesFilter, show_id
from accounts.models import AuditEvent, User

# Opening, halting, resuming and closing were formerly recorded as `configure_market`.
ACTIONS = (
    "add_in_admin", "approve_deposit", "approve_market", "approve_result",
    "approve_withdrawal", "cancel_deposit", "cancel_orders", "cancel_withdrawal",
    "change_close_time", "close_account", "close_market", "configure_market", "create_api_key",
    "create_group", "create_market", "create_user", "decide_dispute", "delete_in_admin",
    "delete_user", "deposit_credits", "dispute_result", "edit_exchange", "edit_in_admin",
    "edit_market", "edit_policy", "end_session", "end_sessions", "export_data",
    "grant_credits", "halt_market", "import_markets", "join_group", "leave_group", "log_in",
    "log_out", "make_first_operator", "make_group_owner", "open_market", "pay_result",
    "propose_market", "refine_tick", "refresh_token_came_again", "reinstate_user",
    "reject_deposit", "reject_market", "reject_withdrawal", "remove_member", "request_deposit",
    "request_withdrawal", "reset_mfa", "resolve_market", "resume_market", "revoke_api_key",
    "set_outcomes", "set_password", "suspend_user", "void_market", "withdraw_result",
)  # fmt: skip


class ActionFilter(KnownValuesFilter):
    title = _("action")
    parameter_name = "action"
    values = [(action, action) for action in ACTIONS]


@admin.register(AuditEvent)
class AuditEventAdmin(HexRecordAdmin):
    list_display = [
        "created_at",
        "actor",
        "action",
        "subject",
        "reason",
        show_id("request_id", _("request")),
    ]
    list_select_related = ["actor"]
    list_filter = [ActionFilter]
    search_help_text = _("An exact handle, event or request id, or a subject like market:17")
    fields = [
        "id", "created_at", "actor", "action", "subject", "reason", "request_id",
        "before_shown", "after_shown",
    ]  # fmt: skip
    readonly_fields: ClassVar[Any] = fields

    def find(self, term: str) -> Iterable[Q]:
        """By actor, request, or subject (`type:id`; a handle is also the subject of that user)."""
        yield from self.find_by_id(term)
        user = User.objects.filter(handle=term).first()
        if user is not None:
            yield Q(actor=user)
            yield Q(subject_type="user", subject_id=str(user.pk))
        subject_type, _colon, subject_id = term.partition(":")
        if subject_id:
            yield Q(subject_type=subject_type, subject_id=subject_id)
        else:
            yield Q(request_id=term)

    @admin.display(description=_("subject"))
    def subject(self, row: AuditEvent) -> str:
        return f"{row.subject_type}:{row.subject_id}"

    @admin.display(description=_("before"))
    def before_shown(self, row: AuditEvent) -> Any:
        return _show_json(row.before)

    @admin.display(description=_("after"))
    def after_shown(self, row: AuditEvent) -> Any:
        return _show_json(row.after)


def _show_json(value: Any) -> SafeString | str:
    if value is None:
        return ""
    text = json.dumps(value, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
    return format_html('<pre class="record">{}</pre>', text)
