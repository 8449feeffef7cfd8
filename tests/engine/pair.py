"""The fast engine and the naive one side by side, with every law checked after every command."""

import random
import re
import sys
from typing import Final

import msgspec

from tests.engine.generate import (
    ACCOUNTS,
    BYTES_PER_STEP,
    CREDIT,
    GROUPS,
    Choices,
    Target,
    make_amend,
    make_attach,
    make_cancel,
    make_cancel_all,
    make_config,
    make_configure,
    make_elsewhere,
    make_place,
    make_room,
)
from tests.engine.laws import Witness, compute_position
from tests.engine.naive import NaiveEngine
from trading.engine.book import OrderBook
from trading.engine.commands import AnyCommand, CancelGroup, Configure, Fire, Tick
from trading.engine.dry_run import find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.events import AnyEvent, Triggered, TriggerMoved
from trading.engine.types import BUY, PAYOUT_PIPS, SELL, Config, MarketStatus

MODULES_THAT_COUNT_MAKERS: Final = tuple(
    module
    for name, module in sys.modules.items()
    if "engine." in name and hasattr(module, "MAKERS_MET_MAX")
)
"""Where a test that lowers the limit has to lower it."""
JournalEntry = tuple[AnyCommand, int, dict[int, int], dict[str, int], dict[int, int]]
"""A command, its time, what every account had available before it, every group's room, and what the
command's owner has in other accounts.
"""
DUMP_EVERY: Final = 8
RESTORE_EVERY: Final = 23


class Pair:
    """One market in both engines. `transcript()` returns the calls that led to its state."""

    def __init__(self, config: Config) -> None:
        self.fast, self.naive, self.witness = Engine(7), NaiveEngine(7), Witness()
        self.ts_us = 1_000_000
        self.funds = dict.fromkeys(ACCOUNTS, 0)
        self.headroom = {group: 10**6 for groups in GROUPS.values() for group in groups}
        self.elsewhere: dict[int, dict[int, int]] = {}
        self.log: list[str] = []
        self.journal: list[JournalEntry] = []
        self.events: list[AnyEvent] = []
        for account_id in ACCOUNTS:
            self.set_available(account_id, 20 * CREDIT)
        self.log = [f"pair = Pair({config!r})"]
        self.apply(Configure(MarketStatus.OPEN, config))
        del self.log[1:]

    @property
    def config(self) -> Config:
        assert self.naive.config is not None
        return self.naive.config

    def set_available(self, account_id: int, amount_micros: int) -> None:
        """Deposit or withdraw, so that this much is left."""
        self.witness.bring(account_id, amount_micros - self.funds[account_id])
        self.funds[account_id] = amount_micros
        self.log.append(f"pair.set_available({account_id}, {amount_micros})")

    def set_room(self, account_id: int, order_group: str, lots: int) -> None:
        """Let a group fill so much, or, as a shard does, stop it."""
        self.headroom[order_group] = lots
        self.log.append(f"pair.set_room({account_id}, {order_group!r}, {lots})")
        if not lots:
            self.apply(CancelGroup(order_group, account_id))

    def set_elsewhere(self, account_id: int, lots: dict[int, int]) -> None:
        """Let other accounts of an account's owner have so much, by side x (outcome + 1)."""
        self.elsewhere[account_id] = lots
        self.log.append(f"pair.set_elsewhere({account_id}, {lots})")

    def apply(self, command: AnyCommand, elapsed_us: int = 0) -> list[AnyEvent]:
        self.log.append(f"pair.apply({command!r}, {elapsed_us})")
        self.ts_us += elapsed_us
        try:
            return self._apply(command)
        except Exception as error:
            error.add_note(self.transcript())
            raise

    def fire_due(self) -> None:
        """Fire what is due, as a shard does, with what that makes due in turn."""
        while fire := self.fast.find_next_fire():
            assert fire == self.naive.find_next_fire()
            self.apply(fire)

    def transcript(self) -> str:
        """The calls so far, ready to be pasted."""
        return re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", "\n".join(self.log))

    def open_orders(self) -> list[Target]:
        """Of all that is live, with the brackets of legs whose entries may have ended."""
        orders = (*self.naive.orders, *self.naive.waiting)
        return [
            *((o.place.order_id, o.place.account_id, o.quantity_lots) for o in orders),
            *self.naive.list_brackets(),
        ]

    def position(self, account_id: int, outcome: int) -> int:
        lots = self.witness.lots.get(account_id, [0] * self.config.outcomes)
        return compute_position(lots, outcome)

    def check_dumps(self) -> None:
        assert self.fast.dump() == self.naive.dump()

    def _apply(self, command: AnyCommand) -> list[AnyEvent]:
        touched = find_touched_accounts(self.fast, command, self.ts_us)
        before, headroom = dict(self.funds), dict(self.headroom)
        elsewhere = self.elsewhere.get(command.account_id, {})
        self.journal.append((command, self.ts_us, before, dict(headroom), elsewhere))
        # Every other command the fast engine is given the funds that it asked for, and no others.
        narrow = self.naive.seq % 2 == 1
        asked = touched | ({command.account_id} & before.keys())
        fast_funds = {a: before[a] for a in asked} if narrow else dict(before)
        quoted = self.fast.quote(command, self.ts_us, fast_funds, headroom, elsewhere)
        assert fast_funds == {a: before[a] for a in fast_funds}, "a quote changed the funds"
        assert headroom == self.headroom, "a quote changed the headroom"
        expected = self.naive.execute(command, self.ts_us, self.funds, self.headroom, elsewhere)
        events = self.fast.execute(command, self.ts_us, fast_funds, headroom, elsewhere)
        assert events == expected
        assert headroom == self.headroom
        seen_by_triggers = (Triggered, TriggerMoved)
        assert quoted == [event for event in events if not isinstance(event, seen_by_triggers)]
        assert fast_funds == {a: self.funds[a] for a in fast_funds}
        changed = {a for a in ACCOUNTS if self.funds[a] != before[a]}
        assert changed <= touched, f"{touched} lacks {changed - touched}"
        self.naive.check_legs()
        self.events += events
        self.witness.see(command, events)
        self.witness.check(self.fast.dump(), self.funds)
        if self.naive.seq % DUMP_EVERY == 0:
            self.check_dumps()
        if self.naive.seq % RESTORE_EVERY == 0:
            self.restore()
        return events

    def restore(self) -> None:
        """Continue with a copy restored from a snapshot, whose sums are recomputed."""
        old = self.fast
        self.fast = Engine.restore(old.snapshot())
        assert self.fast.state_hash() == old.state_hash()
        for account_id, account in old.accounts.items():
            own = [o for o in self.fast.orders.values() if o.account_id == account_id]
            assert old.list_orders(account) == sorted(own, key=lambda order: order.order_id)
            account.orders = None  # whether they are known may differ, and nothing else
        assert self.fast.accounts == old.accounts
        assert {name: set(group) for name, group in old.groups.items()} == {
            name: set(group) for name, group in self.fast.groups.items()
        }
        for engine in (old, self.fast):
            for book in engine.books:
                check_book(book)
            check_tops(engine)

    # Steps, decoded from BYTES_PER_STEP bytes each.

    def step_place(self, data: bytes) -> None:
        choices = Choices(data)
        if not choices.one_in(4):
            self._reopen()
        elapsed_us = choices.pick((0, 1, 1, 2, 3, 9, 0, -3))
        place = make_place(choices, self.config, self.ts_us, self.position)
        self.apply(place, elapsed_us)

    def _reopen(self) -> None:
        """Resume what halted or passed its close, so that most commands find an open market."""
        close_at_us = self.config.close_at_us
        past_close = close_at_us is not None and self.ts_us >= close_at_us
        if self.naive.status == MarketStatus.HALTED or past_close:
            config = msgspec.structs.replace(self.config, close_at_us=None)
            self.apply(Configure(MarketStatus.OPEN, config))

    def step_amend(self, data: bytes) -> None:
        choices = Choices(data)
        self.apply(make_amend(choices, self.config, self.ts_us, self.open_orders()))

    def step_cancel(self, data: bytes) -> None:
        choices = Choices(data)
        many = choices.one_in(6)
        cancel = make_cancel_all(choices) if many else make_cancel(choices, self.open_orders())
        self.apply(cancel, choices.pick((0, 1)))

    def step_attach(self, data: bytes) -> None:
        self.apply(make_attach(Choices(data), self.config, self.ts_us, self.position))

    def step_configure(self, data: bytes) -> None:
        choices = Choices(data)
        self.apply(make_configure(choices, self.config, self.naive.status, self.ts_us))

    def step_time(self, data: bytes) -> None:
        self.apply(Tick(), Choices(data).pick((1, 5, 20, 60)))

    def step_fire(self, data: bytes) -> None:
        """What is due, or now and then what is not, or somebody else's."""
        choices = Choices(data)
        if choices.one_in(4) and (targets := self.open_orders()):
            order_id, account_id, _ = choices.pick(targets)
            self.apply(Fire(order_id, choices.pick((account_id, ACCOUNTS[0]))))
        elif choices.one_in(12) and (fire := self.fast.find_next_fire()):
            self.apply(msgspec.structs.replace(fire, gives_up=True))
        else:
            self.fire_due()

    def step_group(self, data: bytes) -> None:
        self.set_room(*make_room(Choices(data), self.config))

    def step_elsewhere(self, data: bytes) -> None:
        self.set_elsewhere(*make_elsewhere(Choices(data), self.config))

    def step_money(self, data: bytes) -> None:
        """Withdraw everything, or be left with little, or have money again."""
        choices = Choices(data)
        account_id = choices.pick(ACCOUNTS)
        left = choices.pick((0, 0, 0, 20, 3, 200, 1, 10**8)) * CREDIT
        self.set_available(account_id, left + choices.pick((0, 0, 3, 77, CREDIT // 2)))


STEPS: Final = (
    *(Pair.step_place,) * 23,
    Pair.step_elsewhere,
    *(Pair.step_amend,) * 6,
    *(Pair.step_attach,) * 2,
    *(Pair.step_cancel, Pair.step_money, Pair.step_group) * 2,
    *(Pair.step_configure, Pair.step_time),
    *(Pair.step_fire,) * 8,
)


def check_book(book: OrderBook) -> None:
    """Totals, counts of dead orders, bits and best prices are what the queues say."""
    prices: dict[int, set[int]] = {BUY: set(), SELL: set()}
    for price_pips, level in book.levels.items():
        live = [order for order in level.queue if order.live]
        assert level.dead == len(level.queue) - len(live)
        assert level.total_lots == sum(order.remaining_lots for order in live)
        for order in live:
            assert order.price_pips == price_pips
            prices[order.side].add(price_pips)
    assert list(book.prices_of(BUY)) == sorted(prices[BUY], reverse=True)
    assert list(book.prices_of(SELL)) == sorted(prices[SELL])
    assert book.best_bid_pips == max(prices[BUY], default=0)
    assert book.best_ask_pips == min(prices[SELL], default=PAYOUT_PIPS)


def check_tops(engine: Engine) -> None:
    """No book is crossed, nor are those that are matched with one another, whose sums are right."""
    books = engine.books
    for book in books:
        assert book.best_bid_pips < book.best_ask_pips
    if not engine.rules.crosses_books:
        return
    bid_pips, ask_pips = sum(b.best_bid_pips for b in books), sum(b.best_ask_pips for b in books)
    for book in books:
        assert book.tops is not None
        assert (book.tops.bid_pips, book.tops.ask_pips) == (bid_pips, ask_pips)
    assert bid_pips < PAYOUT_PIPS
    assert ask_pips > PAYOUT_PIPS or not all(book.asks for book in books)


def run_random_market(seed: int, steps: int) -> Pair:
    """Return a pair that took `steps` random steps without breaking a law."""
    randomness = random.Random(seed)
    pair = Pair(make_config(Choices(randomness.randbytes(BYTES_PER_STEP))))
    for _ in range(steps):
        randomness.choice(STEPS)(pair, randomness.randbytes(BYTES_PER_STEP))
    pair.check_dumps()
    return pair
