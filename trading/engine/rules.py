"""What a market's configuration comes to, worked out once so that no command works it out again."""

from typing import Final

from trading.engine.fees import bound_hold, build_basis, build_fee, build_hold
from trading.engine.margin import bound_owned_lots, build_headroom, build_sets, build_settle
from trading.engine.types import PAYOUT_PIPS, POSITION_LOTS_MAX, Config, FeeDiscount, FeeKind


class Rules:
    """What follows from a market's configuration alone, worked out when it is configured."""

    __slots__ = (
        "binary",
        "books",
        "charges_makers",
        "compute_headroom",
        "compute_hold",
        "compute_maker_basis",
        "compute_maker_fee",
        "compute_sets",
        "compute_taker_basis",
        "compute_taker_fee",
        "crosses_books",
        "has_fees",
        "is_discounted",
        "lot_step_lots",
        "outcomes",
        "prices",
        "rests_refused",
        "safe_hold_pips",
        "safe_owned_lots",
        "settle",
        "trades_elsewhere",
        "withdrawn",
    )  # fmt: skip

    def __init__(self, config: Config) -> None:
        self.binary = config.binary
        self.books = 1 if config.binary else config.outcomes
        self.withdrawn = frozenset(gone.outcome for gone in config.withdrawn or ())
        self.outcomes = frozenset(range(self.books)) - self.withdrawn
        # One object for each price: looking up what is equal takes longer than what is the same.
        prices = range(config.tick_pips, PAYOUT_PIPS, config.tick_pips)
        self.prices: dict[int | None, int] = {price_pips: price_pips for price_pips in prices}
        self.crosses_books = config.house_account_id is not None and not config.binary
        self.rests_refused = config.maker is not None and config.maker.rests_refused
        self.trades_elsewhere = self.crosses_books or config.maker is not None
        self.lot_step_lots = config.lot_step_lots
        self.has_fees = config.fees.kind is not FeeKind.NONE
        self.charges_makers = self.has_fees and config.fees.maker_rate_ppm > 0
        discount = config.discount or FeeDiscount()
        self.is_discounted = config.discount is not None
        self.compute_maker_basis = build_basis(config.fees, discount.maker_percent)
        self.compute_taker_basis = build_basis(config.fees, discount.taker_percent)
        maker_ppm, taker_ppm = config.fees.maker_rate_ppm, config.fees.taker_rate_ppm
        self.compute_maker_fee = build_fee(config, maker_ppm, discount.maker_percent)
        self.compute_taker_fee = build_fee(config, taker_ppm, discount.taker_percent)
        self.compute_hold = build_hold(config.fees, config.tick_pips)
        self.compute_sets = build_sets(config)
        self.compute_headroom = build_headroom(config)
        # Below what any account owns where what counts as a position must be worked out each time.
        is_worked_out = config.position_limit_lots is not None and not config.binary
        self.safe_owned_lots = -POSITION_LOTS_MAX if is_worked_out else bound_owned_lots(config)
        self.settle = build_settle(config)
        self.safe_hold_pips = bound_hold(config.fees, config.lot_step_lots)


UNCONFIGURED: Final = Rules(Config(binary=True, outcomes=2, tick_pips=100, lot_step_lots=1))
"""Of a market before it is configured, which takes no orders."""
