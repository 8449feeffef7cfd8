"""A market's comments: a section of its page, also served separately."""

from typing import Any, NamedTuple, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from kernel.errors import ApiError, describe, not_found
from markets.actions import (
    do_comment,
    do_hide_comment,
    do_report_comment,
    do_show_comment,
    do_withdraw_comment,
    may_moderate,
)
from markets.models import HIDDEN_STATUSES, Comment, Market
from markets.queries import get_market
from web.pagination import paginate

THREADS_A_PAGE = 20
REPLIES_MAX = 500
"""The maximum over all threads of one page."""


class Thread(NamedTuple):
    comment: Comment
    replies: list[Comment]


def build_context(
    request: HttpRequest, market: Market, *, draft: str = "", parent: str = "", error: str = ""
) -> dict[str, Any]:
    """Return the context of `markets/comments.html`: a page of threads, newest first.

    `draft`, `parent` and `error` belong to a refused comment.
    """
    top = Comment.objects.filter(market=market, parent=None).select_related("author")
    page = paginate(
        top, order=["-id"], cursor=request.GET.get("comments", ""), limit=THREADS_A_PAGE
    )
    return {
        "market": market,
        "threads": _with_replies(page.rows),
        "next_comments": page.next_cursor,
        "may_moderate": request.user.is_authenticated and may_moderate(request.user),
        "may_comment": market.status not in HIDDEN_STATUSES,
        "comment_draft": draft,
        "comment_parent": parent,
        "comment_error": error,
    }


def _with_replies(comments: list[Comment]) -> list[Thread]:
    replies: dict[Any, list[Comment]] = {comment.pk: [] for comment in comments}
    found = Comment.objects.filter(parent__in=list(replies)).select_related("author")
    for reply in found.order_by("id")[:REPLIES_MAX]:
        replies[reply.parent_id].append(reply)
    return [Thread(comment, replies[comment.pk]) for comment in comments]


@require_safe
def show(request: HttpRequest, slug: str) -> HttpResponse:
    """The section alone: for "older comments" and after a change."""
    market = get_market(slug, user=request.user)
    return render(request, "markets/comments_page.html", build_context(request, market))


@require_POST
@login_required
def write(request: HttpRequest, slug: str) -> HttpResponse:
    market = get_market(slug, user=request.user)
    text, parent_id = request.POST.get("text", ""), request.POST.get("parent", "")
    parent = _find(parent_id, market) if parent_id else None
    try:
        do_comment(market, by=cast("User", request.user), text=text, parent=parent)
    except ApiError as refusal:
        if refusal.status not in (400, 409, 422, 429):
            raise
        error = describe(refusal)
        context = build_context(request, market, draft=text, parent=parent_id, error=error)
        return render(request, "markets/comments_page.html", context, status=422)
    return _answer(request, market)


@require_POST
@login_required
def act(request: HttpRequest, slug: str, comment_id: str, action: str) -> HttpResponse:
    """Withdraw one's own comment, report another's, hide or show as a moderator."""
    market = get_market(slug, user=request.user)
    comment, user = _find(comment_id, market), cast("User", request.user)
    if action == "withdraw":
        do_withdraw_comment(comment, by=user)
    elif action == "report":
        do_report_comment(comment, by=user)
        messages.success(request, _("Thank you. A moderator will look at it."))
    elif action == "hide":
        do_hide_comment(comment, by=user, reason=request.POST.get("reason", ""))
    else:
        do_show_comment(comment, by=user, reason=request.POST.get("reason", ""))
    return _answer(request, market)


def _find(comment_id: str, market: Market) -> Comment:
    try:
        comment = Comment.objects.filter(pk=comment_id, market=market).first()
    except ValidationError:  # not a UUID
        comment = None
    if comment is None:
        raise not_found("this comment")
    return comment


def _answer(request: HttpRequest, market: Market) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "markets/comments_page.html", build_context(request, market))
    return redirect(f"{reverse('market', args=[market.slug])}#comments")
