"""Rules of valid markets and of permissions on them: each a ladder of named refusals."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from accounts.models import FeeType, Transfer, User
from accounts.models.policy import FEE_RATE_PPM_MAX
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from kernel.texts import check_line, check_text
from kernel.units import PIPS_PER_CREDIT
from markets.models import (
    DISPUTE_BOND_MICROS_MAX,
    DISPUTE_SECONDS_MAX,
    FEE_UNITS_MICROS,
    HIDDEN_STATUSES,
    LOT_STEP_LOTS_MAX,
    MAKER_LIQUIDITY_LOTS_MAX,
    MAKER_LIQUIDITY_LOTS_MIN,
    MAKER_PRIOR_MAX,
    NUMBER_MILLIONTHS_MAX,
    OUTCOMES_MAX,
    OUTCOMES_MIN,
    POSITION_LIMIT_LOTS_MAX,
    TICKS_PIPS,
    GroupMember,
    Market,
    acts_as_operator,
)
from markets.queries import SLUG_PATTERN

OutcomePair = tuple[str, str]

CODE_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}", re.ASCII)
TAGS_MAX = 20

# Fees and visibility are set by operators; others get the policy's.
OPERATOR_FIELDS = frozenset({
    "slug", "featured", "dispute_seconds", "dispute_bond_micros",
    "fee_kind", "fee_maker_rate", "fee_taker_rate", "fee_unit_micros", "maker_funded_by_house",
})  # fmt: skip
# Descriptive fields, which affect no order: operators may correct them at any time, except for the
# texts that people have traded on.
DESCRIPTIVE_FIELDS = frozenset({
    "description", "resolution_source", "category", "tags", "event", "resolver", "featured",
    "expected_settle_at",
})  # fmt: skip
TEXT_FIELDS = frozenset({"description", "resolution_source"})


def may_manage_markets(user: User) -> bool:
    return acts_as_operator(user) and user.has_perm("markets.manage_markets")


def may_resolve_markets(user: User) -> bool:
    return acts_as_operator(user) and user.has_perm("markets.resolve_markets")


# --- permissions and status --------------------------------------------------------------------


def check_may_edit(market: Market, by: User) -> None:
    if market.creator_id != by.pk and not may_manage_markets(by):
        raise no_right(by, RefusedError("not_your_market"))


def check_operator_fields(by: User, fields: Mapping[str, Any]) -> None:
    named = sorted(OPERATOR_FIELDS.intersection(fields))
    if named and not may_manage_markets(by):
        raise no_right(by, RefusedError("operators_only", named[0]))


def check_may_change_resolver(market: Market, by: User) -> None:
    """The resolver is fixed when trading begins, except for operators who may resolve anyway."""
    if market.status not in HIDDEN_STATUSES and not may_resolve_markets(by):
        raise RefusedError(
            "not_an_operator", "resolver", detail="this needs an operator who resolves markets"
        )


def has_traded(market: Market) -> bool:
    """Whether money has ever moved into its escrow: the first trade of a market moves some."""
    return Transfer.objects.filter(credit_account=market.escrow_account_id).exists()


def check_texts_may_change(market: Market, fields: Mapping[str, Any]) -> None:
    """Refuse to rewrite what people have traded on: it may only be clarified."""
    named = sorted(
        name for name in TEXT_FIELDS.intersection(fields) if fields[name] != getattr(market, name)
    )
    if named and has_traded(market):
        raise RefusedError("texts_are_fixed", named[0])


def check_is_editable(market: Market, by: User) -> None:
    """A draft is edited by its creator and operators; a proposal only by operators."""
    if market.status != Market.Status.PROPOSED or not may_manage_markets(by):
        check_is_draft(market)


def check_is_draft(market: Market) -> None:
    if market.status != Market.Status.DRAFT:
        raise RefusedError("not_a_draft")


def check_is_complete(market: Market) -> None:
    if market.outcomes.count() < OUTCOMES_MIN:
        raise RefusedError("outcome_count", "outcomes", least=OUTCOMES_MIN, most=OUTCOMES_MAX)
    if market.close_at <= timezone.now():
        raise RefusedError("close_in_the_past", "close_at")
    check_maker_priors(market, market.outcomes.count())


# --- the market ------------------------------------------------------------------------------


def check_details(market: Market, fields: Mapping[str, Any], *, by: User) -> None:
    """Check the market as it would be saved; `fields` are those that this request sets."""
    _check_texts(fields)
    _check_times(market, fields)
    _check_trading_terms(market)
    _check_range(market)
    _check_fees(market)
    _check_maker(market)
    if "visibility" in fields or "group" in fields:
        _check_group(market, by)
    resolver = market.resolver
    if "resolver" in fields and resolver and (resolver.is_suspended or not resolver.is_active):
        raise RefusedError("resolver_stopped", "resolver")
    if len(fields.get("tags", ())) > TAGS_MAX:
        raise RefusedError("too_many_tags", "tags", count=TAGS_MAX)


def _check_texts(fields: Mapping[str, Any]) -> None:
    for name in ("title", "resolution_source"):
        check_line(fields.get(name) or "", name)
    for name in ("description", "rules"):
        check_text(fields.get(name) or "", name)


def _check_times(market: Market, fields: Mapping[str, Any]) -> None:
    now = timezone.now()
    if "close_at" in fields and market.close_at <= now:
        raise RefusedError("close_in_the_past", "close_at")
    if market.open_at is not None and market.open_at >= market.close_at:
        raise RefusedError("close_before_open", "close_at")
    if market.expected_settle_at is not None and market.expected_settle_at < market.close_at:
        raise RefusedError("settles_before_close", "expected_settle_at")
    if not 0 <= market.dispute_seconds <= DISPUTE_SECONDS_MAX:
        raise RefusedError("bad_dispute_window", "dispute_seconds")
    if not 0 <= market.dispute_bond_micros <= DISPUTE_BOND_MICROS_MAX:
        raise RefusedError("bad_dispute_bond", "dispute_bond")


def _check_trading_terms(market: Market) -> None:
    if market.tick_pips not in TICKS_PIPS:
        raise RefusedError("bad_tick", "tick")
    if not 1 <= market.lot_step_lots <= LOT_STEP_LOTS_MAX:
        raise RefusedError("bad_lot_step", "lot_step")
    limit_lots = market.position_limit_lots
    if limit_lots is not None and not 1 <= limit_lots <= POSITION_LIMIT_LOTS_MAX:
        raise RefusedError("bad_position_limit", "position_limit")


def _check_range(market: Market) -> None:
    """A scalar market has a range of which each tick is a number of at most 6 decimals."""
    low, high = market.low_millionths, market.high_millionths
    if market.kind != Market.Kind.SCALAR:
        if low is not None or high is not None or market.number_unit:
            raise RefusedError("range_of_no_scalar", "low")
        return
    if low is None or high is None or low >= high:
        raise RefusedError("range_missing", "low")
    if max(abs(low), abs(high)) > NUMBER_MILLIONTHS_MAX:
        raise RefusedError("range_too_large", "high")
    if (high - low) * market.tick_pips % PIPS_PER_CREDIT:
        raise RefusedError("range_off_tick", "high")
    check_line(market.number_unit, "unit")


def _check_fees(market: Market) -> None:
    for name in ("fee_maker_rate", "fee_taker_rate"):
        if not 0 <= getattr(market, name) <= FEE_RATE_PPM_MAX:
            raise RefusedError("bad_fee_rate", name)
        if market.fee_kind == FeeType.NONE and getattr(market, name):
            raise RefusedError("fee_rate_without_kind", name)
    if market.fee_unit_micros not in FEE_UNITS_MICROS:
        raise RefusedError("bad_fee_unit", "fee_unit")


def _check_maker(market: Market) -> None:
    """Check an automated maker, whatever the outcomes are."""
    b_lots, priors = market.maker_b_lots, market.maker_priors
    if b_lots is None:
        if priors is not None or market.maker_alone or market.maker_funded_by_house:
            raise RefusedError("maker_missing", "maker_liquidity")
        return
    if not MAKER_LIQUIDITY_LOTS_MIN <= b_lots <= MAKER_LIQUIDITY_LOTS_MAX:
        raise RefusedError("bad_maker_liquidity", "maker_liquidity")
    if priors is not None and not is_priors(priors):
        raise RefusedError("bad_maker_priors", "maker_priors")


def is_priors(priors: Any) -> bool:
    """Return whether these are whole weights above 0, one or more."""
    return isinstance(priors, list) and all(
        type(prior) is int and 0 < prior <= MAKER_PRIOR_MAX for prior in priors
    )


def check_maker_priors(market: Market, outcomes: int) -> None:
    """A maker's odds are one for each of so many outcomes."""
    priors = market.maker_priors
    if priors is not None and len(priors) != outcomes:
        raise RefusedError("bad_maker_priors", "maker_priors")


def _check_group(market: Market, by: User) -> None:
    if market.visibility == Market.Visibility.GROUP and market.group is None:
        raise RefusedError("group_missing", "group")
    if market.group is None or may_manage_markets(by):
        return
    if not GroupMember.objects.filter(group=market.group, user=by).exists():
        # As if there were no such group: membership is private.
        raise RefusedError("unknown_group", "group")


def check_slug(slug: str) -> None:
    if not SLUG_PATTERN.fullmatch(slug):
        raise RefusedError("bad_slug", "slug")
    if Market.objects.filter(slug=slug).exists():
        raise slug_taken()


def slug_taken() -> RefusedError:
    return RefusedError("slug_taken", "slug")


# --- its outcomes ----------------------------------------------------------------------------


def check_outcomes(kind: str, outcomes: Sequence[OutcomePair]) -> None:
    """2 to 50, with codes and names unique after normalisation; YES and NO of one book."""
    codes = [code for code, _ in outcomes]
    if kind != Market.Kind.CATEGORICAL and codes != ["YES", "NO"]:
        raise RefusedError("outcomes_not_binary", "outcomes")
    if not OUTCOMES_MIN <= len(outcomes) <= OUTCOMES_MAX:
        raise RefusedError("outcome_count", "outcomes", least=OUTCOMES_MIN, most=OUTCOMES_MAX)
    if not all(CODE_PATTERN.fullmatch(code) for code in codes):
        raise RefusedError("bad_outcome_code", "outcomes")
    if len(set(codes)) < len(codes):
        raise RefusedError("duplicate_outcome_code", "outcomes")
    names = [_fold(name) for _, name in outcomes]
    if not all(names):
        raise RefusedError("blank.outcomes")
    for _, name in outcomes:
        check_line(name, "outcomes")
    if len(set(names)) < len(names):
        raise RefusedError("duplicate_outcome_name", "outcomes")


def tidy(name: str) -> str:
    return " ".join(name.split())


def _fold(name: str) -> str:
    """Normalise a name, so that names that look alike are equal."""
    return tidy(unicodedata.normalize("NFKC", name).casefold())
