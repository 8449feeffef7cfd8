"""The engine's configuration of a market, from the market's row."""

from accounts.actions.credits import get_house_id
from accounts.models import FeeType
from kernel.clock import from_datetime
from markets.models import Market
from trading.engine.types import Config, FeeKind, Fees


def config_of(market: Market) -> Config:
    """Return the engine's configuration of `market`. Reads its outcomes."""
    return Config(
        binary=market.kind == Market.Kind.BINARY,
        outcomes=len(market.outcomes.all()),
        tick_pips=market.tick_pips,
        lot_step_lots=market.lot_step_lots,
        fees=fees_of(market),
        close_at_us=from_datetime(market.close_at),
        position_limit_lots=market.position_limit_lots,
        strict_refund=market.strict_refund,
        house_account_id=_find_house(market),
    )


def _find_house(market: Market) -> int | None:
    """Return the account between books that are matched with one another."""
    is_crossing = market.matches_across_outcomes and market.kind == Market.Kind.CATEGORICAL
    return get_house_id(market.currency) if is_crossing else None


def fees_of(market: Market) -> Fees:
    """Return the market's fee schedule."""
    return Fees(
        FeeKind[FeeType(market.fee_kind).name],
        market.fee_maker_rate,
        market.fee_taker_rate,
        market.fee_unit_micros,
    )
