"""The ladders of reasons to refuse a command. They read; they change nothing."""

from typing import Final

from trading.engine.fees import RATE_PPM_MAX
from trading.engine.margin import AccountState, compute_allowance_lots, compute_position_lots
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    OUTCOMES_MAX,
    PAYOUT_PIPS,
    POSITION_LOTS_MAX,
    Amend,
    Config,
    Configure,
    MarketStatus,
    Place,
    Reason,
    Stp,
    Tif,
)

TICK_PIPS_MIN: Final = 10
TICK_PIPS_MAX: Final = 5_000
FEE_UNITS_MICROS: Final = (1, 10_000)
BUDGET_MICROS_MAX: Final = ORDER_LOTS_MAX * PAYOUT_PIPS


def check_time(engine: MarketState, valid_until_us: int | None) -> Reason | None:
    """Refuse what the market's status or the clock does not allow."""
    if engine.status is not MarketStatus.OPEN:
        closed = engine.status is MarketStatus.CLOSED
        return Reason.MARKET_CLOSED if closed or engine.past_close() else Reason.MARKET_NOT_OPEN
    if engine.past_close():
        return Reason.MARKET_CLOSED
    if valid_until_us is not None and valid_until_us < engine.ts_us:
        return Reason.TOO_LATE
    return None


def check_price(engine: MarketState, price_pips: int) -> Reason | None:
    """Refuse prices outside (0, 1) and between ticks."""
    if not 0 < price_pips < PAYOUT_PIPS:
        return Reason.PRICE_OUT_OF_RANGE
    if price_pips % engine.tick_pips:
        return Reason.PRICE_OFF_TICK
    return None


def check_quantity(engine: MarketState, quantity_lots: int) -> Reason | None:
    """Refuse quantities that are not positive, whole steps and bounded."""
    if quantity_lots <= 0:
        return Reason.QUANTITY_NOT_POSITIVE
    if quantity_lots % engine.lot_step_lots:
        return Reason.QUANTITY_OFF_STEP
    if quantity_lots > ORDER_LOTS_MAX:
        return Reason.QUANTITY_TOO_LARGE
    return None


def check_size(engine: MarketState, place: Place) -> Reason | None:
    """Refuse orders that name neither a quantity nor a budget, both, or a budget that can't be."""
    if place.quantity_lots is not None:
        if place.budget_micros is not None:
            return Reason.BUDGET_INVALID
        return check_quantity(engine, place.quantity_lots)
    if place.budget_micros is None:
        return Reason.QUANTITY_NOT_POSITIVE
    if not 0 < place.budget_micros <= BUDGET_MICROS_MAX:
        return Reason.BUDGET_INVALID
    if not place.is_market or place.tif is Tif.FOK or place.stp is Stp.DECREMENT:
        return Reason.BUDGET_INVALID
    return None


def check_form(engine: MarketState, place: Place) -> Reason | None:
    """Refuse what is wrong about the order itself, whoever sends it."""
    if not 0 <= place.outcome < len(engine.books):
        return Reason.OUTCOME_UNKNOWN
    if place.price_pips is not None:
        reason = check_price(engine, place.price_pips)
        if reason is not None:
            return reason
    elif not place.is_market:
        return Reason.PRICE_MISSING
    return check_size(engine, place) or check_flags(engine, place)


def check_flags(engine: MarketState, place: Place) -> Reason | None:
    """Refuse combinations of flags that contradict each other."""
    if place.post_only and (place.is_market or place.tif is Tif.IOC or place.tif is Tif.FOK):
        return Reason.POST_ONLY_INVALID
    if place.tif is Tif.GTD:
        if place.is_market or place.expires_at_us is None or place.expires_at_us <= engine.ts_us:
            return Reason.EXPIRY_INVALID
    elif place.expires_at_us is not None:
        return Reason.EXPIRY_INVALID
    return None


def compute_room_lots(engine: MarketState, account: AccountState, outcome: int, side: int) -> int:
    """Return how many lots the position limits still allow this side, open orders counted."""
    open_lots = account.buy_lots[outcome] if side == BUY else account.sell_lots[outcome]
    room_lots = POSITION_LOTS_MAX - side * account.net_lots[outcome] - open_lots
    if engine.position_limit_lots is None:
        return room_lots
    position_lots = compute_position_lots(account, outcome, binary=engine.binary)
    return min(room_lots, engine.position_limit_lots - side * position_lots - open_lots)


def check_position(engine: MarketState, account: AccountState, place: Place) -> Reason | None:
    """Refuse a reduce-only order without a position, and orders over the position limits."""
    if place.reduce_only:
        allowance_lots = compute_allowance_lots(
            account, place.outcome, place.side, binary=engine.binary
        )
        return None if allowance_lots else Reason.REDUCE_ONLY_NO_POSITION
    wanted_lots = place.quantity_lots if place.quantity_lots is not None else engine.lot_step_lots
    room_lots = compute_room_lots(engine, account, place.outcome, place.side)
    return Reason.POSITION_LIMIT if wanted_lots > room_lots else None


def check_amend(engine: MarketState, amend: Amend) -> Reason | None:
    """Refuse an amend that does not fit the order it names."""
    reason = check_time(engine, amend.valid_until_us)
    if reason is not None:
        return reason
    order = engine.orders.get(amend.order_id)
    if order is None or order.account_id != amend.account_id:
        return Reason.ORDER_UNKNOWN
    if amend.price_pips is not None:
        reason = check_price(engine, amend.price_pips)
    if reason is None and amend.quantity_lots is not None:
        reason = check_quantity(engine, amend.quantity_lots)
    if reason is not None:
        return reason
    same_price = amend.price_pips in (None, order.price_pips)
    if same_price and amend.quantity_lots in (None, order.quantity_lots):
        return Reason.NOTHING_TO_AMEND
    return None


def check_configure(engine: MarketState, configure: Configure) -> Reason | None:
    """Refuse configurations that can't be, or that change what is fixed once a market is open."""
    new = configure.config
    if configure.seen is not None and configure.seen != (engine.status, engine.config):
        return Reason.CONFIGURATION_STALE
    if not _is_possible(new):
        return Reason.CONFIGURATION_INVALID
    if engine.config is None:
        return None
    if engine.status is MarketStatus.CLOSED or _fixed_part(new) != _fixed_part(engine.config):
        return Reason.CONFIGURATION_INVALID
    if new.tick_pips == engine.tick_pips:
        return None
    finer = engine.tick_pips % new.tick_pips == 0
    if engine.status is MarketStatus.HALTED and finer:
        return None
    return Reason.CONFIGURATION_INVALID


def _fixed_part(config: Config) -> tuple[object, ...]:
    return (
        config.binary,
        config.outcomes,
        config.lot_step_lots,
        config.fees,
        config.strict_refund,
    )


def _is_possible(config: Config) -> bool:
    fees = config.fees
    return (
        2 <= config.outcomes <= (2 if config.binary else OUTCOMES_MAX)
        and TICK_PIPS_MIN <= config.tick_pips <= TICK_PIPS_MAX
        and PAYOUT_PIPS % config.tick_pips == 0
        and config.lot_step_lots >= 1
        and 0 <= fees.maker_rate_ppm <= RATE_PPM_MAX
        and 0 <= fees.taker_rate_ppm <= RATE_PPM_MAX
        and fees.unit_micros in FEE_UNITS_MICROS
        and (config.position_limit_lots is None or config.position_limit_lots > 0)
    )
