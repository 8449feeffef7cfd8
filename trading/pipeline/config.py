"""The engine's configuration of a market, from the market's row."""

from accounts.actions.credits import get_house_id
from accounts.models import Account, FeeType
from kernel.clock import from_datetime
from markets.models import Market, MarketDiscount
from trading.engine.types import Config, FeeDiscount, FeeKind, Fees, MakerTerms


def config_of(market: Market) -> Config:
    """Return the engine's configuration of `market`. Reads its outcomes."""
    return Config(
        binary=market.has_one_book,
        outcomes=len(market.outcomes.all()),
        tick_pips=market.tick_pips,
        lot_step_lots=market.lot_step_lots,
        fees=fees_of(market),
        close_at_us=from_datetime(market.close_at),
        position_limit_lots=market.position_limit_lots,
        strict_refund=market.strict_refund,
        house_account_id=_find_house(market),
        maker=_find_maker(market),
        discount=find_discount(market),
    )


def find_discount(market: Market) -> FeeDiscount | None:
    """Return by how much the market's fees are lower now."""
    discount = MarketDiscount.objects.filter(market=market).first()
    if discount is None or not discount.is_due:
        return None
    return FeeDiscount(discount.maker_percent, discount.taker_percent)


def _find_house(market: Market) -> int | None:
    """Return the account between books that are matched with one another.

    An automated maker has a price for complete sets already: beside it no books are matched.
    """
    is_crossing = market.matches_across_outcomes and market.kind == Market.Kind.CATEGORICAL
    is_alone = market.maker_b_lots is None
    return get_house_id(market.currency) if is_crossing and is_alone else None


def _find_maker(market: Market) -> MakerTerms | None:
    """Return the automated maker that the market opens with."""
    if market.maker_b_lots is None:
        return None
    assert market.maker_account_id is not None
    outcomes = len(market.outcomes.all())
    return MakerTerms(
        market.maker_account_id,
        _find_funder(market),
        market.maker_b_lots,
        tuple(market.maker_priors or (1,) * outcomes),
        rests_refused=market.maker_alone,
    )


def _find_funder(market: Market) -> int:
    if market.maker_funded_by_house:
        return get_house_id(market.currency)
    accounts = Account.objects.filter(owner=market.creator_id, number=1)
    return accounts.values_list("pk", flat=True).get()


def fees_of(market: Market) -> Fees:
    """Return the market's fee schedule."""
    return Fees(
        FeeKind[FeeType(market.fee_kind).name],
        market.fee_maker_rate,
        market.fee_taker_rate,
        market.fee_unit_micros,
    )
