"""A user's data in this app, for `accounts.own_data`, and its removal when they leave."""

from collections.abc import Iterator, Mapping
from typing import Any

from accounts.own_data import read_in_chunks, show_value
from accounts.registry import DataTable
from markets.models import Comment, GroupMember, Market

Rows = Iterator[Mapping[str, Any]]

MARKET_COLUMNS = ("slug", "title", "status", "created_at")
COMMENT_COLUMNS = ("id", "market", "text", "created_at", "withdrawn_at")
GROUP_COLUMNS = ("group", "is_owner", "created_at")


def list_created_markets(user_id: int) -> Rows:
    for row in read_in_chunks(Market.objects.filter(creator=user_id)):
        yield {name: show_value(getattr(row, name)) for name in MARKET_COLUMNS}


def list_comments(user_id: int) -> Rows:
    for row in read_in_chunks(Comment.objects.filter(author=user_id).select_related("market")):
        shown = {name: show_value(getattr(row, name)) for name in COMMENT_COLUMNS}
        yield {**shown, "market": row.market.slug}


def list_groups(user_id: int) -> Rows:
    for row in read_in_chunks(GroupMember.objects.filter(user=user_id).select_related("group")):
        shown = {name: show_value(getattr(row, name)) for name in GROUP_COLUMNS}
        yield {**shown, "group": row.group.slug}


def forget_user(user_id: int) -> None:
    """Leave every group, except owned ones: there the user stays owner, anonymised."""
    GroupMember.objects.filter(user=user_id, is_owner=False).delete()


TABLES = (
    DataTable("created_markets", MARKET_COLUMNS, list_created_markets),
    DataTable("comments", COMMENT_COLUMNS, list_comments),
    DataTable("groups", GROUP_COLUMNS, list_groups),
)
