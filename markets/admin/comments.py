"""Comments for moderators: found by market or author, hidden and shown again, never edited."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.admin_actions import AdminAction
from accounts.admin_base import Link, RecordAdmin, find_url
from accounts.models import User
from markets.actions import do_hide_comment, do_show_comment
from markets.admin.history import MarketHistoryAdmin
from markets.models import Comment, CommentReport
from markets.models.comment import REASON_LENGTH_MAX

EXCERPT_LENGTH = 80


class ModerateAction(AdminAction):
    permission = "markets.moderate_comments"
    reason_length_max = REASON_LENGTH_MAX

    def describe(self) -> Iterable[tuple[Any, Any]]:
        if len(self.rows) == 1:
            yield _("Author"), self.rows[0].author
            yield _("Text"), self.rows[0].text


class HideAction(ModerateAction):
    title = _("Hide")
    done = _("The comment is hidden.")
    explanation = _("From then on only moderators see its text; replies stay.")
    is_harmful = True
    needs_reason = True

    @classmethod
    def is_available(cls, row: Comment) -> bool:
        return row.is_shown

    def do(self, row: Comment, *, by: User, reason: str) -> None:
        do_hide_comment(row, by=by, reason=reason)


class ShowAction(ModerateAction):
    title = _("Show again")
    done = _("The comment is shown again.")

    @classmethod
    def is_available(cls, row: Comment) -> bool:
        return row.hidden_at is not None

    def do(self, row: Comment, *, by: User, reason: str) -> None:
        do_show_comment(row, by=by, reason=reason)


@admin.register(Comment)
class CommentAdmin(MarketHistoryAdmin):
    list_display = ["excerpt", "author", "market", "created_at", "state"]
    list_select_related = ["author", "market"]
    acts = {"hide": HideAction, "show": ShowAction}

    def find(self, term: str) -> Iterable[Q]:
        yield from super().find(term)
        author = User.objects.filter(handle=term).values_list("pk", flat=True).first()
        if author is not None:
            yield Q(author=author)

    def get_links(self, row: Comment) -> Iterable[Link]:
        yield Link(_("Market"), find_url(row.market))
        yield Link(_("Author"), find_url(row.author))

    @admin.display(description=_("text"))
    def excerpt(self, row: Comment) -> str:
        return row.text[:EXCERPT_LENGTH] or "\N{EN DASH}"

    @admin.display(description=_("state"))
    def state(self, row: Comment) -> Any:
        if row.hidden_at is not None:
            return _("hidden")
        return _("withdrawn") if row.withdrawn_at is not None else _("shown")


@admin.register(CommentReport)
class CommentReportAdmin(RecordAdmin):
    """Users' reports of comments that are still shown."""

    list_display = ["comment_text", "reporter", "created_at"]
    list_select_related = ["comment", "reporter"]
    account_keys = ()

    def get_queryset(self, request: Any) -> Any:
        shown = super().get_queryset(request)
        return shown.filter(comment__hidden_at=None, comment__withdrawn_at=None)

    def get_links(self, row: CommentReport) -> Iterable[Link]:
        yield Link(_("Comment"), find_url(row.comment))

    @admin.display(description=_("comment"))
    def comment_text(self, row: CommentReport) -> str:
        return row.comment.text[:EXCERPT_LENGTH]
