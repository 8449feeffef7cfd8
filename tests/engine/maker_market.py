"""A market with an automated maker, traded on the engine, replayed and checked at once."""

import random
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.engine.generate import (
    ACCOUNTS,
    BYTES_PER_STEP,
    CREDIT,
    Choices,
    make_amend,
    make_cancel,
    make_cancel_all,
    make_configure,
    make_place,
)
from tests.engine.laws import Witness, compute_position
from trading.engine import blend
from trading.engine.commands import (
    AnyCommand,
    ChangeLiquidity,
    Configure,
    Place,
    Tick,
)
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import (
    AnyEvent,
    Triggered,
    TriggerMoved,
)
from trading.engine.state import MarketState
from trading.engine.types import (
    BUY,
    SELL,
    Config,
    MakerTerms,
    MarketStatus,
    OrderOptions,
    Stp,
    Tif,
)

MAKER, FUNDER, STRANGER = 98, 97, 96


TICK_PIPS, STEP_LOTS = 100, 10


RICH = 10**15


class Market:
    """One engine with every law checked after every command, and its events also replayed."""

    def __init__(self, config: Config, *, available_micros: int = 20 * CREDIT) -> None:
        self.engine, self.replayed, self.witness = Engine(7), MarketState(7), Witness()
        self.ts_us = 1_000_000
        self.funds = {MAKER: 0}
        self.events: list[AnyEvent] = []
        self.journal: list[tuple[AnyCommand, int, dict[int, int]]] = []
        for account_id in ACCOUNTS:
            self.set_available(account_id, available_micros)
        for account_id in (FUNDER, STRANGER):
            self.set_available(account_id, RICH)
        self.apply(Configure(MarketStatus.OPEN, config))

    @property
    def config(self) -> Config:
        assert self.engine.config is not None
        return self.engine.config

    @property
    def maker(self) -> Any:
        return self.engine.maker

    def set_available(self, account_id: int, amount_micros: int) -> None:
        self.witness.bring(account_id, amount_micros - self.funds.get(account_id, 0))
        self.funds[account_id] = amount_micros

    def apply(self, command: AnyCommand, elapsed_us: int = 0) -> list[AnyEvent]:
        self.ts_us += elapsed_us
        touched = find_touched_accounts(self.engine, command, self.ts_us)
        before = dict(self.funds)
        asked = touched | ({command.account_id} & before.keys())
        narrow = {account_id: before[account_id] for account_id in asked}
        own = {command.account_id: before.get(command.account_id, 0)}
        self.journal.append((command, self.ts_us, own))
        quoted = self.engine.quote(command, self.ts_us, narrow)
        assert narrow == {account_id: before[account_id] for account_id in asked}
        events = self.engine.execute(command, self.ts_us, self.funds)
        assert quoted == [e for e in events if not isinstance(e, (Triggered, TriggerMoved))]
        changed = {a for a, micros in self.funds.items() if micros != before[a]}
        assert changed <= touched, f"{touched} lacks {changed - touched}"
        self.replayed.replay_events(command, self.ts_us, events)
        assert self.replayed.dump() == self.engine.dump()
        self.witness.see(command, events)
        self.witness.check(self.engine.dump(), self.funds)
        self.events += events
        self.assert_nothing_is_crossed()
        return events

    def assert_nothing_is_crossed(self) -> None:
        if self.maker is not None:
            for side in (BUY, SELL):
                assert not blend.crosses_any(self.engine, self.maker.lmsr, side)

    def assert_equal_in_every_way(self) -> None:
        """Restored and replayed markets are equal, also after a round trip of the journal."""
        assert Engine.restore(self.engine.snapshot()).state_hash() == self.engine.state_hash()
        assert self.replayed.state_hash() == self.engine.state_hash()
        journal = msgspec.msgpack.decode(
            msgspec.msgpack.encode(self.journal),
            type=list[tuple[AnyCommand, int, dict[int, int]]],
        )
        again = Engine(7)
        events = [event for entry in journal for event in again.execute(*entry)]
        assert events == self.events
        encoded = msgspec.msgpack.encode(self.events)
        assert msgspec.msgpack.decode(encoded, type=list[AnyEvent]) == self.events
        assert again.state_hash() == self.engine.state_hash()

    # Steps of a random run

    def step(self, randomness: random.Random) -> None:
        choices = Choices(randomness.randbytes(BYTES_PER_STEP))
        kind = randomness.randrange(32)
        open_orders = [
            (order.order_id, order.account_id, order.quantity_lots)
            for order in self.engine.orders.values()
        ]
        if kind < 20:
            self.apply(
                make_place(choices, self.config, self.ts_us, self.position), choices.below(3)
            )
        elif kind < 24:
            self.apply(make_amend(choices, self.config, self.ts_us, open_orders))
        elif kind < 26:
            self.apply(make_cancel(choices, open_orders))
        elif kind < 27:
            self.apply(make_cancel_all(choices))
        elif kind < 28:
            self.apply(make_configure(choices, self.config, self.engine.status, self.ts_us))
        elif kind < 29:
            self.apply(Tick(), choices.pick((1, 5, 20)))
        elif kind < 30:
            by_lots = choices.pick((100, 1_000, -100, -1_000, 50_000, -10, 0, -(10**9)))
            account_id = choices.pick((FUNDER, STRANGER, ACCOUNTS[0]))
            self.apply(ChangeLiquidity(account_id, by_lots))
        elif kind < 31:
            self.set_available(choices.pick(ACCOUNTS), choices.pick((0, 3, 20, 200)) * CREDIT)
        elif self.engine.status == MarketStatus.HALTED:
            self.apply(Configure(MarketStatus.OPEN, replace(self.config, close_at_us=None)))
        while randomness.randrange(2) and (fire := self.engine.find_next_fire()):
            self.apply(fire)

    def position(self, account_id: int, outcome: int) -> int:
        lots = self.witness.lots.get(account_id, [0] * self.config.outcomes)
        return compute_position(lots, outcome)


def terms(b_lots: int = 10_000, priors: tuple[int, ...] = (1, 1), **options: Any) -> MakerTerms:
    return MakerTerms(MAKER, FUNDER, b_lots, priors, **options)


def binary(b_lots: int = 10_000, **options: Any) -> Config:
    maker_options = {"rests_refused": options.pop("rests_refused", False)}
    priors = options.pop("priors", (1, 1))
    return Config(True, 2, 100, 100, maker=terms(b_lots, priors, **maker_options), **options)


def place(
    order_id: str,
    account_id: int,
    side: int,
    price_pips: int | None,
    lots: int | None,
    *,
    outcome: int = 0,
    tif: Tif = Tif.GTC,
    stp: Stp = Stp.CANCEL_NEWEST,
    **options: Any,
) -> Place:
    extra = OrderOptions(**options).or_none()
    return Place(
        order_id, account_id, account_id, outcome, side, price_pips, lots, tif, stp, options=extra
    )


def market_order(order_id: str, account_id: int, side: int, lots: int, **options: Any) -> Place:
    return place(order_id, account_id, side, None, lots, tif=Tif.IOC, is_market=True, **options)
