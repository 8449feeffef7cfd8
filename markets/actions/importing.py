"""Bulk creation of markets from checked rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from accounts.audit import record_audit
from accounts.models import User
from kernel.errors import RefusedError
from markets.actions.approval import do_propose_market
from markets.actions.creation import do_create_market
from markets.actions.grouping import do_create_market_group
from markets.actions.rules import OutcomePair
from markets.models import Market


class ImportedMarket(NamedTuple):
    fields: Mapping[str, Any]
    outcomes: Sequence[OutcomePair] | None
    answers: Sequence[str] | None = None
    """Not None: a group of markets, one for each."""


def do_import_markets(
    rows: Sequence[ImportedMarket], *, by: User, all_or_none: bool, propose: bool
) -> list[list[Market] | RefusedError]:
    """Create each row's market or markets; return them, or why not, in the order of the rows.

    With `all_or_none` one refusal rolls back all of them and is the only one returned. `propose`:
    they wait for approval, even where `by` might approve them.
    """
    try:
        with transaction.atomic():
            done = [_create(row, by=by, propose=propose) for row in rows]
            created = [markets for markets in done if not isinstance(markets, RefusedError)]
            made = [market.slug for markets in created for market in markets]
            if all_or_none and len(created) < len(rows):
                raise _Undone
            record_audit("import_markets", by, by=by, after={"count": len(made), "slugs": made})
    except _Undone:
        pass
    return done


class _Undone(Exception):  # noqa: N818 - rolls a transaction back
    pass


def _create(row: ImportedMarket, *, by: User, propose: bool) -> list[Market] | RefusedError:
    try:
        with transaction.atomic():
            markets = _create_drafts(row, by=by, is_approved=not propose)
            return [do_propose_market(row, by=by) for row in markets] if propose else markets
    except RefusedError as refusal:
        return refusal


def _create_drafts(row: ImportedMarket, *, by: User, is_approved: bool) -> list[Market]:
    if row.answers is not None:
        return do_create_market_group(
            by=by, fields=row.fields, answers=row.answers, is_approved=is_approved
        )
    return [
        do_create_market(by=by, fields=row.fields, outcomes=row.outcomes, is_approved=is_approved)
    ]
