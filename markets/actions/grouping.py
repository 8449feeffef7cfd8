"""Binary markets made in one go, one for each answer: any number of them may win and pay 1 each."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.text import slugify

from accounts.audit import record_audit
from accounts.models import User
from kernel.errors import RefusedError
from kernel.texts import check_line
from markets.actions.creation import check_create_market, check_may_create_markets, do_create_market
from markets.actions.rules import tidy
from markets.models import OUTCOMES_MAX, Event, Market

ANSWER: Final = "{answer}"
ANSWERS_MIN, ANSWERS_MAX = 2, OUTCOMES_MAX
TITLE_LENGTH_MAX: Final = 200
SLUG_TEXT_LENGTH_MAX: Final = 70


def list_group_fields(fields: Mapping[str, Any], answers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the fields of each market: the answer stands for {answer}, or behind the title."""
    return [_fill_in(fields, tidy(answer)) for answer in answers]


def check_create_market_group(
    *, by: User, fields: Mapping[str, Any], answers: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the fields of the markets as they would be created."""
    check_may_create_markets(by)
    names = [tidy(answer) for answer in answers]
    if not ANSWERS_MIN <= len(names) <= ANSWERS_MAX:
        raise RefusedError("answer_count", "answers", least=ANSWERS_MIN, most=ANSWERS_MAX)
    if not all(names):
        raise RefusedError("blank.answers")
    if len({name.casefold() for name in names}) < len(names):
        raise RefusedError("duplicate_outcome_name", "answers")
    for name in names:
        check_line(name, "answers")
    each = list_group_fields(fields, names)
    for one in each:
        if len(one["title"]) > TITLE_LENGTH_MAX:
            raise RefusedError("too_long", "title")
        check_create_market(by=by, fields=one)
    return each


def do_create_market_group(
    *,
    by: User,
    fields: Mapping[str, Any],
    answers: Sequence[str],
    is_approved: bool = True,
) -> list[Market]:
    """Create a draft for each answer, yes or no, all of one event: the given one or a new one."""
    with transaction.atomic():
        each = check_create_market_group(by=by, fields=fields, answers=answers)
        event = fields.get("event") or _create_event(fields)
        markets = [
            do_create_market(by=by, fields={**one, "event": event}, is_approved=is_approved)
            for one in each
        ]
        slugs = [market.slug for market in markets]
        record_audit("create_market_group", event, by=by, after={"markets": slugs})
    return markets


def _fill_in(fields: Mapping[str, Any], answer: str) -> dict[str, Any]:
    filled = {name: value for name, value in fields.items() if name != "slug"}
    title = filled["title"]
    filled["title"] = title if ANSWER in title else f"{title.rstrip()} {ANSWER}"
    for name in ("title", "description", "rules"):
        if name in filled:
            filled[name] = filled[name].replace(ANSWER, answer)
    return filled


def _create_event(fields: Mapping[str, Any]) -> Event:
    title = tidy(fields["title"].replace(ANSWER, "…"))
    stem = slugify(fields["title"].replace(ANSWER, ""))[:SLUG_TEXT_LENGTH_MAX].strip("-") or "group"
    slug = f"{stem}-{secrets.token_hex(3)}" if Event.objects.filter(slug=stem).exists() else stem
    return Event.objects.create(slug=slug, title=title, category=fields.get("category"))
