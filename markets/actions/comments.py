"""Comments: who may write, withdraw, report and hide them."""

from django.db import transaction
from django.utils import timezone

from accounts.api.principal import principal_of_user
from accounts.audit import record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import RefusedError, not_found
from kernel.texts import check_text
from markets.actions.exchange import check_not_in_maintenance
from markets.models import HIDDEN_STATUSES, Comment, CommentReport, Market, acts_as_operator
from markets.models.comment import REASON_LENGTH_MAX, TEXT_LENGTH_MAX
from web import limits


def check_comment(market: Market, *, by: User, text: str, parent: Comment | None = None) -> str:
    """Return the text as it will be stored; `by` must be allowed to see `market`."""
    check_not_in_maintenance()
    if not principal_of_user(by).is_verified:
        raise RefusedError("email_not_verified")
    if market.status in HIDDEN_STATUSES:
        raise RefusedError("market_not_public")
    if parent is not None and (parent.market_id != market.pk or parent.parent_id is not None):
        raise not_found("this comment")
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise RefusedError("blank.comment")
    if len(text) > TEXT_LENGTH_MAX:
        raise RefusedError("too_long", "text")
    check_text(text, "text")
    return text


def do_comment(market: Market, *, by: User, text: str, parent: Comment | None = None) -> Comment:
    """Write a comment; 429 when the author writes too many in a short time."""
    text = check_comment(market, by=by, text=text, parent=parent)
    limits.check_attempt("comment", address="", account=str(by.pk))
    return Comment.objects.create(market=market, author=by, parent=parent, text=text)


def do_withdraw_comment(comment: Comment, *, by: User) -> None:
    """Withdraw one's own comment: its text is deleted, its place in the thread stays."""
    if comment.author_id != by.pk:
        raise not_found("this comment")
    check_not_in_maintenance()
    Comment.objects.filter(pk=comment.pk, withdrawn_at=None).update(
        withdrawn_at=timezone.now(), text=""
    )


def do_report_comment(comment: Comment, *, by: User) -> None:
    """Report a comment to the moderators; repeats have no effect."""
    if comment.author_id == by.pk:
        raise RefusedError("own_comment")
    check_not_in_maintenance()
    limits.check_attempt("comment", address="", account=str(by.pk))
    CommentReport.objects.get_or_create(comment=comment, reporter=by)


def check_may_moderate(by: User) -> None:
    if not may_moderate(by):
        refusal = RefusedError("not_a_moderator")
        raise no_right(by, refusal)


def may_moderate(user: User) -> bool:
    return acts_as_operator(user) and user.has_perm("markets.moderate_comments")


def do_hide_comment(comment: Comment, *, by: User, reason: str) -> None:
    """Hide a comment from everyone but moderators; its text is kept."""
    check_may_moderate(by)
    reason = reason.strip()
    if not reason:
        raise RefusedError("blank.reason")
    if len(reason) > REASON_LENGTH_MAX:
        raise RefusedError("too_long", "reason")
    hidden = {"hidden_at": timezone.now(), "hidden_by": by, "hidden_reason": reason}
    _decide(comment, "hide_comment", by=by, reason=reason, **hidden)


def do_show_comment(comment: Comment, *, by: User, reason: str = "") -> None:
    """Show a hidden comment again."""
    check_may_moderate(by)
    shown = {"hidden_at": None, "hidden_by": None, "hidden_reason": ""}
    _decide(comment, "show_comment", by=by, reason=reason, **shown)


def _decide(comment: Comment, action: str, *, by: User, reason: str, **fields: object) -> None:
    with transaction.atomic():
        Comment.objects.filter(pk=comment.pk).update(**fields)
        record_audit(action, comment, by=by, before={"text": comment.text}, reason=reason)
