"""Random markets and commands, decoded from bytes, one byte a choice.

A hypothesis strategy or a seeded generator supplies the bytes; 0 always decodes to the plainest
choice, so that what hypothesis shrinks becomes plain too. Prices crowd around the middle and
accounts are few, so that most commands have something to meet.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from trading.engine.commands import Amend, Attach, Cancel, CancelAll, Configure, Place
from trading.engine.types import (
    BUY,
    ORDER_LOTS_MAX,
    PAYOUT_PIPS,
    SELL,
    Config,
    FeeDiscount,
    FeeKind,
    Fees,
    Leg,
    MarketStatus,
    OrderOptions,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
    TriggerOn,
    Withdrawal,
)

Option = TypeVar("Option")
Target = tuple[str, int, int]
"""order_id, account_id, quantity_lots of an open order."""

BYTES_PER_STEP = 50
OWNER_OF = {11: 1, 12: 1, 21: 2, 22: 2, 31: 3, 41: 4, 51: 5, 61: 6}
FEE_FREE_ACCOUNT = 61
HOUSE_ACCOUNT = 99
ACCOUNTS = tuple(OWNER_OF)
GROUPS = {account_id: (f"g{account_id}", f"h{account_id}") for account_id in ACCOUNTS}
"""The order groups of each account."""
ORDER_IDS = 240
CREDIT = 1_000_000


class Choices:
    """Reads choices off a byte string."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def below(self, count: int) -> int:
        return next(self._bytes) % count

    def pick(self, options: Sequence[Option]) -> Option:
        return options[self.below(len(options))]

    def rarely(self) -> bool:
        return next(self._bytes) >= 248

    def one_in(self, count: int) -> bool:
        return next(self._bytes) % count == count - 1


def make_config(c: Choices) -> Config:
    """One market in four is as plain as can be; most of several outcomes match across books."""
    if c.one_in(4):
        return Config(True, 2, c.pick((100, 10, 1_000, 500)), c.pick((100, 1)))
    outcomes = c.pick((2, 3, 2, 4, 3, 6))
    fees = Fees(
        c.pick((FeeKind.NONE, FeeKind.QUADRATIC, FeeKind.FLAT, FeeKind.QUADRATIC)),
        c.pick((0, 10_000, 70_000, 1_000_000)),
        c.pick((70_000, 0, 20_001, 1_000_000)),
        c.pick((1, 10_000)),
    )
    step = c.pick((100, 1, 100, 7))
    limit_steps = c.pick((None, 30, None, None, 80, None))
    return Config(
        binary=outcomes == 2 and not c.one_in(5),
        outcomes=outcomes,
        tick_pips=c.pick((100, 1_000, 10, 2_000, 50, 5_000)),
        lot_step_lots=step,
        fees=fees,
        position_limit_lots=None if limit_steps is None else limit_steps * step,
        strict_refund=c.one_in(3),
        house_account_id=c.pick((HOUSE_ACCOUNT, HOUSE_ACCOUNT, None)),
    )


def make_price_pips(c: Choices, config: Config, lean: int = 0) -> int:
    """Mostly within four ticks of the middle plus `lean`; sometimes an end; rarely off the grid."""
    tick, last = config.tick_pips, PAYOUT_PIPS // config.tick_pips - 1
    near, odd, scale = c.pick((0, 1, -1, 2, -2, 3, -3, 4, -4)), c.below(256), c.pick((1, 1, 1, 4))
    if odd >= 250:
        return (0, PAYOUT_PIPS, -tick, tick + 1, 3 * PAYOUT_PIPS, 7)[odd - 250]
    if odd >= 242:
        return tick if odd % 2 else last * tick
    crosses_books = config.house_account_id is not None and not config.binary
    middle = PAYOUT_PIPS // tick // (config.outcomes if crosses_books else 2)
    return min(max(1, middle + (near + lean) * scale), last) * tick


def make_lots(c: Choices, config: Config) -> int:
    step = config.lot_step_lots
    steps, odd = c.pick((1, 2, 3, 4, 5, 8, 13, 40)), c.below(256)
    if odd >= 251:
        most = ORDER_LOTS_MAX // step * step
        return (0, -step, most, most + step, steps * step + 1)[odd - 251]
    return steps * step * (37 if step == 1 and odd % 4 == 3 else 1)


_KINDS = (
    *((False, Tif.GTC),) * 16,
    *((False, Tif.GTD),) * 3,
    *((False, Tif.IOC), (False, Tif.FOK), (True, Tif.IOC)) * 2,
    *((True, Tif.GTC), (True, Tif.FOK)),
)


def make_place(
    c: Choices, config: Config, ts_us: int, position_of: Callable[[int, int], int]
) -> Place:
    """`position_of(account_id, outcome)` lets most reduce-only orders have something to reduce."""
    account_id = c.pick(ACCOUNTS)
    books = 1 if config.binary else config.outcomes
    outcome, side = c.below(books) * c.pick((1, 0)), c.pick((BUY, SELL))
    order_id = f"order{c.below(ORDER_IDS):03}"
    is_market, tif = c.pick(_KINDS)
    flags, stp, odd, later = c.below(256), c.pick(tuple(Stp)), c.below(256), c.below(60)
    reduce_only = flags % 6 == 5
    if reduce_only and odd % 8:
        position = position_of(account_id, outcome)
        reduce_only, side = position != 0, SELL if position > 0 else BUY
    patient = not is_market and tif in (Tif.GTC, Tif.GTD)
    price_pips = make_price_pips(c, config, -2 * side if patient else 2 * side)
    lots, has_price, has_budget = make_lots(c, config), c.below(256), c.below(256)
    budgeted = has_budget % 2 == 1 if is_market else has_budget >= 254
    expires = (tif == Tif.GTD) != (odd == 255)
    options = OrderOptions(
        is_market or odd == 252,
        make_budget_micros(has_budget, lots, price_pips) if budgeted else None,
        post_only=flags % 8 == 7 and (patient or flags >= 240),
        reduce_only=reduce_only,
        expires_at_us=(ts_us + later if later < 58 else 0) if expires else None,
        valid_until_us=(ts_us + 3 - later if later < 30 else 0) if odd in (249, 250) else None,
        trigger=make_trigger(c, config) if c.one_in(6) else None,
        legs=make_legs(c, config, side) if c.one_in(5) else (),
    )
    if c.one_in(5):
        order_group = c.pick((*GROUPS[account_id] * 10, "nobody's"))
        options = msgspec.structs.replace(options, order_group=order_group)
    if c.one_in(5):
        options = msgspec.structs.replace(options, cancel_on_halt=True)
    return Place(
        order_id,
        account_id,
        OWNER_OF[account_id],
        (outcome, books, -1)[odd - 252] if odd in (253, 254) else outcome,
        side,
        None if (has_price % 3 if is_market else has_price >= 254) else price_pips,
        None if (budgeted and has_budget != 253) or has_budget == 252 else lots,
        tif,
        stp,
        options=options.or_none(),
        fee_free=account_id == FEE_FREE_ACCOUNT,
    )


def make_trigger(c: Choices, config: Config) -> Trigger:
    """Mostly one that a trade or two away will reach; now and then one that can't be."""
    kind, on, odd = c.pick(tuple(TriggerKind)), c.pick(tuple(TriggerOn)), c.below(256)
    trail_pips = c.pick((1, 2, 4)) * config.tick_pips
    is_trailing = kind is TriggerKind.TRAILING_STOP
    price_pips = make_price_pips(c, config)
    return Trigger(
        kind,
        None if (is_trailing and odd % 2) or odd == 254 else price_pips,
        on,
        trail_pips if is_trailing != (odd == 255) else None,
    )


def make_legs(c: Choices, config: Config, side: int) -> tuple[Leg, ...]:
    """One or two legs of an entry of this side, mostly around the prices of its market."""
    profit, loss = c.pick(((1, 1), (1, 0), (0, 1), (1, 1), (1, 1))), c.below(256)
    kind = TriggerKind.TRAILING_STOP if loss % 4 == 3 else TriggerKind.STOP
    on, tick, odd = c.pick(tuple(TriggerOn)), config.tick_pips, c.below(256)
    price_pips, far_pips = make_price_pips(c, config), c.pick((1, 2, 3)) * tick * side
    take_profit = Trigger(TriggerKind.TAKE_PROFIT, price_pips + far_pips, on)
    stop_loss = Trigger(
        kind,
        None if kind is TriggerKind.TRAILING_STOP and loss % 8 == 7 else price_pips - far_pips,
        TriggerOn.LAST if loss % 3 else TriggerOn.BEST,
        2 * tick if kind is TriggerKind.TRAILING_STOP else None,
    )
    limit_pips = make_price_pips(c, config, -side) if c.one_in(3) else None
    triggers = [take_profit] * profit[0] + [stop_loss] * profit[1]
    if odd >= 250:  # both of a kind, none at all, or the wrong way round
        triggers = ([take_profit] * 2, [stop_loss] * 2, [])[odd % 3]
    number = c.below(ORDER_IDS)
    word = "order" if odd == 7 else "leg"
    return tuple(
        Leg(f"{word}{number + n:03}", trigger, limit_pips) for n, trigger in enumerate(triggers)
    )


def make_attach(
    c: Choices, config: Config, ts_us: int, position_of: Callable[[int, int], int]
) -> Attach:
    """Legs for a position, mostly one that there is."""
    account_id, books = c.pick(ACCOUNTS), 1 if config.binary else config.outcomes
    outcome, odd, quantity = c.below(books), c.below(256), c.below(4)
    with_position = [a for a in ACCOUNTS if position_of(a, outcome)]
    if with_position and odd % 8:
        account_id = with_position[odd % len(with_position)]
    position = position_of(account_id, outcome)
    return Attach(
        f"order{odd:03}" if odd >= 240 else f"bracket{odd:03}",
        account_id,
        OWNER_OF[account_id],
        books if odd == 230 else outcome,
        make_legs(c, config, BUY if position >= 0 else SELL),
        make_lots(c, config) if quantity == 3 else None,
        as_no=config.binary and (position < 0) != (odd == 77),
        fee_free=account_id == FEE_FREE_ACCOUNT,
        valid_until_us=ts_us - 1 if odd == 99 else None,
    )


def make_budget_micros(choice: int, lots: int, price_pips: int) -> int:
    """About what the order would cost at its price; now and then odd, nothing or no end of it."""
    most_micros = ORDER_LOTS_MAX * PAYOUT_PIPS
    if choice >= 240:
        return (0, -5, most_micros, most_micros + 1, 1)[choice % 5]
    return max(1, lots * price_pips * (choice % 16 + 1) // 8 + choice % 3)


def make_amend(c: Choices, config: Config, ts_us: int, open_orders: Sequence[Target]) -> Amend:
    order_id, account_id, quantity_lots = _target(c, open_orders)
    price_pips, lots, what = make_price_pips(c, config), make_lots(c, config), c.below(8)
    step = config.lot_step_lots
    lots = (lots, quantity_lots + lots, max(step, quantity_lots - lots), quantity_lots)[c.below(4)]
    valid_until_us = ts_us - 1 if c.rarely() else None
    trigger_pips, has_legs = make_price_pips(c, config) if c.one_in(3) else None, c.below(5)
    has_legs = has_legs * (what in (1, 4, 7))
    kinds = (TriggerKind.TAKE_PROFIT, TriggerKind.STOP)
    return Amend(
        order_id,
        account_id,
        None if what in (1, 2, 3, 7) else price_pips,
        None if what in (0, 1, 4, 7) else lots,
        valid_until_us,
        trigger_pips,
        legs=make_legs(c, config, c.pick((BUY, SELL))) if has_legs in (1, 2, 3) else (),
        removed=c.pick((kinds, kinds[:1], kinds[1:])) if has_legs in (3, 4) else (),
    )


def make_cancel(c: Choices, open_orders: Sequence[Target]) -> Cancel:
    order_id, account_id, _ = _target(c, open_orders)
    return Cancel(order_id, account_id)


def _target(c: Choices, open_orders: Sequence[Target]) -> Target:
    """Mostly an open order and its own account; now and then not."""
    chosen, stranger = c.below(256), c.below(256)
    if not open_orders or chosen >= 250:
        return f"order{chosen % ORDER_IDS:03}", ACCOUNTS[0], 100
    order_id, account_id, quantity_lots = open_orders[chosen % len(open_orders)]
    return order_id, ACCOUNTS[0] if stranger >= 245 else account_id, quantity_lots


def make_cancel_all(c: Choices) -> CancelAll:
    return CancelAll(c.pick(ACCOUNTS), by_operator=c.one_in(3))


def make_room(c: Choices, config: Config) -> tuple[int, str, int]:
    """Return an account, a group of its, and what that may fill from now on: nothing, or some."""
    account_id = c.pick(ACCOUNTS)
    lots = c.pick((0, 1, 2, 3, 5, 20, 10**6)) * config.lot_step_lots
    return account_id, c.pick(GROUPS[account_id]), lots


def make_elsewhere(c: Choices, config: Config) -> tuple[int, dict[int, int]]:
    """Return an account, and what others of its owner have: nothing, or some on either side."""
    account_id, outcome = c.pick(ACCOUNTS), c.below(1 if config.binary else config.outcomes)
    lots = [c.pick((0, 0, 1, 3, 20)) * config.lot_step_lots for _ in range(2)]
    keys = (outcome + 1, -outcome - 1)
    return account_id, {key: some for key, some in zip(keys, lots, strict=True) if some}


def make_configure(
    c: Choices, config: Config, status: MarketStatus | None, ts_us: int
) -> Configure:
    """Halt, resume, refine the tick, move the limit or the close; rarely close or nonsense."""
    new_status = MarketStatus.HALTED if status == MarketStatus.OPEN else MarketStatus.OPEN
    what, tick, odd = c.below(8), config.tick_pips, c.below(256)
    finer = [pips for pips in (10, 50, 100, 500, 1_000, 2_500) if tick % pips == 0]
    changes: dict[str, object] = {}
    if what in (1, 2):
        changes["tick_pips"] = c.pick((*finer, tick * 2, 30))
    if what in (3, 5, 6):
        changes["position_limit_lots"] = c.pick((None, 5, 20, 0)) and 5 * config.lot_step_lots
    if what == 4:
        changes["close_at_us"] = None if config.close_at_us else ts_us + c.pick((40, 10, 100))
    if what == 7:
        changes["discount"] = c.pick(
            (
                None,
                FeeDiscount(100, 0),
                FeeDiscount(50, 50),
                FeeDiscount(0, 33),
                FeeDiscount(101, 0),
            )
        )
    if what == 0 and not config.binary and odd % 4 == 1:
        gone = Withdrawal(odd % config.outcomes, c.pick((0, 0, 2_500, 9_999)))
        changes["withdrawn"] = (*(config.withdrawn or ()), gone)
    if odd >= 251:
        changes |= (
            {"outcomes": 51},
            {"binary": not config.binary},
            {"lot_step_lots": 0},
            {"strict_refund": not config.strict_refund},
            {"fees": Fees(FeeKind.FLAT, 1_000_001)},
        )[odd - 251]
    if odd in (10, 11):
        new_status = MarketStatus.CLOSED
    seen = c.pick((None, (status, config), None, (status, config), (MarketStatus.CLOSED, config)))
    return Configure(new_status, msgspec.structs.replace(config, **changes), seen=seen)
