"""The laws that hold after every command, checked from commands, events and dumps alone.

A `Witness` sees what any client could see and keeps its own books: cash, lots, what each order may
still do. It shares no arithmetic with either engine.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec

from trading.engine.commands import AnyCommand, Configure, Place
from trading.engine.events import (
    Amended,
    AnyEvent,
    CrossMatched,
    Decremented,
    Fired,
    LegAttached,
    LegResized,
    LiquidityChanged,
    Rejected,
    Traded,
    list_trades,
)
from trading.engine.types import (
    BUY,
    COLLAR_PIPS,
    PAYOUT_PIPS,
    SELL,
    Config,
    FeeKind,
    Fees,
    TradeKind,
)

Row = tuple[Any, ...]


class Known(msgspec.Struct):
    """What the witness knows of an order."""

    place: Place
    price_pips: int | None
    quantity_lots: int | None
    filled_lots: int = 0
    spent_micros: int = 0


class Witness:
    """Sees every command and its events; other changes of funds are reported by `bring`."""

    def __init__(self) -> None:
        self.config: Config | None = None
        self.brought_micros: dict[int, int] = defaultdict(int)
        self.gained_micros: dict[int, int] = defaultdict(int)
        self.lots: dict[int, list[int]] = {}
        self.orders: dict[str, Known] = {}
        self.escrow_micros = 0
        self.house_sets_lots = 0
        self.fees_micros = 0

    def bring(self, account_id: int, amount_micros: int) -> None:
        self.brought_micros[account_id] += amount_micros

    def see(self, command: AnyCommand, events: Sequence[AnyEvent]) -> None:
        if not any(isinstance(event, Rejected) for event in events):
            self._see_command(command)
        trades = [trade for event in events for trade in list_trades(event)]
        assert [trade.index for trade in trades] == list(range(len(trades)))
        if isinstance(command, Place) and command.price_pips is None:
            own = [trade for trade in trades if trade.taker_order_id == command.order_id]
            prices = [trade.price_pips for trade in own]
            reach_pips = self._find_collar()
            assert all((price - prices[0]) * command.side <= reach_pips for price in prices)
        for event in events:
            if isinstance(event, LiquidityChanged):
                self.bring(event.account_id, -event.amount_micros)
                self.bring(event.maker_account_id, event.amount_micros)
            elif isinstance(event, Traded) and event.kind == TradeKind.MAKER:
                self._see_trade_with_maker(event)
            elif isinstance(event, Traded):
                self._see_trade(event)
            elif isinstance(event, CrossMatched):
                self._see_match(event)
            else:
                self._see_change(event)

    def _see_change(self, event: AnyEvent) -> None:
        """See what became of an order without a trade."""
        if isinstance(event, Amended):
            known = self.orders[event.order_id]
            known.price_pips, known.quantity_lots = (
                event.price_pips or None,
                event.quantity_lots,
            )
            assert event.remaining_lots == event.quantity_lots - known.filled_lots
        elif isinstance(event, Fired):
            known = self.orders[event.order_id]
            assert known.price_pips in (None, event.price_pips)
            known.price_pips = event.price_pips
        elif isinstance(event, LegAttached):
            lots, pips = event.remaining_lots, event.leg.price_pips
            self.orders[event.order_id] = Known(event.leg, pips, lots)
        elif isinstance(event, LegResized):
            known = self.orders[event.order_id]
            known.quantity_lots = known.filled_lots + event.remaining_lots
        elif isinstance(event, Decremented):
            known = self.orders[event.order_id]
            assert known.quantity_lots is not None
            known.quantity_lots -= event.by_lots
            assert 0 < event.remaining_lots == known.quantity_lots - known.filled_lots

    def check(self, dump: Row, funds: dict[int, int]) -> None:
        """Hold the engine's state against all laws. `funds` has every account."""
        _, _, _, config, orders, accounts = dump[:6]
        if config is None:
            return
        held = {row[0]: row[2] for row in accounts}
        for account_id, available_micros in funds.items():
            held_micros = held.get(account_id, 0)
            cash_micros = self.brought_micros[account_id] + self.gained_micros[account_id]
            assert available_micros >= 0, f"{account_id} has less than nothing available"
            assert available_micros == cash_micros - held_micros, account_id
            assert held_micros == self._held(account_id, config, orders), account_id
        self._check_accounts(accounts, 1 if config.binary else config.outcomes)
        self._check_money()
        self._check_orders(orders)
        _check_not_crossed(orders, config)

    def _find_collar(self) -> int:
        """The collar is from the best price shown, than which a maker may be a tick better."""
        has_maker = self.config is not None and self.config.maker is not None
        return COLLAR_PIPS + (self.config.tick_pips if self.config and has_maker else 0)

    def _see_command(self, command: AnyCommand) -> None:
        if isinstance(command, Configure):
            self.config = command.config
        if isinstance(command, Place):
            known = Known(command, command.price_pips, command.quantity_lots)
            self.orders[command.order_id] = known

    def _see_trade(self, trade: Traded) -> None:
        taker, maker = self.orders[trade.taker_order_id], self.orders[trade.maker_order_id]
        assert trade.quantity_lots > 0
        assert taker.place.owner_id != maker.place.owner_id, "an owner traded with itself"
        assert taker.place.account_id == trade.taker_account_id
        assert maker.place.account_id == trade.maker_account_id
        assert taker.place.side == trade.taker_side == -maker.place.side
        self._see_leg(taker, trade, trade.taker_cash_micros, trade.taker_fee_micros)
        self._see_leg(maker, trade, trade.maker_cash_micros, trade.maker_fee_micros)

    def _see_trade_with_maker(self, trade: Traded) -> None:
        """One side is an order, at most at its limit; the other the maker, which pays no fee."""
        assert self.config is not None
        assert self.config.maker is not None
        is_taker = trade.maker_order_id == ""
        assert is_taker != (trade.taker_order_id == "")
        known = self.orders[trade.taker_order_id or trade.maker_order_id]
        mine = (trade.taker_account_id, trade.taker_cash_micros, trade.taker_fee_micros)
        maker = (trade.maker_account_id, trade.maker_cash_micros, trade.maker_fee_micros)
        if not is_taker:
            mine, maker = maker, mine
            assert trade.amount_micros == 0, "a resting order trades at its price"
        side, lots = known.place.side, trade.quantity_lots
        assert (known.place.account_id, trade.taker_side) == (mine[0], side if is_taker else -side)
        assert (maker[0], maker[2]) == (self.config.maker.account_id, 0)
        rounded_micros = side * (trade.price_pips * lots - trade.paid_micros)
        assert 0 <= rounded_micros < lots, "the price is the average, against the taker"
        self._see_leg(known, trade, *mine[1:])
        self.gained_micros[maker[0]] += maker[1]
        self.escrow_micros -= maker[1]
        maker_lots = self.lots.setdefault(maker[0], [0] * self.config.outcomes)
        maker_lots[trade.outcome] -= side * lots

    def _see_match(self, match: CrossMatched) -> None:
        """The same quantity of every outcome with a bid, or of all; the other laws apply too."""
        assert self.config is not None
        taken, *made = match.trades
        side = taken.taker_side
        assert match.kind == (TradeKind.MINT if side == BUY else TradeKind.MERGE)
        outcomes = [trade.outcome for trade in match.trades]
        assert len(set(outcomes)) == len(outcomes) >= 2
        if side == SELL:
            assert len(outcomes) == self.config.outcomes
        assert sum(trade.price_pips for trade in match.trades) == PAYOUT_PIPS
        self.house_sets_lots += side * match.quantity_lots
        orders = [self.orders[taken.taker_order_id]]
        orders += [self.orders[trade.maker_order_id] for trade in made]
        assert len({known.place.owner_id for known in orders}) > 1, "an owner traded with itself"
        house_micros = 0
        for known, trade in zip(orders, match.trades, strict=True):
            place, is_taker = known.place, trade is taken
            assert (place.side, trade.quantity_lots) == (side, match.quantity_lots)
            mine = (trade.taker_account_id, trade.taker_cash_micros, trade.taker_fee_micros)
            house = (trade.maker_account_id, trade.maker_cash_micros, trade.maker_fee_micros)
            if not is_taker:
                mine, house = house, mine
            assert place.account_id == mine[0]
            assert (house[0], house[2]) == (self.config.house_account_id, 0)
            house_micros += house[1]
            assert (mine[1] + house[1]) % PAYOUT_PIPS == 0
            assert trade.taker_side == (side if is_taker else -side)
            self._see_leg(known, trade, *mine[1:])
            house_lots = self.lots.setdefault(house[0], [0] * self.config.outcomes)
            house_lots[trade.outcome] -= side * trade.quantity_lots
        assert house_micros == 0

    def _see_leg(self, known: Known, trade: Traded, cash_micros: int, fee_micros: int) -> None:
        place, lots, price_pips = known.place, trade.quantity_lots, trade.price_pips
        self.gained_micros[place.account_id] += cash_micros - fee_micros
        self.escrow_micros -= cash_micros
        self.fees_micros += fee_micros
        known.filled_lots += lots
        paid_micros = trade.paid_micros
        if place.side == SELL:
            paid_micros = PAYOUT_PIPS * lots - paid_micros
        known.spent_micros += paid_micros + fee_micros
        cap_micros = 0 if place.fee_free else min(price_pips, PAYOUT_PIPS - price_pips) * lots
        assert 0 <= fee_micros <= cap_micros
        if known.price_pips is not None:
            assert (known.price_pips - price_pips) * place.side >= 0, "worse than its limit"
        assert known.quantity_lots is None or known.filled_lots <= known.quantity_lots
        assert place.budget_micros is None or known.spent_micros <= place.budget_micros
        self._movecompute_position(place, lots)

    def _movecompute_position(self, place: Place, lots: int) -> None:
        assert self.config is not None
        mine = self.lots.setdefault(place.account_id, [0] * self.config.outcomes)
        before = compute_position(mine, place.outcome)
        mine[place.outcome] += place.side * lots
        after = compute_position(mine, place.outcome)
        if place.reduce_only:
            assert abs(before) - lots == abs(after), "reduce-only grew or flipped a position"

    def _check_accounts(self, accounts: Iterable[Row], books: int) -> None:
        """Positions are what the trades made them, and sum to nothing; paid and fees likewise."""
        rows = {row[0]: row for row in accounts}
        seen = {account_id: list(row[1]) for account_id, row in rows.items() if any(row[1])}
        assert seen == {a: lots[:books] for a, lots in self.lots.items() if any(lots)}
        for outcome in range(books):
            assert sum(lots[outcome] for lots in self.lots.values()) == 0
        assert {a: -row[3] for a, row in rows.items() if row[3]} == {
            a: micros for a, micros in self.gained_micros.items() if micros
        }
        assert sum(row[4] for row in rows.values()) == self.fees_micros

    def _check_money(self) -> None:
        house = None if self.config is None else self.config.house_account_id
        sets_lots = sum(-min(lots) for key, lots in self.lots.items() if key != house)
        sets_lots += self.house_sets_lots
        if house in self.lots:
            assert min(self.lots[house]) + self.house_sets_lots >= 0, "the house owes contracts"
        assert self.escrow_micros == PAYOUT_PIPS * sets_lots >= 0
        assert sum(self.gained_micros.values()) + self.escrow_micros + self.fees_micros == 0

    def _check_orders(self, orders: Iterable[Row]) -> None:
        for order_id, account_id, outcome, side, price_pips, lots, remaining_lots, *_ in orders:
            known = self.orders[order_id]
            place = known.place
            assert (place.account_id, place.outcome, place.side) == (account_id, outcome, side)
            assert (known.price_pips, known.quantity_lots) == (price_pips, lots)
            assert 0 < remaining_lots == lots - known.filled_lots

    def _held(self, account_id: int, config: Config, orders: Iterable[Row]) -> int:
        """DESIGN section 3, "Holds", written out."""
        outcomes = range(config.outcomes)
        lots = self.lots.get(account_id, [0] * config.outcomes)
        need = {BUY: [0] * config.outcomes, SELL: [0] * config.outcomes}
        for order_id, owner, outcome, side, price_pips, _, remaining_lots, *charged in orders:
            if owner == account_id:
                need[side][outcome] += unit_pips(side, price_pips) * remaining_lots
                if not self.orders[order_id].place.fee_free:
                    need[side][outcome] += compute_fee_to_come(
                        config.fees, price_pips, remaining_lots, *charged
                    )
        worst_micros = max(
            sum(need[BUY]) - need[BUY][j] + need[SELL][j] - PAYOUT_PIPS * (lots[j] - min(lots))
            for j in outcomes
        )
        gained_micros = self.gained_micros[account_id] if config.strict_refund else 0
        return max(0, worst_micros, gained_micros)


def unit_pips(side: int, price_pips: int) -> int:
    return price_pips if side == BUY else PAYOUT_PIPS - price_pips


def compute_position(lots: Sequence[int], outcome: int) -> int:
    return lots[outcome] - max(min(lots), min(0, max(lots)))


def compute_fee_to_come(
    fees: Fees,
    price_pips: int,
    remaining_lots: int,
    fee_micros: int,
    maker_basis: int,
    taker_basis: int,
    _filled_micros: int,
) -> int:
    if fees.kind == FeeKind.NONE:
        return 0
    flat = fees.kind == FeeKind.FLAT
    basis = remaining_lots * (1 if flat else price_pips * (PAYOUT_PIPS - price_pips))
    rated = maker_basis * fees.maker_rate_ppm + taker_basis * fees.taker_rate_ppm
    rated += basis * max(fees.maker_rate_ppm, fees.taker_rate_ppm)
    units = Fraction(rated, (100 if flat else 100 * PAYOUT_PIPS**2) * fees.unit_micros)
    spare_micros = 0 if fees.unit_micros == 1 else fees.unit_micros
    return ceil(units) * fees.unit_micros - fee_micros + spare_micros


def _check_not_crossed(orders: Iterable[Row], config: Config) -> None:
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for _, _, outcome, side, price_pips, *_ in orders:
        if side == BUY:
            bids[outcome] = max(price_pips, bids.get(outcome, 0))
        else:
            asks[outcome] = min(price_pips, asks.get(outcome, PAYOUT_PIPS))
    for outcome in bids.keys() & asks.keys():
        assert bids[outcome] < asks[outcome], f"book {outcome} is crossed"
    if config.house_account_id is None or config.binary:
        return
    assert sum(bids.values()) < PAYOUT_PIPS, "bids that would mint"
    if len(asks) == config.outcomes:
        assert sum(asks.values()) > PAYOUT_PIPS, "asks that would merge"
