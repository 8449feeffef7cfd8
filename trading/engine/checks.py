"""The ladders of reasons to refuse a command. They read; they change nothing."""

from typing import Final

from trading.engine.book import EngineOrder
from trading.engine.commands import Amend, ChangeLiquidity, Configure, Place
from trading.engine.fees import RATE_PPM_MAX
from trading.engine.maker import is_possible
from trading.engine.margin import AccountState, compute_allowance_lots
from trading.engine.order_groups import check_group
from trading.engine.state import MarketState
from trading.engine.types import (
    ORDER_LOTS_MAX,
    OUTCOMES_MAX,
    PAYOUT_PIPS,
    TRIGGERS_MAX,
    Config,
    FeeDiscount,
    Leg,
    MakerTerms,
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Reason,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
    Withdrawal,
)

TICK_PIPS_MIN: Final = 10
TICK_PIPS_MAX: Final = 5_000
FEE_UNITS_MICROS: Final = (1, 10_000)
BUDGET_MICROS_MAX: Final = ORDER_LOTS_MAX * PAYOUT_PIPS
RESTING: Final = (Tif.GTC, Tif.GTD)
NO_OPTIONS: Final = OrderOptions()


def check_time(market: MarketState, valid_until_us: int | None) -> Reason | None:
    """Refuse what the market's status or the clock does not allow."""
    if market.status is not MarketStatus.OPEN:
        closed = market.status is MarketStatus.CLOSED
        return Reason.MARKET_CLOSED if closed or market.past_close() else Reason.MARKET_NOT_OPEN
    if market.past_close():
        return Reason.MARKET_CLOSED
    if valid_until_us is not None and valid_until_us < market.ts_us:
        return Reason.TOO_LATE
    return None


def check_place(market: MarketState, place: Place) -> Reason | None:
    """Refuse an order that can't enter this market now, whatever its account can pay."""
    if market.knows(place.order_id):
        return Reason.DUPLICATE_ORDER_ID
    options, rules, price_pips = place.options or NO_OPTIONS, market.rules, place.price_pips
    reason = check_time(market, options.valid_until_us) or check_outcome(market, place.outcome)
    if reason is None and not (price_pips is None and options.is_market):
        reason = check_price(market, price_pips)
    if reason is not None:
        return reason
    if rules.rests_refused and not options.is_market and place.tif in RESTING:
        return Reason.RESTING_REFUSED
    return check_options(market, place, options)


def find_numbers(market: MarketState, place: Place) -> tuple[int, int]:
    """Return an order's limit, 0 if it waits without one, and its quantity, by budget the most."""
    price_pips, lots = place.price_pips, place.quantity_lots
    if price_pips is None and place.trigger is None:
        price_pips = market.compute_collar(place.outcome, place.side)
    if lots is None:
        lots = ORDER_LOTS_MAX
        if not place.reduce_only:
            account = market.account(place.account_id)
            lots = min(lots, market.compute_headroom(account, place.outcome, place.side))
        lots -= lots % market.rules.lot_step_lots
    return price_pips or 0, lots


def check_outcome(market: MarketState, outcome: int) -> Reason | None:
    """Refuse outcomes that the market does not have, or no more."""
    if outcome in market.rules.outcomes:
        return None
    is_out = outcome in market.rules.withdrawn
    return Reason.OUTCOME_WITHDRAWN if is_out else Reason.OUTCOME_UNKNOWN


def check_options(market: MarketState, place: Place, options: OrderOptions) -> Reason | None:
    """Refuse an order for its quantity, its options, its position or what it would take.

    Position and book say what they have to say to one with a trigger when it is fired.
    """
    reason = check_size(market, place, options) or check_flags(market, place, options)
    if reason is None and options.order_group is not None:
        reason = check_group(market, place)
    if reason is not None:
        return reason
    if options.trigger is not None:
        return check_trigger(market, place, options.trigger)
    account = market.account(place.account_id)
    reason = check_position(market, account, place, place.quantity_lots)
    if reason is None and options.post_only:
        reason = check_post_only(market, place, place.price_pips)
    return reason


def check_fired(market: MarketState, order: EngineOrder) -> Reason | None:
    """Refuse a triggered order for its group, its position or what it would take."""
    account, place = market.account(order.account_id), order.place
    return (
        check_group(market, place)
        or check_position(market, account, place, order.quantity_lots)
        or check_post_only(market, place, order.price_pips)
    )


def check_post_only(market: MarketState, place: Place, price_pips: int | None) -> Reason | None:
    """Refuse an order that must not take and would."""
    if not place.post_only or price_pips is None:
        return None
    crosses = market.crosses(place.outcome, place.side, price_pips)
    return Reason.POST_ONLY_WOULD_CROSS if crosses else None


def check_trigger(market: MarketState, place: Place, trigger: Trigger) -> Reason | None:
    """Refuse a trigger that can't be, with an order by budget, or beyond what one may have."""
    if place.budget_micros is not None or not is_possible_trigger(market, trigger):
        return Reason.TRIGGER_INVALID
    is_too_many = len(market.list_untriggered(place.account_id)) >= TRIGGERS_MAX
    return Reason.TOO_MANY_TRIGGERS if is_too_many else None


def is_possible_trigger(market: MarketState, trigger: Trigger) -> bool:
    """Return whether a trigger has the prices that its kind needs, and they are on the tick."""
    is_trailing = trigger.kind is TriggerKind.TRAILING_STOP
    trail_pips, prices = trigger.trail_pips, market.rules.prices
    if is_trailing != (trail_pips is not None):
        return False
    if trail_pips is not None and trail_pips not in prices:
        return False
    return trigger.price_pips in prices or (is_trailing and trigger.price_pips is None)


def check_leg(market: MarketState, leg: Leg) -> Reason | None:
    """Refuse a leg of a bracket for its trigger or its price."""
    if not is_possible_trigger(market, leg.trigger):
        return Reason.TRIGGER_INVALID
    if leg.price_pips is None:
        return None
    return (
        Reason.RESTING_REFUSED
        if market.rules.rests_refused
        else check_price(market, leg.price_pips)
    )


def check_price(market: MarketState, price_pips: int | None) -> Reason | None:
    """Refuse prices that are missing, outside (0, 1) or between ticks."""
    if price_pips is None:
        return Reason.PRICE_MISSING
    if not 0 < price_pips < PAYOUT_PIPS:
        return Reason.PRICE_OUT_OF_RANGE
    if price_pips not in market.rules.prices:
        return Reason.PRICE_OFF_TICK
    return None


def check_quantity(market: MarketState, quantity_lots: int | None) -> Reason | None:
    """Refuse quantities that are missing, not positive, not whole steps or unbounded."""
    if quantity_lots is None or quantity_lots <= 0:
        return Reason.QUANTITY_NOT_POSITIVE
    if quantity_lots % market.rules.lot_step_lots:
        return Reason.QUANTITY_OFF_STEP
    if quantity_lots > ORDER_LOTS_MAX:
        return Reason.QUANTITY_TOO_LARGE
    return None


def check_size(market: MarketState, place: Place, options: OrderOptions) -> Reason | None:
    """Refuse orders that name neither a quantity nor a budget, both, or a budget that can't be."""
    if place.quantity_lots is not None:
        if options.budget_micros is not None:
            return Reason.BUDGET_INVALID
        return check_quantity(market, place.quantity_lots)
    if options.budget_micros is None:
        return Reason.QUANTITY_NOT_POSITIVE
    if not 0 < options.budget_micros <= BUDGET_MICROS_MAX:
        return Reason.BUDGET_INVALID
    if not options.is_market or place.tif is Tif.FOK or place.stp is Stp.DECREMENT:
        return Reason.BUDGET_INVALID
    return None


def check_flags(market: MarketState, place: Place, options: OrderOptions) -> Reason | None:
    """Refuse combinations of flags that contradict each other."""
    tif, expires_at_us = place.tif, options.expires_at_us
    if options.post_only and (options.is_market or tif is Tif.IOC or tif is Tif.FOK):
        return Reason.POST_ONLY_INVALID
    if tif is Tif.GTD:
        if options.is_market or expires_at_us is None or expires_at_us <= market.ts_us:
            return Reason.EXPIRY_INVALID
    elif expires_at_us is not None:
        return Reason.EXPIRY_INVALID
    return None


def check_position(
    market: MarketState, account: AccountState, place: Place, wanted_lots: int | None
) -> Reason | None:
    """Refuse a reduce-only order without a position, and orders over the position limits."""
    if place.reduce_only:
        allowance_lots = compute_allowance_lots(
            account, place.outcome, place.side, binary=market.rules.binary
        )
        return None if allowance_lots else Reason.REDUCE_ONLY_NO_POSITION
    if wanted_lots is None:
        wanted_lots = market.rules.lot_step_lots
    headroom_lots = market.compute_headroom(account, place.outcome, place.side)
    return Reason.POSITION_LIMIT if wanted_lots > headroom_lots else None


def check_amend(market: MarketState, amend: Amend) -> Reason | None:
    """Refuse an amend that does not fit the order it names."""
    reason = check_time(market, amend.valid_until_us)
    if reason is not None:
        return reason
    order = market.find_order(amend.order_id)
    if order is None or order.account_id != amend.account_id:
        return Reason.ORDER_UNKNOWN
    if amend.quantity_lots is not None and order.place.bracket_id is not None:
        return Reason.BRACKET_INVALID  # a leg has what its entry has filled
    if amend.trigger_pips is not None:
        # One that was reached already will be fired.
        is_waiting = order.status is OrderStatus.UNTRIGGERED and not order.priority
        if not is_waiting or amend.trigger_pips not in market.rules.prices:
            return Reason.TRIGGER_INVALID
    if amend.price_pips is not None:
        reason = check_price(market, amend.price_pips)
    if reason is None and amend.quantity_lots is not None:
        reason = check_quantity(market, amend.quantity_lots)
    if reason is not None:
        return reason
    same_price = amend.price_pips in (None, order.price_pips)
    same_trigger = amend.trigger_pips in (None, order.trigger_pips)
    if same_price and same_trigger and amend.quantity_lots in (None, order.quantity_lots):
        return Reason.NOTHING_TO_AMEND
    return None


def check_change_liquidity(market: MarketState, change: ChangeLiquidity) -> Reason | None:
    """Refuse what the maker can't have, or what its account has not paid and would have back."""
    reason = check_time(market, None)
    if reason is not None:
        return reason
    amount_micros = None if market.maker is None else market.maker.compute_change(change.by_lots)
    if market.maker is None or amount_micros is None:
        return Reason.LIQUIDITY_INVALID
    if not market.maker.may_fund(change.account_id, amount_micros):
        return Reason.LIQUIDITY_INVALID
    return None


def check_configure(market: MarketState, configure: Configure) -> Reason | None:
    """Refuse configurations that can't be, or that change what is fixed once a market is open."""
    new = configure.config
    if configure.seen is not None and configure.seen != (market.status, market.config):
        return Reason.CONFIGURATION_STALE
    if not _is_possible(new):
        return Reason.CONFIGURATION_INVALID
    gone = new.withdrawn or ()
    if market.config is None:
        return Reason.CONFIGURATION_INVALID if gone else None
    before = market.config.withdrawn or ()
    if gone[: len(before)] != before:  # What is out stays out, at its price.
        return Reason.CONFIGURATION_INVALID
    if market.status is MarketStatus.CLOSED or _fixed_part(new) != _fixed_part(market.config):
        return Reason.CONFIGURATION_INVALID
    if new.tick_pips == market.config.tick_pips:
        return None
    finer = market.config.tick_pips % new.tick_pips == 0
    if market.status is MarketStatus.HALTED and finer:
        return None
    return Reason.CONFIGURATION_INVALID


def _fixed_part(config: Config) -> tuple[object, ...]:
    return (
        config.binary,
        config.outcomes,
        config.lot_step_lots,
        config.fees,
        config.strict_refund,
        config.house_account_id,
        config.maker,
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
        and (config.maker is None or _is_possible_maker(config, config.maker))
        and (config.discount is None or _is_possible_discount(config.discount))
        and (config.withdrawn is None or _is_possible_withdrawal(config, config.withdrawn))
    )


def _is_possible_discount(discount: FeeDiscount) -> bool:
    return 0 <= discount.maker_percent <= 100 and 0 <= discount.taker_percent <= 100


def _is_possible_withdrawal(config: Config, withdrawn: tuple[Withdrawal, ...]) -> bool:
    """Two outcomes remain at least. A maker's prices would no longer be those of all outcomes."""
    outcomes = {gone.outcome for gone in withdrawn}
    return (
        not config.binary
        and config.maker is None
        and outcomes <= set(range(config.outcomes))
        and len(outcomes) == len(withdrawn) <= config.outcomes - 2
        and all(gone.pays_pips >= 0 for gone in withdrawn)
        and sum(gone.pays_pips for gone in withdrawn) <= PAYOUT_PIPS
    )


def _is_possible_maker(config: Config, maker: MakerTerms) -> bool:
    return config.house_account_id is None and is_possible(maker, config.outcomes)
