"""Editing drafts, proposals (operators), and descriptive fields at any time (operators)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.actions import do_open_maker_account
from accounts.audit import record_audit
from accounts.models import User
from markets.actions.rules import (
    DESCRIPTIVE_FIELDS,
    OutcomePair,
    check_details,
    check_is_editable,
    check_may_change_resolver,
    check_may_edit,
    check_operator_fields,
    check_outcomes,
    check_texts_may_change,
    may_manage_markets,
    tidy,
)
from markets.actions.subsidy import with_liquidity
from markets.models import Market, Outcome


def lock_market(market: Market) -> Market:
    """Return the current row, locked until the transaction ends."""
    return Market.objects.select_for_update(no_key=True).get(pk=market.pk)


def check_edit_market(market: Market, *, by: User, fields: Mapping[str, Any]) -> None:
    """Refuse what `by` may not change now. Drafts: creator and operators; later: only operators."""
    check_may_edit(market, by)
    is_mending = may_manage_markets(by) and fields.keys() <= DESCRIPTIVE_FIELDS
    if not is_mending:
        check_is_editable(market, by)
    check_texts_may_change(market, fields)
    if "resolver" in fields:
        check_may_change_resolver(market, by)
    check_operator_fields(by, fields)
    fields = with_liquidity(fields, outcomes=market.outcomes.count(), market=market)
    check_details(_edited(market, fields), fields, by=by)


def do_edit_market(market: Market, *, by: User, fields: Mapping[str, Any]) -> Market:
    """Change the named fields; an approval is lost unless an operator edits."""
    with transaction.atomic():
        market = lock_market(market)
        check_edit_market(market, by=by, fields=fields)
        if not fields:
            return market
        fields = with_liquidity(fields, outcomes=market.outcomes.count(), market=market)
        before = show_values(_values(market, fields))
        for name, value in without_tags(fields).items():
            setattr(market, name, value)
        if "tags" in fields:
            market.tags.set(fields["tags"])
        _touch(market, by=by, update_fields=without_tags(fields))
        open_maker_account(market)
        record_audit("edit_market", market, by=by, before=before, after=show_values(fields))
    return market


def check_set_outcomes(market: Market, *, by: User, outcomes: Sequence[OutcomePair]) -> None:
    check_may_edit(market, by)
    check_is_editable(market, by)
    check_outcomes(market.kind, outcomes)


def do_set_outcomes(market: Market, *, by: User, outcomes: Sequence[OutcomePair]) -> Market:
    """Replace the outcomes of a draft or proposal, in this order."""
    with transaction.atomic():
        market = lock_market(market)
        check_set_outcomes(market, by=by, outcomes=outcomes)
        before = list(market.outcomes.values_list("code", "name"))
        market.outcomes.all().delete()
        insert_outcomes(market, outcomes)
        _touch(market, by=by)
        record_audit(
            "set_outcomes",
            market,
            by=by,
            before={"outcomes": before},
            after={"outcomes": [list(pair) for pair in outcomes]},
        )
    return market


def open_maker_account(market: Market) -> None:
    """Give a market with an automated maker the account that it trades on."""
    if market.maker_b_lots is not None and market.maker_account_id is None:
        market.maker_account_id = do_open_maker_account(market.pk, market.currency).pk
        market.save(update_fields=["maker_account_id"])


def insert_outcomes(market: Market, outcomes: Sequence[OutcomePair]) -> None:
    Outcome.objects.bulk_create(
        Outcome(market=market, index=index, code=code, name=tidy(name))
        for index, (code, name) in enumerate(outcomes)
    )


def _edited(market: Market, fields: Mapping[str, Any]) -> Market:
    """Return an unsaved copy of the market with the changes."""
    values = {field.attname: getattr(market, field.attname) for field in market._meta.fields}
    copy = Market(**values)
    for name, value in without_tags(fields).items():
        setattr(copy, name, value)
    return copy


def _touch(market: Market, *, by: User, update_fields: Mapping[str, Any] | None = None) -> None:
    """Save an edit; a creator's edit invalidates an operator's approval."""
    if not may_manage_markets(by):
        market.approved_by = market.approved_at = None
    market.updated_at = timezone.now()
    names = ["updated_at", "approved_by", "approved_at", *(update_fields or ())]
    market.save(update_fields=names)


def without_tags(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "tags"}


def _values(market: Market, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(market.tags.all()) if name == "tags" else getattr(market, name)
        for name in fields
    }


def show_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in the form of audit events."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return value if isinstance(value, str | int | bool | datetime | None) else str(value)
