"""A new draft like another market."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import transaction

from accounts.models import User
from markets.actions.creation import check_create_market, do_create_market
from markets.actions.rules import OPERATOR_FIELDS, OutcomePair, may_manage_markets
from markets.models import AutomaticResolver, Market, Panel, PanelJudge

COPIED_FIELDS: Final = (
    "kind", "low_millionths", "high_millionths", "number_unit", "title", "description", "rules",
    "resolution_source", "category", "event", "resolver",
    "visibility", "group", "dispute_seconds", "dispute_bond_micros", "tick_pips", "lot_step_lots",
    "fee_kind", "fee_maker_rate", "fee_taker_rate", "fee_unit_micros", "position_limit_lots",
    "strict_refund", "matches_across_outcomes", "maker_b_lots", "maker_priors", "maker_alone",
    "maker_funded_by_house",
)  # fmt: skip


def copy_market(market: Market, *, by: User) -> tuple[dict[str, Any], list[OutcomePair]]:
    """Return the fields and outcomes of a market like this one, but for its times.

    What only operators may set is left to the policy where `by` is none.
    """
    names = COPIED_FIELDS if may_manage_markets(by) else set(COPIED_FIELDS) - OPERATOR_FIELDS
    fields = {name: getattr(market, name) for name in names}
    fields["tags"] = list(market.tags.all())
    return fields, list(market.outcomes.values_list("code", "name"))


def check_clone_market(market: Market, *, by: User, fields: Mapping[str, Any]) -> Market:
    copied, outcomes = copy_market(market, by=by)
    return check_create_market(by=by, fields={**copied, **fields}, outcomes=outcomes)


def do_clone_market(market: Market, *, by: User, fields: Mapping[str, Any]) -> Market:
    """Create a draft with the terms, texts and outcomes of `market`; `fields` replace some.

    An operator's is also decided as `market` is.
    """
    copied, outcomes = copy_market(market, by=by)
    with transaction.atomic():
        clone = do_create_market(by=by, fields={**copied, **fields}, outcomes=outcomes)
        if may_manage_markets(by):
            copy_deciders(market, clone)
    return clone


def copy_deciders(source: Market, market: Market, fill: Callable[[str], str] = str) -> None:
    """Let a market be decided by a resolver or panel like the source's, in the name of who set it.

    `fill` completes the address that a resolver reads.
    """
    resolver = AutomaticResolver.objects.filter(market=source).first()
    if resolver is not None:
        resolver.pk, resolver.market = None, market
        resolver.url = fill(resolver.url)
        resolver.state, resolver.attempts = AutomaticResolver.State.WAITING, 0
        resolver.next_at, resolver.because = None, ""
        resolver.save(force_insert=True)
    panel = Panel.objects.filter(market=source).first()
    if panel is not None:
        judges = panel.judges.values_list("user", flat=True)
        copied = Panel.objects.create(market=market, verdicts_needed=panel.verdicts_needed)
        PanelJudge.objects.bulk_create(PanelJudge(panel=copied, user_id=key) for key in judges)
