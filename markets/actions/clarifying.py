"""Adding to the rules of a market that trades; what stands there already is never rewritten."""

from django.db import transaction

from accounts.audit import excerpt, record_audit
from accounts.models import User
from kernel.errors import RefusedError
from kernel.texts import check_text
from markets.actions.editing import lock_market
from markets.actions.rules import check_may_edit
from markets.models import (
    CLARIFICATION_LENGTH_MAX,
    FINAL_STATUSES,
    HIDDEN_STATUSES,
    Clarification,
    Market,
)


def check_clarify_market(market: Market, *, by: User, text: str) -> None:
    check_may_edit(market, by)
    if market.status in HIDDEN_STATUSES:
        raise RefusedError("not_opened_yet")
    if market.status in FINAL_STATUSES:
        raise RefusedError("result_is_final")
    if not text.strip():
        raise RefusedError("blank.clarification")
    check_text(text, "text")
    if len(text) > CLARIFICATION_LENGTH_MAX:
        raise RefusedError("too_long", "text")


def do_clarify_market(market: Market, *, by: User, text: str) -> Clarification:
    """Add to the rules, for everybody to read; who has something at stake is notified."""
    with transaction.atomic():
        market = lock_market(market)
        check_clarify_market(market, by=by, text=text)
        clarification = Clarification.objects.create(market=market, by=by, text=text.strip())
        record_audit("clarify_market", market, by=by, reason=excerpt(text))
    return clarification
