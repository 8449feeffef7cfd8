"""Approval: a draft needs an operator's approval before it can be opened.

An operator's own draft is approved from the start; anyone else's is proposed and approved, and
loses the approval when its creator edits it again.
"""

from django.db import transaction
from django.utils import timezone

from accounts.audit import record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from markets.actions.editing import lock_market
from markets.actions.rules import (
    check_is_complete,
    check_is_draft,
    check_may_edit,
    may_manage_markets,
)
from markets.lifecycle import record_status
from markets.models import Market


def check_propose_market(market: Market, *, by: User) -> None:
    check_may_edit(market, by)
    check_is_draft(market)
    if market.is_approved:
        raise RefusedError("already_approved")
    check_is_complete(market)


def do_propose_market(market: Market, *, by: User) -> Market:
    """Submit a finished draft to the operators."""
    with transaction.atomic():
        market = lock_market(market)
        check_propose_market(market, by=by)
        record_status(market, Market.Status.PROPOSED, by=by)
        record_audit("propose_market", market, by=by)
    return market


def check_approve_market(market: Market, *, by: User) -> None:
    _check_may_decide(market, by)
    check_is_complete(market)


def do_approve_market(market: Market, *, by: User, reason: str = "") -> Market:
    """Make a proposed market a draft that may be opened."""
    with transaction.atomic():
        market = lock_market(market)
        check_approve_market(market, by=by)
        record_status(market, Market.Status.DRAFT, by=by, reason=reason)
        market.approved_by, market.approved_at = by, timezone.now()
        market.save(update_fields=["approved_by", "approved_at"])
        record_audit("approve_market", market, by=by, reason=reason)
    return market


def check_reject_market(market: Market, *, by: User, reason: str) -> None:
    _check_may_decide(market, by)
    if not reason.strip():
        raise RefusedError("blank.note")


def do_reject_market(market: Market, *, by: User, reason: str) -> Market:
    """Return a proposed market to its creator, with a note in its history."""
    with transaction.atomic():
        market = lock_market(market)
        check_reject_market(market, by=by, reason=reason)
        record_status(market, Market.Status.DRAFT, by=by, reason=reason)
        record_audit("reject_market", market, by=by, reason=reason)
    return market


def check_ready_to_open(market: Market) -> None:
    """Refuse a market that can't start trading: unapproved, incomplete or past its close."""
    check_is_draft(market)
    if not market.is_approved:
        raise RefusedError("not_approved")
    check_is_complete(market)


def _check_may_decide(market: Market, by: User) -> None:
    if not may_manage_markets(by):
        raise no_right(by)
    if market.status != Market.Status.PROPOSED:
        raise RefusedError("not_proposed")
