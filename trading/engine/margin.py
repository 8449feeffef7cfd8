"""Collateral and hold of one account in one market.

s[j] lots of outcome j bought minus sold; collateral c = -min over all outcomes of s (a binary
market's NO counts 0); owned h[j] = s[j] + c >= 0. With B[j], S[j] the worst cost of the account's
open buys and sells in j (p x remaining + fees, (10,000 - p) x remaining + fees):

    held = max over j of (B - B[j] + S[j] - 10,000 x h[j]), never below 0

which equals the worst case over all subsets of fills, so no fill is ever unaffordable. Kept are
the base B - 10,000 x c, and for each j the exposure S[j] - B[j] - 10,000 x s[j]; then held = base +
the greatest exposure, and each change of an order or a position is one addition.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from trading.engine.book import EngineOrder, mutable
from trading.engine.types import BUY, PAYOUT_PIPS, POSITION_LOTS_MAX, Config

SAFE_PIPS: Final = 2 * PAYOUT_PIPS
"""A fill never costs more a lot than its price and one pay-out held."""


@mutable
class AccountState(msgspec.Struct, gc=False):
    """An account's state in the market. Lists have one entry per book.

    `net_paid_micros`: all that it paid into this market minus all it received, fees included.
    `cost_micros` has the sign of the position and its average cost; fees are not in it.
    `base_micros` and `exposure_micros` are the base and the exposures of the module's formula,
    `buy_lots` and `sell_lots` how much remains of the orders that rest.
    """

    account_id: int
    net_lots: list[int]
    cost_micros: list[int]
    realised_micros: list[int]
    exposure_micros: list[int]
    buy_lots: list[int]
    sell_lots: list[int]
    base_micros: int = 0
    collateral_lots: int = 0
    held_micros: int = 0
    net_paid_micros: int = 0
    fees_micros: int = 0
    orders: dict[str, EngineOrder] | None = None
    """Its resting orders, known once all of them have been requested for the first time."""

    def has_orders(self) -> bool:
        """Return whether any order of it rests."""
        return any(self.buy_lots) or any(self.sell_lots)

    def touched(self) -> bool:
        """Return whether there is any number to remember."""
        return bool(
            any(self.net_lots)
            or self.held_micros
            or self.net_paid_micros
            or self.fees_micros
            or any(self.realised_micros)
        )


class SettleFunction(Protocol):
    """Recomputes an account's hold, and carries it and a change of cash into its funds.

    `order` is one of its orders whose share of its sums, a hold and a quantity, grows by this.
    """

    def __call__(
        self,
        account: AccountState,
        cash_micros: int,
        funds: dict[int, int],
        order: EngineOrder | None = None,
        more_micros: int = 0,
        more_lots: int = 0,
    ) -> None: ...


SetsFunction = Callable[[AccountState, int, int], int]
"""(account, outcome, signed lots) -> by how much a fill would change its collateral, in lots."""


def new_account(account_id: int, books: int) -> AccountState:
    """Return the state of an account that has done nothing yet."""
    if books == 1:  # A third faster, and most markets are binary.
        return AccountState(account_id, [0], [0], [0], [0], [0], [0])
    zeros = [0] * books
    return AccountState(account_id, zeros[:], zeros[:], zeros[:], zeros[:], zeros[:], zeros)


def copy_account(account: AccountState, *, with_orders: bool = True) -> AccountState:
    """Return a copy to try a command on, or as it would be if none of its orders rested."""
    copied = msgspec.structs.replace(
        account,
        net_lots=account.net_lots[:],
        cost_micros=account.cost_micros[:],
        realised_micros=account.realised_micros[:],
        exposure_micros=account.exposure_micros[:],
        buy_lots=account.buy_lots[:],
        sell_lots=account.sell_lots[:],
        orders=None,
    )
    if not with_orders:
        copied.exposure_micros = [-PAYOUT_PIPS * lots for lots in account.net_lots]
        copied.buy_lots = [0] * len(account.buy_lots)
        copied.sell_lots = copied.buy_lots[:]
        copied.base_micros = -PAYOUT_PIPS * account.collateral_lots
    return copied


def set_margin(
    account: AccountState,
    collateral_lots: int,
    held_micros: int,
    net_paid_micros: int,
    fees_micros: int,
) -> None:
    """Give an account that has no orders here its sums from the database."""
    account.collateral_lots, account.held_micros = collateral_lots, held_micros
    account.net_paid_micros, account.fees_micros = net_paid_micros, fees_micros
    account.base_micros = -PAYOUT_PIPS * collateral_lots


def set_position(
    account: AccountState, outcome: int, net_lots: int, cost_micros: int, realised_micros: int
) -> None:
    """Give an account that has no orders here a position from the database."""
    account.net_lots[outcome] = net_lots
    account.cost_micros[outcome] = cost_micros
    account.realised_micros[outcome] = realised_micros
    account.exposure_micros[outcome] = -PAYOUT_PIPS * net_lots


# What depends on the configuration


def build_settle(config: Config) -> SettleFunction:
    """Return what settles an account in a market of this kind.

    With strict refund, gains stay in the market until its result is final.
    """
    binary, strict_refund = config.binary, config.strict_refund

    def settle(
        account: AccountState,
        cash_micros: int,
        funds: dict[int, int],
        order: EngineOrder | None = None,
        more_micros: int = 0,
        more_lots: int = 0,
    ) -> None:
        exposure_micros = account.exposure_micros
        if order is not None:
            outcome = order.outcome
            if order.side == BUY:
                account.base_micros += more_micros
                exposure_micros[outcome] -= more_micros
                account.buy_lots[outcome] += more_lots
            else:
                exposure_micros[outcome] += more_micros
                account.sell_lots[outcome] += more_lots
        if not binary:
            worst_micros = max(exposure_micros)
        elif (worst_micros := exposure_micros[0]) < 0:
            worst_micros = 0  # NO has no book: its exposure is 0.
        held_micros = account.base_micros + worst_micros
        if held_micros < 0:
            held_micros = 0
        if strict_refund and held_micros < -account.net_paid_micros:
            held_micros = -account.net_paid_micros
        freed_micros = cash_micros + account.held_micros - held_micros
        account.held_micros = held_micros
        if freed_micros:
            available_micros = funds.get(account.account_id)
            if available_micros is not None:
                funds[account.account_id] = available_micros + freed_micros

    return settle


def _sets_binary(account: AccountState, outcome: int, signed_lots: int) -> int:
    net_lots = account.net_lots[0] + signed_lots
    return (-net_lots if net_lots < 0 else 0) - account.collateral_lots


def _sets_categorical(account: AccountState, outcome: int, signed_lots: int) -> int:
    collateral_lots, net_lots = account.collateral_lots, account.net_lots
    lots = net_lots[outcome] + signed_lots
    if signed_lots < 0:
        return -lots - collateral_lots if -lots > collateral_lots else 0
    if net_lots[outcome] > -collateral_lots:
        return 0  # Another outcome has the least, and keeps it.
    after_lots = net_lots[:]
    after_lots[outcome] = lots
    return -min(after_lots) - collateral_lots


def build_sets(config: Config) -> SetsFunction:
    """Return what computes how a fill changes an account's collateral, before it happens."""
    return _sets_binary if config.binary else _sets_categorical


HeadroomFunction = Callable[[AccountState, int, int], int]
"""(account, outcome, side) -> how many lots the position limits still allow, in lots."""


def bound_owned_lots(config: Config) -> int:
    """Return how much an account may own of an outcome at most, were its open orders filled.

    In a binary market what it owns is its position, which has a limit of its own.
    """
    if config.binary and config.position_limit_lots is not None:
        return min(POSITION_LOTS_MAX, config.position_limit_lots)
    return POSITION_LOTS_MAX


def build_headroom(config: Config) -> HeadroomFunction:
    """Return what computes how much more an account may order, its open orders counted.

    The limit of a categorical market is for what people see as a position, without complete sets.
    """
    wanted_lots, owned_lots_max = config.position_limit_lots, bound_owned_lots(config)

    def compute_headroom(account: AccountState, outcome: int, side: int) -> int:
        open_lots = (account.buy_lots if side == BUY else account.sell_lots)[outcome]
        headroom_lots = owned_lots_max - side * account.net_lots[outcome] - open_lots
        if wanted_lots is None or config.binary:
            return headroom_lots
        position_lots = compute_position_lots(account, outcome, binary=False)
        return min(headroom_lots, wanted_lots - side * position_lots - open_lots)

    return compute_headroom


def compute_counted_lots(account: AccountState, outcome: int, side: int, *, binary: bool) -> int:
    """Return what counts against the limit of another account of its owner: what it would hold on
    this side if its orders were filled; on the other side it makes up for nothing.
    """
    open_lots = (account.buy_lots if side == BUY else account.sell_lots)[outcome]
    return max(0, side * compute_position_lots(account, outcome, binary=binary) + open_lots)


# Positions


def compute_position_lots(account: AccountState, outcome: int, *, binary: bool) -> int:
    """Return the position people see: complete sets are flat, not positions."""
    lots = account.net_lots[outcome]
    if binary:
        return lots
    lowest, highest = min(account.net_lots), max(account.net_lots)
    return lots - min(max(0, lowest), highest)


def compute_allowance_lots(account: AccountState, outcome: int, side: int, *, binary: bool) -> int:
    """Return how much a reduce-only order of this side may still trade."""
    return max(0, -side * compute_position_lots(account, outcome, binary=binary))


# What changes an account: called by `MarketState.apply` only


def add_fill(
    account: AccountState,
    outcome: int,
    signed_lots: int,
    paid_micros: int,
    cash_micros: int,
    fee_micros: int,
) -> None:
    """Book a fill for which the account paid (sold: -received) `paid_micros`.

    Its cash changed by `cash_micros`, complete sets included and the fee not.
    """
    net_lots = account.net_lots
    lots = net_lots[outcome]
    if lots * signed_lots >= 0:
        account.cost_micros[outcome] += paid_micros
    else:
        _close_cost(account, outcome, signed_lots, paid_micros)
    net_lots[outcome] = lots = lots + signed_lots
    account.exposure_micros[outcome] -= PAYOUT_PIPS * signed_lots
    sets_micros = cash_micros + paid_micros
    if sets_micros:
        assert sets_micros % PAYOUT_PIPS == 0
        account.base_micros += sets_micros
        account.collateral_lots -= sets_micros // PAYOUT_PIPS
    assert account.collateral_lots >= -lots, "owns less than nothing"
    account.net_paid_micros += fee_micros - cash_micros
    if fee_micros:
        account.fees_micros += fee_micros


def _close_cost(account: AccountState, outcome: int, signed_lots: int, paid_micros: int) -> None:
    """Keep average cost: closing realises, crossing zero starts a new average."""
    held_lots = account.net_lots[outcome]
    direction = 1 if held_lots > 0 else -1
    held_lots *= direction
    opened_lots = max(-direction * signed_lots - held_lots, 0)
    closed_lots = -direction * signed_lots - opened_lots
    cost_micros = account.cost_micros[outcome]
    part_micros = direction * cost_micros * closed_lots // held_lots
    amount_micros = -direction * paid_micros
    closed_micros = amount_micros * closed_lots // (opened_lots + closed_lots)
    account.realised_micros[outcome] += direction * (closed_micros - part_micros)
    if opened_lots:
        account.cost_micros[outcome] = -direction * (amount_micros - closed_micros)
    else:
        account.cost_micros[outcome] = cost_micros - direction * part_micros
