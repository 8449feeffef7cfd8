"""The markets of one shard: commands in, one committed transaction, answers and changes out.

Synchronous and used by one thread. `run` takes tasks from the front of the queue and returns how
many it executed: a task that may touch an account which is not locked yet waits for the next batch,
so locks are always taken in one statement, in order of id. After any failure inside a transaction
the books in memory are dropped and reloaded: the database is the source of truth. What a task
triggers is fired right after it, or by the next batch if that has to lock other accounts for it.
"""

import gc
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from django.db import transaction

from kernel import database_clock
from kernel.clock import now_us
from kernel.metrics import COMMANDS
from markets.models import Market
from trading.engine.commands import (
    Amend,
    Attach,
    CancelGroup,
    ChangeLiquidity,
    Configure,
    Fire,
    Place,
)
from trading.engine.dry_run import copy_touched, find_touched_accounts
from trading.engine.engine import Engine
from trading.engine.margin import new_account
from trading.engine.types import NO_ACCOUNT, MarketStatus
from trading.models import BookState
from trading.pipeline import writer
from trading.pipeline.counting import count_commit, name_command
from trading.pipeline.eviction import clean
from trading.pipeline.journal import GENESIS, JournalEntry
from trading.pipeline.loading import load_engine, read_accounts
from trading.pipeline.messages import (
    Result,
    Task,
    encode,
)
from trading.pipeline.publication import build_publication, find_changed_tops, find_maker_prices
from trading.pipeline.reach import (
    find_elsewhere,
    find_groups,
    find_headroom,
    find_limited_fires,
    find_touched,
    find_touched_by_fires,
    is_limited,
)
from trading.pipeline.results import fill_in, was_rejected
from trading.pipeline.status import record_configured
from trading.pipeline.writer import (
    FIRES_MAX,
    AccountsLockedError,
    Batch,
    LiveMarket,
    MarketPart,
    Prefetch,
)

BATCH_TASKS_MAX: Final = 512
TAKERS: Final = frozenset({Place, Amend, Attach, ChangeLiquidity})
"""Commands that may trade or pay, now or later; the others only cancel or read."""


class ClockWrongError(Exception):
    """This machine's clock and the database's disagree; nothing was done."""


class EncodedAnswer(msgspec.Struct, array_like=True, gc=False):
    """An `Answer` whose result is encoded already; the same bytes go into the receipt."""

    ticket: int
    status: str
    result: msgspec.Raw | None = None


class Committed(NamedTuple):
    """The result of `run`: replies to the first tasks, in order, and the changes, encoded.

    Encoded at once, because the next batch changes the same orders.
    """

    replies: list[EncodedAnswer]
    publication: bytes | None


class Shard:
    """All markets of one shard, as the owner of its lease at `epoch` sees them."""

    def __init__(self, number: int, epoch: int) -> None:
        self.number = number
        self.epoch = epoch
        self.ts_us = 0
        self.markets: dict[int, LiveMarket] = {}
        self.is_loaded = False
        self.busy: set[int] = set()
        """Accounts that stayed locked for too long when last needed."""
        self.due: set[int] = set()
        """Markets with triggered orders that can be fired."""
        self.is_stuck = False
        """Whether the last batch fired none of them."""
        self.firing = ""
        """The order that was fired last, or could not be."""
        self.unfirable: set[str] = set()
        """Orders whose firing failed through a fault: they are ended instead."""
        self.left_alone: set[str] = set()
        """Those for which even that failed: they wait for another engine."""

    def load(self) -> None:
        """Load every market that trades; others are loaded on first use."""
        self.markets.clear()
        self.due.clear()
        states = BookState.objects.filter(
            market__shard=self.number, status__in=(MarketStatus.OPEN, MarketStatus.HALTED)
        )
        for market_id in states.order_by("market_id").values_list("market_id", flat=True):
            self._live(market_id)
        self.is_loaded = True
        gc.collect()
        gc.freeze()  # A million resting orders need not be traversed at each garbage collection.

    def run(self, tasks: Sequence[Task], *, fires_max: int = FIRES_MAX) -> Committed:
        """Execute tasks from the front in one transaction, and fire what is due.

        At least one task is executed unless something was fired or a group's orders were cancelled;
        there need not be any.

        Tasks that need an account which stays locked are answered "account_busy", all are answered
        "clock_wrong" while the clocks disagree: nothing was done, all may be sent again. Raises
        whatever the database raises, and LeaseLostError; then nothing was changed and the books are
        gone from memory.
        """
        if not self.is_loaded:
            self.load()
        try:
            return self._run(tasks, fires_max)
        except AccountsLockedError:
            return self._run(tasks, fires_max, leaves_locked=True)
        except ClockWrongError:
            for task in tasks:
                COMMANDS.add(name_command(task), "clock_wrong")
            return Committed([EncodedAnswer(task.ticket, "clock_wrong") for task in tasks], None)

    def give_up_firing(self) -> bool:
        """Note that firing the last order failed; return whether anything is to be tried next."""
        if not self.firing or self.firing in self.left_alone:
            return False
        known = self.left_alone if self.firing in self.unfirable else self.unfirable
        known.add(self.firing)
        return True

    def _run(
        self, tasks: Sequence[Task], fires_max: int, *, leaves_locked: bool = False
    ) -> Committed:
        self.firing = ""
        began_at = time.perf_counter()
        try:
            with transaction.atomic():
                batch = self._begin(tasks, fires_max, leaves_locked=leaves_locked)
                # All that can fail comes before the commit: after it, nothing may be done again.
                done = Committed(self._execute_all(batch, tasks), None)
                if batch.parts or batch.new_receipts:
                    self._conclude(batch)
                    told = writer.write(
                        batch,
                        lambda: encode(
                            build_publication(batch, shard=self.number, epoch=self.epoch)
                        ),
                    )
                    done = Committed(done.replies, told)
        except (AccountsLockedError, ClockWrongError):  # before anything was applied
            raise
        except BaseException:
            self.markets.clear()
            self.is_loaded = False
            self.is_stuck = True
            raise
        count_commit(batch, tasks, done.replies, seconds=time.perf_counter() - began_at)
        clean(batch)
        return done

    def find_latest_us(self) -> int:
        """Return the latest time in the books."""
        return max((live.engine.ts_us for live in list(self.markets.values())), default=0)

    # Reading

    def _live(self, market_id: int) -> LiveMarket | None:
        """Return a market of this shard, loaded if need be."""
        live = self.markets.get(market_id)
        if live is not None:
            return live
        row = (
            Market.objects.filter(id=market_id, shard=self.number)
            .values_list("escrow_account_id", "fees_account_id")
            .first()
        )
        if row is None or row[0] is None or row[1] is None:
            return None
        engine = load_engine(market_id, all_accounts=False)
        state = BookState.objects.filter(market_id=market_id).first()
        journal_hash = GENESIS if state is None else bytes(state.journal_hash)
        live = self.markets[market_id] = LiveMarket(engine, row[0], row[1], journal_hash)
        self._note_due(live)
        return live

    def _note_due(self, live: LiveMarket) -> None:
        """Note whether a market has triggered orders that can be fired."""
        if live.engine.due and live.engine.find_next_fire(self.left_alone) is not None:
            self.due.add(live.engine.market_id)
        else:
            self.due.discard(live.engine.market_id)

    def _begin(self, tasks: Sequence[Task], fires_max: int, *, leaves_locked: bool) -> Batch:
        began_us = now_us()
        ts_us = max(self.ts_us, began_us)
        batch = Batch(shard=self.number, epoch=self.epoch, ts_us=ts_us, fires_max=fires_max)
        wanted = self._find_wanted(batch, tasks, leaves_locked=leaves_locked)
        writer.prefetch(batch, wanted)
        ahead_us = database_clock.compute_least_ahead_us(began_us, batch.database_us, now_us())
        if database_clock.is_wrong(ahead_us):
            raise ClockWrongError(f"the clock is {ahead_us / 1_000_000:.1f} s ahead")
        self.ts_us = batch.ts_us
        self.busy = (self.busy - wanted.account_ids) | batch.busy
        self._load_accounts(tasks)
        self._load_siblings(batch, tasks)
        return batch

    def _find_wanted(self, batch: Batch, tasks: Sequence[Task], *, leaves_locked: bool) -> Prefetch:
        wanted = Prefetch(set(), set(), set(), set())
        lives = {market_id: self.markets[market_id] for market_id in self.due if batch.fires_max}
        for task in tasks:
            command = task.command
            if task.key is not None:
                wanted.keys.add((command.account_id, task.key))
            if isinstance(command, Place) and command.order_group is not None:
                wanted.groups.add(command.order_group)
            for live in self._targets(task):
                lives[live.engine.market_id] = live
                wanted.account_ids.update(find_touched(batch, live, task))
                if type(command) in TAKERS and is_limited(live.engine):
                    wanted.limited.add(command.account_id)
        for market_id in sorted(self.due) if batch.fires_max else ():
            wanted.limited.update(find_limited_fires(self.markets[market_id]))
            wanted.account_ids.update(find_touched_by_fires(self.markets[market_id], batch.ts_us))
        for live in lives.values():
            wanted.account_ids.update((live.escrow_id, live.fees_id))
            wanted.groups.update(find_groups(live, wanted.account_ids))
        wanted.account_ids.discard(NO_ACCOUNT)
        wanted.limited.discard(NO_ACCOUNT)
        # Do not wait again for accounts that just stayed locked for long.
        leaves_locked |= not self.busy.isdisjoint(wanted.account_ids)
        return wanted._replace(leaves_locked=leaves_locked)

    def _targets(self, task: Task) -> list[LiveMarket]:
        """Return a task's markets."""
        if task.market_id is not None:
            live = self._live(task.market_id)
            return [] if live is None else [live]
        command, account_id = task.command, task.command.account_id
        if isinstance(command, CancelGroup):
            return self._list_with_group(command.order_group)
        return [
            live
            for _, live in sorted(self.markets.items())
            if ((account := live.engine.accounts.get(account_id)) and account.has_orders())
            or live.engine.list_untriggered(account_id)
        ]

    def _list_with_group(self, order_group: str) -> list[LiveMarket]:
        """Return the markets in which a group has orders."""
        lives = (live for _, live in sorted(self.markets.items()))
        return [live for live in lives if order_group in live.engine.groups]

    def _load_accounts(self, tasks: Sequence[Task]) -> None:
        """Load accounts that the engines have not seen since they started."""
        missing: dict[int, set[int]] = {}
        for task in tasks:
            account_id = task.command.account_id
            live = self.markets.get(task.market_id or 0)
            if account_id == NO_ACCOUNT or live is None or not live.engine.books:
                continue
            if account_id not in live.engine.accounts:
                missing.setdefault(task.market_id or 0, set()).add(account_id)
        for market_id, account_ids in missing.items():
            engine = self.markets[market_id].engine
            engine.accounts.update(read_accounts(market_id, len(engine.books), account_ids))

    def _load_siblings(self, batch: Batch, tasks: Sequence[Task]) -> None:
        """Load the other accounts of owners into the markets whose limits count them."""
        siblings = {key for keys in batch.siblings.values() for key in keys}
        if not siblings:
            return
        for market_id in {task.market_id for task in tasks} | self.due:
            live = self.markets.get(market_id or 0)
            if live is None or not is_limited(live.engine):
                continue
            engine, books = live.engine, len(live.engine.books)
            unknown = siblings - engine.accounts.keys()
            found = read_accounts(live.engine.market_id, books, unknown) if unknown else {}
            for account_id in unknown:  # who has nothing here need not be looked for again
                engine.accounts[account_id] = found.get(account_id) or new_account(
                    account_id, books
                )

    # Execution

    def _execute_all(self, batch: Batch, tasks: Sequence[Task]) -> list[EncodedAnswer]:
        replies: list[EncodedAnswer] = []
        was_due = bool(self.due)
        self._cancel_stopped_groups(batch)
        for market_id in sorted(self.due):
            self._fire(batch, self.markets[market_id])
        for task in tasks:
            reply = self._known(batch, task) or self._execute(batch, task)
            if reply is None:
                has_begun = replies or batch.parts
                assert has_begun, "the first task of a batch has all it can touch locked"
                break
            replies.append(reply)
        self.is_stuck = was_due and not batch.fires
        return replies

    def _fire(self, batch: Batch, live: LiveMarket) -> None:
        """Carry out triggered orders of a market, while this batch has locked who they touch."""
        engine = live.engine
        while not batch.halted and batch.fires < batch.fires_max:
            fire = engine.find_next_fire(self.left_alone)
            if fire is None:
                break
            if fire.order_id in self.unfirable:
                fire = msgspec.structs.replace(fire, gives_up=True)
            touched = find_touched_accounts(engine, fire, batch.ts_us)
            if not touched | {live.escrow_id, live.fees_id} <= batch.balances.keys():
                break
            if is_limited(engine) and fire.account_id not in batch.siblings:
                break
            self.firing = fire.order_id
            self._execute_own(batch, live, fire)
            batch.fires += 1
        self._note_due(live)

    def _execute_own(self, batch: Batch, live: LiveMarket, command: Fire | CancelGroup) -> None:
        """Carry out a command of the shard's own."""
        market_id = live.engine.market_id
        task = Task(0, market_id, command)
        self._execute_in_market(batch, live, task, Result(market_id, 0, batch.ts_us))

    def _cancel_stopped_groups(self, batch: Batch) -> None:
        """Cancel the orders of groups that were stopped by hand or in another market.

        Whoever could trade with such an order has its account locked, and so finds it cancelled.
        """
        for order_group, headroom_lots in batch.headroom.items():
            for live in self._list_with_group(order_group) if headroom_lots <= 0 else ():
                order = next(iter(live.engine.groups[order_group].values()))
                command = CancelGroup(order_group, order.account_id)
                touched = find_touched_accounts(live.engine, command, batch.ts_us)
                if touched <= batch.balances.keys():
                    self._execute_own(batch, live, command)
                    self._note_due(live)

    def _known(self, batch: Batch, task: Task) -> EncodedAnswer | None:
        """Answer a task whose key has a receipt, or that cannot be executed now."""
        command = task.command
        if task.key is not None:
            found = batch.receipts.get((command.account_id, task.key))
            if found is not None:
                if found[0] != task.body_hash:
                    return EncodedAnswer(task.ticket, "key_reused")
                return EncodedAnswer(task.ticket, "repeated", msgspec.Raw(found[1]))
        if type(command) not in TAKERS:
            return None
        balance = batch.balances.get(command.account_id)
        if balance is not None and (balance.is_suspended or balance.is_closed):
            status = "account_suspended" if balance.is_suspended else "account_closed"
            return EncodedAnswer(task.ticket, status)
        return EncodedAnswer(task.ticket, "exchange_halted") if batch.halted else None

    def _execute(self, batch: Batch, task: Task) -> EncodedAnswer | None:
        """Apply one task; None when it may touch an account that this batch has not locked."""
        targets = self._targets(task)
        if task.market_id is not None and not targets:
            return EncodedAnswer(task.ticket, "market_unknown")
        for live in targets:
            touched = find_touched(batch, live, task) - {NO_ACCOUNT}
            if batch.busy and not batch.busy.isdisjoint({*touched, live.escrow_id, live.fees_id}):
                return EncodedAnswer(task.ticket, "account_busy")
            if not touched <= batch.balances.keys():
                return None
            if is_limited(live.engine) and self._lacks_siblings(batch, task):
                return None
        if task.quote:
            return EncodedAnswer(task.ticket, "done", msgspec.Raw(encode(self._quote(batch, task))))
        result = Result(task.market_id or 0, 0, batch.ts_us)
        for live in targets:
            result = self._execute_in_market(batch, live, task, result)
        self._cancel_stopped_groups(batch)
        encoded = encode(result)
        if task.key is not None:
            batch.add_receipt(task.command.account_id, task.key, task.body_hash, encoded)
        for live in targets:
            if live.engine.due:
                self._fire(batch, live)
        return EncodedAnswer(task.ticket, "done", msgspec.Raw(encoded))

    @staticmethod
    def _lacks_siblings(batch: Batch, task: Task) -> bool:
        """Whether the market has had a limit only since a command of this batch."""
        account_id = task.command.account_id
        is_asked = account_id == NO_ACCOUNT or account_id in batch.siblings
        return type(task.command) in TAKERS and not is_asked

    def _quote(self, batch: Batch, task: Task) -> Result:
        """Execute the command on a copy of what it can reach. NO_ACCOUNT has unlimited funds."""
        live = self._targets(task)[0]
        trial = copy_touched(live.engine, task.command, batch.ts_us)
        account_id = task.command.account_id
        held_before = _held(trial, account_id)
        funds = {**batch.funds, NO_ACCOUNT: writer.UNBOUNDED_MICROS}
        elsewhere = find_elsewhere(batch, live.engine, task.command)
        headroom = dict(batch.headroom)
        events = trial.execute(task.command, batch.ts_us, funds, headroom, elsewhere)
        part = MarketPart(LiveMarket(trial, 0, 0, b""))
        result = Result(live.engine.market_id, live.engine.seq, trial.ts_us)
        fill_in(result, task, part, events)
        result.held_change_micros = _held(trial, account_id) - held_before
        if result.order is not None:
            result.maker_prices = find_maker_prices(trial, result.order.outcome)
        return result

    def _execute_in_market(
        self, batch: Batch, live: LiveMarket, task: Task, result: Result
    ) -> Result:
        part = batch.part(live)
        engine, command = live.engine, task.command
        account_id = command.account_id
        funds_micros = batch.funds.get(account_id, 0)
        held_before = _held(engine, account_id)
        headroom = find_headroom(batch, engine, command) if batch.headroom else {}
        elsewhere = find_elsewhere(batch, engine, command) if batch.siblings else {}
        events = engine.execute(command, batch.ts_us, batch.funds, batch.headroom, elsewhere)
        part.entries.append(JournalEntry(command, funds_micros, events, headroom, elsewhere))
        result.seq, result.ts_us = engine.seq, engine.ts_us
        if isinstance(command, Place) and not was_rejected(events):
            part.new_orders.add(command.order_id)
        fill_in(result, task, part, events)
        result.held_change_micros += _held(engine, account_id) - held_before
        return result

    def _conclude(self, batch: Batch) -> None:
        """Update the markets' rows from their engines, and record the best prices."""
        for market_id, part in batch.parts.items():
            for entry in part.entries:
                if isinstance(entry.command, Configure) and not was_rejected(entry.events):
                    part.status = entry.command.status
                    record_configured(market_id, entry.command)
            part.tops = find_changed_tops(part)


def _held(engine: Engine, account_id: int) -> int:
    account = engine.accounts.get(account_id)
    return 0 if account is None else account.held_micros
