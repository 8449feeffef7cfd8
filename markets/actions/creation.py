"""Creating a market: a draft with its outcomes, accounts, statistics and first history row."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from accounts.actions import do_open_market_accounts
from accounts.audit import record_audit
from accounts.models import User
from accounts.policy import get_policy
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from markets.actions.editing import (
    insert_outcomes,
    open_maker_account,
    show_values,
    without_tags,
)
from markets.actions.rules import (
    OutcomePair,
    check_details,
    check_maker_priors,
    check_operator_fields,
    check_outcomes,
    check_slug,
    may_manage_markets,
    slug_taken,
)
from markets.actions.subsidy import with_liquidity
from markets.models import Market, MarketStats, StatusChange

OUTCOMES: dict[str, tuple[OutcomePair, ...]] = {
    Market.Kind.BINARY: (("YES", "Yes"), ("NO", "No")),
    Market.Kind.SCALAR: (("YES", "Higher"), ("NO", "Lower")),
    Market.Kind.CATEGORICAL: (),
}
"""The outcomes of a kind of market where none are named."""
SLUG_TEXT_LENGTH_MAX = 70
SLUG_TRIES_MAX = 8


def get_default_terms() -> dict[str, Any]:
    """Return the policy's fee schedule and dispute window, as fields of a market."""
    policy = get_policy()
    return {
        "dispute_seconds": policy.default_dispute_seconds,
        "fee_kind": policy.default_fee_kind,
        "fee_maker_rate": policy.default_fee_maker_rate,
        "fee_taker_rate": policy.default_fee_taker_rate,
        "fee_unit_micros": policy.default_fee_unit_micros,
    }


def may_create_markets(user: User) -> bool:
    return get_policy().who_may_create == "everyone" or may_manage_markets(user)


def check_may_create_markets(user: User) -> None:
    if not may_create_markets(user):
        raise no_right(user, RefusedError("may_not_create_markets"))


def check_create_market(
    *, by: User, fields: Mapping[str, Any], outcomes: Sequence[OutcomePair] | None = None
) -> Market:
    """Return the market as it would be created, unsaved."""
    check_may_create_markets(by)
    check_operator_fields(by, fields)
    fields = with_liquidity(fields, outcomes=_count_outcomes(fields, outcomes))
    market = Market(creator=by, **{**_defaults(fields), **without_tags(fields)})
    check_details(market, fields, by=by)
    if "slug" in fields:
        check_slug(market.slug)
    if outcomes is not None:
        check_outcomes(market.kind, outcomes)
        check_maker_priors(market, len(outcomes))
    return market


def do_create_market(
    *,
    by: User,
    fields: Mapping[str, Any],
    outcomes: Sequence[OutcomePair] | None = None,
    is_approved: bool = True,
) -> Market:
    """Create a draft with its history, statistics, and escrow and fee accounts.

    Without `outcomes` a binary or scalar market gets YES and NO, a categorical one none yet.
    An operator's draft is approved from the start, unless they want another's approval
    (`is_approved` False).
    """
    with transaction.atomic():
        market = check_create_market(by=by, fields=fields, outcomes=outcomes)
        fields = with_liquidity(fields, outcomes=_count_outcomes(fields, outcomes))
        if is_approved and may_manage_markets(by):
            market.approved_by, market.approved_at = by, timezone.now()
        _insert_with_slug(market)
        market.shard = market.pk % settings.ENGINE_SHARDS
        escrow, fees = do_open_market_accounts(market.pk, market.currency)
        market.escrow_account_id, market.fees_account_id = escrow.pk, fees.pk
        market.save(update_fields=["shard", "escrow_account_id", "fees_account_id"])
        open_maker_account(market)
        market.tags.set(fields.get("tags", ()))
        if outcomes is None:
            outcomes = OUTCOMES[market.kind]
        insert_outcomes(market, outcomes)
        MarketStats.objects.create(market=market)
        StatusChange.objects.create(market=market, to_status=market.status, by=by)
        record_audit("create_market", market, by=by, after=show_values(fields))
    return market


def _count_outcomes(fields: Mapping[str, Any], outcomes: Sequence[OutcomePair] | None) -> int:
    """Return how many a new market will have; 0: they are not known yet."""
    if outcomes is not None:
        return len(outcomes)
    return len(OUTCOMES[fields.get("kind", Market.Kind.BINARY)])


def _defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy's defaults for a market with these fields; each fee kind has its rates."""
    terms = get_default_terms()
    if "fee_kind" in fields:
        return {"dispute_seconds": terms["dispute_seconds"]}
    return terms


def _insert_with_slug(market: Market) -> None:
    """Insert with the given slug, or with an unused one made from the title."""
    if market.slug:
        if not _insert(market):
            raise slug_taken()
        return
    stem = slugify(market.title)[:SLUG_TEXT_LENGTH_MAX].replace("_", "-").strip("-") or "market"
    for attempt in range(SLUG_TRIES_MAX):
        market.slug = f"{stem}-{secrets.token_hex(3)}" if attempt else stem
        if _insert(market):
            return
    raise slug_taken()


def _insert(market: Market) -> bool:
    """Insert the market; False when its slug is taken."""
    try:
        with transaction.atomic():
            market.save(force_insert=True)
    except IntegrityError:
        if Market.objects.filter(slug=market.slug).exists():
            return False
        raise
    return True
