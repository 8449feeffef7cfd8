"""A subsidy in place of an automated maker's liquidity: what it may lose at most.

The market stores the liquidity, so that the subsidy shown is what it costs now: other outcomes or
odds change it.
"""

from collections.abc import Mapping
from typing import Any, Final

from accounts import registry
from kernel.errors import RefusedError
from kernel.units import format_amount
from markets.actions.rules import is_priors
from markets.models import MAKER_LIQUIDITY_LOTS_MIN, Market

SUBSIDY: Final = "maker_subsidy_micros"
"""Accepted by the actions that create and edit markets; not a field of the model."""


def with_liquidity(
    fields: Mapping[str, Any], *, outcomes: int, market: Market | None = None
) -> dict[str, Any]:
    """Return the fields with the most liquidity that their subsidy covers, in place of it.

    `outcomes` is how many the market has or will have. Without a subsidy they are as given.
    """
    fields = dict(fields)
    if SUBSIDY not in fields:
        return fields
    subsidy_micros = fields.pop(SUBSIDY)
    if fields.get("maker_b_lots") is not None:
        raise RefusedError("liquidity_and_subsidy", "maker_subsidy")
    if subsidy_micros is None:
        return {**fields, "maker_b_lots": None}
    if not outcomes:
        raise RefusedError("subsidy_before_outcomes", "maker_subsidy")
    known = None if market is None else market.maker_priors
    priors = fields.get("maker_priors", known) or [1] * outcomes
    if not is_priors(priors) or len(priors) != outcomes:
        raise RefusedError("bad_maker_priors", "maker_priors")
    b_lots = registry.find_liquidity(subsidy_micros, priors)
    if b_lots < MAKER_LIQUIDITY_LOTS_MIN:
        least_micros = registry.find_worst_loss(MAKER_LIQUIDITY_LOTS_MIN, priors)
        raise RefusedError("subsidy_too_small", "maker_subsidy", least=format_amount(least_micros))
    return {**fields, "maker_b_lots": b_lots}


def find_subsidy(market: Market) -> int | None:
    """Return what the market's maker is funded with when it opens, in micros; None: no maker."""
    outcomes = len(market.outcomes.all())
    if market.maker_b_lots is None or not outcomes:
        return None
    return registry.find_worst_loss(market.maker_b_lots, market.maker_priors or [1] * outcomes)
