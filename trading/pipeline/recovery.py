"""Repeats journalled commands on a restored database: what traders did after the backup.

Each row is executed again by the same engine and writer, at its own time, and must give the events
that were recorded; so all invariants hold afterwards, and what was acknowledged is what comes back.
The journal has commands to engines only. Where one depends on something else that happened after
the backup (a new account, a grant, a new market), its market stops there, at a named command.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import structlog
from django.db import transaction

from markets.models import Market
from trading.engine.commands import AnyCommand
from trading.engine.events import AnyEvent, list_trades
from trading.engine.types import NO_ACCOUNT, RULES_VERSION, SCHEMA_VERSION
from trading.pipeline import lease, writer
from trading.pipeline.eviction import clean
from trading.pipeline.journal import JournalEntry, chain_hash, decode_body
from trading.pipeline.messages import Result, Task
from trading.pipeline.shard import Shard
from trading.pipeline.writer import Batch, LiveMarket, Prefetch

OWNER: Final = "restore"

log = structlog.get_logger(__name__)


class TailRow(NamedTuple):
    """A journal row, as it was exported."""

    market_id: int
    seq_first: int
    seq_last: int
    ts_us: int
    rules_version: int
    schema_version: int
    body: bytes
    hash: bytes


class DivergedError(Exception):
    """A command can't be repeated as it was; the message says why."""


class Recovered(NamedTuple):
    """`seqs` are the last commands of the markets that went on, `stopped` says where others did."""

    commands: int
    seqs: dict[int, int]
    stopped: dict[int, str]


def recover(rows: Iterable[TailRow], *, until_us: int | None = None) -> Recovered:
    """Repeat rows in the order of their times, up to a time; no engine may run."""
    shards: dict[int, RecoveringShard] = {}
    hashes: dict[int, bytes] = {}
    found = Recovered(0, {}, {})
    count = 0
    numbers = dict(Market.objects.values_list("pk", "shard"))
    for row in sorted(rows, key=lambda row: (row.ts_us, row.market_id, row.seq_first)):
        if row.market_id in found.stopped or (until_us is not None and row.ts_us > until_us):
            continue
        try:
            count += _repeat(row, numbers, shards, hashes)
            found.seqs[row.market_id] = row.seq_last
        except Exception as fault:
            if not isinstance(fault, DivergedError):
                log.exception("not_repeated", market=row.market_id, seq=row.seq_first)
            found.stopped[row.market_id] = (
                f"market {row.market_id} stops before command {row.seq_first}: {fault}"
            )
    for number, shard in shards.items():
        lease.release(number, shard.epoch)
    return found._replace(commands=count)


def _repeat(
    row: TailRow,
    numbers: dict[int, int],
    shards: dict[int, "RecoveringShard"],
    hashes: dict[int, bytes],
) -> int:
    """Repeat a row unless the database has it; return how many commands that were."""
    if row.market_id not in numbers:
        raise DivergedError("the market was made after the backup")
    number = numbers[row.market_id]
    if number not in shards:
        shards[number] = RecoveringShard(number, _take_lease(number))
    shard = shards[number]
    live = shard.find_market(row.market_id)
    if row.seq_last <= live.engine.seq:
        return 0
    previous = hashes.get(row.market_id, live.journal_hash)
    if row.seq_first != live.engine.seq + 1:
        raise DivergedError(f"the journal lacks what follows command {live.engine.seq}")
    if chain_hash(previous, row.body) != row.hash:
        raise DivergedError("its hash does not follow from the row before")
    if (row.rules_version, row.schema_version) != (RULES_VERSION, SCHEMA_VERSION):
        raise DivergedError("another version of the engine wrote it: restore with that one")
    shard.repeat(live, decode_body(row.body).entries, row.ts_us)
    hashes[row.market_id] = row.hash
    return row.seq_last - row.seq_first + 1


def _take_lease(number: int) -> int:
    epoch = lease.acquire(number, owner=OWNER, channel="")
    if epoch is None:
        raise DivergedError("an engine runs")
    return epoch


class RecoveringShard(Shard):
    """A shard that carries out what is recorded instead of what arrives."""

    def find_market(self, market_id: int) -> LiveMarket:
        live = self._live(market_id)
        if live is None:
            raise DivergedError("the market had not been opened at the backup")
        return live

    def repeat(self, live: LiveMarket, entries: Sequence[JournalEntry], ts_us: int) -> None:
        """Execute entries in one transaction; DivergedError unless all events are the same."""
        market_id = live.engine.market_id
        tasks = [Task(0, market_id, entry.command) for entry in entries]
        try:
            with transaction.atomic():
                batch = Batch(shard=self.number, epoch=self.epoch, ts_us=ts_us, fires_max=0)
                writer.prefetch(batch, _find_wanted(live, entries))
                self._load_accounts(tasks)
                for task, entry in zip(tasks, entries, strict=True):
                    self._execute_in_market(batch, live, task, Result(market_id, 0, ts_us))
                    _compare(entry.command, batch.part(live).entries[-1].events, entry.events)
                self._conclude(batch)
                writer.write(batch, lambda: None)
        except BaseException:
            self.markets.pop(market_id, None)  # what it did in memory is not in the database
            raise
        clean(batch)


def _compare(command: AnyCommand, events: list[AnyEvent], recorded: list[AnyEvent]) -> None:
    if events != recorded:
        raise DivergedError(f"{type(command).__name__} now gives {events} instead of {recorded}")


def _find_wanted(live: LiveMarket, entries: Sequence[JournalEntry]) -> Prefetch:
    """Return all accounts that have to do with the market: nobody else is here to wait."""
    engine = live.engine
    account_ids = {live.escrow_id, live.fees_id}
    account_ids.update(order.account_id for order in engine.orders.values())
    account_ids.update(order.account_id for order in engine.untriggered.values())
    groups: set[str] = set()
    for entry in entries:
        account_ids.add(entry.command.account_id)
        groups.update(entry.headroom)
        for event in entry.events:
            for trade in list_trades(event):
                account_ids.update((trade.taker_account_id, trade.maker_account_id))
    if engine.config is not None:
        if engine.config.maker is not None:
            account_ids.add(engine.config.maker.account_id)
        account_ids.discard(engine.config.house_account_id or NO_ACCOUNT)  # as in any batch
    account_ids.discard(NO_ACCOUNT)
    return Prefetch(account_ids, set(), groups, limited=set())
