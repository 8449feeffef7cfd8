"""One database transaction per batch: everything that a shard's commands read and did.

The same statements serve PostgreSQL (arrays, pipelined: one round trip to begin and read, one to
write and commit) and SQLite (`executemany`). `Batch` collects; `prefetch` locks and reads; `write`
persists. Nothing here decides anything: the engine has decided, the database's constraints check.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import psycopg

from accounts import ledger
from kernel import bulk, database_clock
from trading.engine.engine import Engine
from trading.engine.events import LiquidityChanged, Traded
from trading.engine.margin import AccountState
from trading.engine.trade_ids import trade_id
from trading.engine.types import RULES_VERSION, SCHEMA_VERSION, MarketStatus, TradeKind
from trading.models.order_groups import WINDOW_US
from trading.pipeline import order_rows, owners
from trading.pipeline.journal import JournalBody, JournalEntry, chain_hash, encode_body
from trading.pipeline.messages import Fill, Top
from trading.pipeline.tables import (
    BOOK_STATES,
    JOURNAL,
    MARGINS,
    ORDER_GROUP_FILLS,
    POSITIONS,
    RECEIPTS,
    STOPPED_GROUPS,
    TRADES,
)

Told = TypeVar("Told")

FIRES_MAX: Final = 64
"""Triggered orders that one batch fires, so that a cascade lets other tasks through."""
UNBOUNDED_MICROS: Final = 2**62
"""The available funds of the house: it may go below zero."""


class LeaseLostError(Exception):
    """Another engine owns the shard now: this one must not commit any more."""


class AccountsLockedError(Exception):
    """An account that the batch needs stayed locked for too long; nothing was done."""


class LiveMarket:
    """A market in its engine's process, with further data for its rows."""

    __slots__ = ("config_bytes", "engine", "escrow_id", "fees_id", "journal_hash")

    def __init__(self, engine: Engine, escrow_id: int, fees_id: int, journal_hash: bytes) -> None:
        self.engine = engine
        self.escrow_id = escrow_id
        self.fees_id = fees_id
        self.journal_hash = journal_hash
        self.config_bytes = b"" if engine.config is None else encode_body(engine.config)


class MarketPart:
    """A batch's changes to one market so far."""

    __slots__ = (
        "entries", "fills", "liquidity", "live", "lmsr_before", "new_orders", "order_seqs",
        "seq_before", "status", "tops", "traded",
    )  # fmt: skip

    def __init__(self, live: LiveMarket) -> None:
        self.live = live
        self.seq_before = live.engine.seq
        maker = live.engine.maker
        self.lmsr_before = None if maker is None else maker.lmsr
        self.entries: list[JournalEntry] = []
        self.fills: list[tuple[int, Fill]] = []
        self.liquidity: list[LiquidityChanged] = []
        self.new_orders: set[str] = set()
        self.order_seqs: dict[str, int] = {}
        """By order, the number of the command that last changed it."""
        self.traded: set[tuple[int, int]] = set()
        self.tops: list[Top] = []
        self.status: MarketStatus | None = None

    def add_match(self, trades: Sequence[Traded]) -> list[Fill]:
        """Add a match of the engine's current command; return its trades with their ids."""
        engine = self.live.engine
        ids = [
            trade_id(engine.market_id, engine.ts_us, engine.seq, trade.index) for trade in trades
        ]
        fills = [Fill(name, trade, ids[0]) for name, trade in zip(ids, trades, strict=True)]
        for fill in fills:
            trade = fill.trade
            self.fills.append((engine.seq, fill))
            self.order_seqs[trade.taker_order_id] = engine.seq
            self.order_seqs[trade.maker_order_id] = engine.seq
            self.traded.add((trade.taker_account_id, trade.outcome))
            self.traded.add((trade.maker_account_id, trade.outcome))
        return fills


class Batch:
    """The contents of one transaction of one shard.

    `funds` is available micros by account for each locked account; the engine keeps it up to date.
    `busy` are accounts that others have locked.
    `receipts` maps (account, key) to (body hash, encoded result), found or made here. `headroom` is
    what order groups of the locked accounts may fill, in lots; the engine keeps it up to date.
    `siblings` are other accounts of an account's owner, where a position limit asks for them.
    `fires_max` is how many triggered orders it may fire.
    """

    def __init__(self, *, shard: int, epoch: int, ts_us: int, fires_max: int = FIRES_MAX) -> None:
        self.shard = shard
        self.epoch = epoch
        self.ts_us = ts_us
        self.balances: dict[int, ledger.LockedBalance] = {}
        self.funds: dict[int, int] = {}
        self.busy: set[int] = set()
        self.database_us = 0
        self.receipts: dict[tuple[int, str], tuple[bytes, bytes]] = {}
        self.new_receipts: list[tuple[int, str, bytes, bytes, int]] = []
        self.parts: dict[int, MarketPart] = {}
        self.cash_changes: dict[int, int] = {}
        self.held_changes: dict[int, int] = {}
        self.halted = False
        self.headroom: dict[str, int] = {}
        self.headroom_before: dict[str, int] = {}
        self.siblings: dict[int, list[int]] = {}
        self.fires_max = fires_max
        self.fires = 0
        """How many triggered orders it has fired."""
        self.touched: dict[tuple[int, int], tuple[int, set[int]]] = {}
        """By task (its id) and market: the accounts that it can touch, as of which command."""

    def part(self, live: LiveMarket) -> MarketPart:
        part = self.parts.get(live.engine.market_id)
        if part is None:
            part = self.parts[live.engine.market_id] = MarketPart(live)
        return part

    def add_receipt(self, account_id: int, key: str, body_hash: bytes, result: bytes) -> None:
        self.receipts[account_id, key] = (body_hash, result)
        self.new_receipts.append((account_id, key, body_hash, result, self.ts_us))


LOCK_TIMEOUT: Final = "500ms"
"""How long a batch waits for accounts locked by others before it continues without them."""
IDLE_TIMEOUT: Final = "60s"
"""The engine computes inside its transactions; one that is frozen there loses its lease anyway."""

_LEASE: Final = (
    "SELECT l.epoch, e.trading_halted OR e.maintenance{more} FROM trading_lease l"
    " LEFT JOIN markets_exchange e ON e.id = 1 WHERE l.shard = {mark}"
)
_LEASE_SQLITE: Final = _LEASE.format(more="", mark="?")
_MORE_POSTGRESQL: Final = (
    f", {database_clock.NOW_SQL}, set_config('lock_timeout', '{LOCK_TIMEOUT}', true),"
    f" set_config('idle_in_transaction_session_timeout', '{IDLE_TIMEOUT}', true),"
    f" {bulk.LOOK_UP_BY_INDEX}"
)
_LEASE_POSTGRESQL: Final = _LEASE.format(more=_MORE_POSTGRESQL, mark="%s") + " FOR KEY SHARE OF l"


class Prefetch(NamedTuple):
    """A batch's reads and locks before it begins.

    `limited` send orders where a limit is their owners'. `groups` are order groups, each of an
    account, whose lock is the group's too. `leaves_locked`: do not wait for accounts.
    """

    account_ids: set[int]
    keys: set[tuple[int, str]]
    groups: set[str]
    limited: set[int]
    leaves_locked: bool = False


def prefetch(batch: Batch, wanted: Prefetch) -> None:
    """Check the lease, lock the accounts in order of id, read earlier answers and the halt.

    Raises LeaseLostError, and AccountsLockedError unless the batch leaves locked accounts alone.
    """
    lease = bulk.open_cursor()
    locks = found = groups = siblings = None
    bulk.keep_plans()
    try:
        with bulk.pipeline():
            bulk.begin()
            statement = _LEASE_POSTGRESQL if bulk.is_postgresql() else _LEASE_SQLITE
            bulk.execute(lease, statement, (batch.shard,))
            if wanted.account_ids:
                locks = ledger.send_lock(wanted.account_ids, skip_locked=wanted.leaves_locked)
            if wanted.keys:
                found = _send_receipts(wanted.keys)
            if wanted.groups:
                groups = _send_rooms(wanted.groups, since_us=batch.ts_us - WINDOW_US)
            if wanted.limited:
                siblings = owners.send_siblings(wanted.limited)
    except psycopg.errors.LockNotAvailable as fault:
        if wanted.leaves_locked:
            raise
        raise AccountsLockedError(str(fault)) from fault
    # Read only here: inside the pipeline each first read would be a round trip of its own.
    row = lease.fetchone()
    if row is None or row[0] != batch.epoch:
        raise LeaseLostError(f"shard {batch.shard}: epoch {batch.epoch} is over")
    batch.halted = bool(row[1])
    batch.database_us = row[2] if bulk.is_postgresql() else database_clock.database_now_us()
    if locks is not None:
        batch.balances = ledger.read_lock(locks)
        batch.busy = wanted.account_ids - batch.balances.keys()
    for account_id, key, body_hash, answer in found.fetchall() if found is not None else ():
        batch.receipts[account_id, key] = (bytes(body_hash), bytes(answer))
    if groups is not None:
        batch.headroom = {_read_id(group_id): int(lots) for group_id, lots in groups.fetchall()}
        batch.headroom_before = dict(batch.headroom)
    if siblings is not None:
        batch.siblings = owners.read_siblings(siblings, wanted.limited)
    batch.funds = {
        account_id: UNBOUNDED_MICROS if balance.kind == "house" else balance.available_micros
        for account_id, balance in batch.balances.items()
    }


def _send_receipts(keys: set[tuple[int, str]]) -> Any:
    select = "SELECT r.account_id, r.key, r.body_hash, r.answer FROM trading_receipt r"
    cursor, pairs = bulk.open_cursor(), sorted(keys)
    if bulk.is_postgresql():
        bulk.execute(
            cursor,
            f"{select} JOIN unnest(%s::bigint[], %s::text[]) AS k(account_id, key)"
            " ON r.account_id = k.account_id AND r.key = k.key",
            [
                bulk.array_literal("bigint", [account_id for account_id, _ in pairs]),
                bulk.array_literal("text", [key for _, key in pairs]),
            ],
        )
    else:
        marks = ", ".join("(?, ?)" for _ in pairs)
        cursor.execute(
            f"{select} WHERE (r.account_id, r.key) IN (VALUES {marks})",
            [value for pair in pairs for value in pair],
        )
    return cursor


_ROOMS: Final = (
    "SELECT g.id, CASE WHEN g.stopped_at_us IS NOT NULL THEN 0 ELSE g.limit_lots - COALESCE(("
    "SELECT SUM(f.lots) FROM trading_ordergroupfill f"
    " WHERE f.group_id = g.id AND f.filled_at_us > {since}), 0) END"
    " FROM trading_ordergroup g WHERE g.id {chosen}"
)


def _send_rooms(groups: set[str], *, since_us: int) -> Any:
    """Ask what each group may still fill: nothing once it is stopped."""
    cursor, ids = bulk.open_cursor(), sorted(groups)
    if bulk.is_postgresql():
        statement = _ROOMS.format(since="%s", chosen="= ANY(%s::uuid[])")
        bulk.execute(cursor, statement, [since_us, bulk.array_literal("uuid", ids)])
    else:
        marks = ", ".join("?" for _ in ids)
        cursor.execute(_ROOMS.format(since="?", chosen=f"IN ({marks})"), [since_us, *ids])
    return cursor


def _read_id(value: Any) -> str:
    """Return an id as 32 hex digits; PostgreSQL has a type of its own for it."""
    return str(value).replace("-", "")


def write(batch: Batch, meanwhile: Callable[[], Told]) -> Told:
    """Persist all parts of the batch and commit the caller's transaction (PostgreSQL).

    Returns what `meanwhile` does, which runs before the COMMIT, while the database is at work.
    """
    cursor = bulk.open_cursor()
    with bulk.committing_pipeline():
        for part in batch.parts.values():
            _write_orders(cursor, part)
            _write_trades(cursor, part)
            _write_accounts(cursor, part)
            _write_journal(cursor, batch, part)
        RECEIPTS.insert(cursor, batch.new_receipts)
        _write_groups(cursor, batch)
        entries = [entry for part in batch.parts.values() for entry in _transfers(part)]
        _sum_changes(batch, entries)
        ledger.post(entries, holds=batch.held_changes, cursor=cursor)
        told = meanwhile()
    return told


def _write_groups(cursor: Any, batch: Batch) -> None:
    """Record what order groups have filled, and which of them that has stopped."""
    used = [
        (group_id, headroom_lots, batch.headroom[group_id])
        for group_id, headroom_lots in batch.headroom_before.items()
        if batch.headroom[group_id] != headroom_lots
    ]
    fills = [(group_id, batch.ts_us, before - after) for group_id, before, after in used]
    ORDER_GROUP_FILLS.insert(cursor, fills)
    stopped = [(group_id, batch.ts_us) for group_id, _, after in used if after <= 0]
    STOPPED_GROUPS.update(cursor, ("stopped_at_us",), stopped)


def _write_orders(cursor: Any, part: MarketPart) -> None:
    engine = part.live.engine
    new, changed = [], []
    for order in engine.dirty_orders.values():
        seq = part.order_seqs[order.order_id]
        row = order_rows.build_row(order, market_id=engine.market_id, ts_us=engine.ts_us, seq=seq)
        if order.order_id in part.new_orders:
            new.append(row)
        else:
            changed.append((row[0], *row[order_rows.FIXED :]))
    order_rows.TABLE.insert(cursor, new)
    order_rows.TABLE.update(cursor, order_rows.CHANGING, changed)


def _write_trades(cursor: Any, part: MarketPart) -> None:
    engine = part.live.engine
    TRADES.insert(
        cursor,
        [
            (
                fill.trade_id,
                engine.market_id,
                seq,
                trade.outcome,
                trade.taker_side,
                trade.price_pips,
                trade.quantity_lots,
                trade.paid_micros,
                trade.kind.value,
                trade.taker_account_id,
                trade.maker_account_id,
                trade.taker_order_id or None,
                trade.maker_order_id or None,
                trade.taker_cash_micros,
                trade.maker_cash_micros,
                trade.taker_fee_micros,
                trade.maker_fee_micros,
                engine.ts_us,
                fill.match_id,
            )
            for seq, fill in part.fills
            for trade in (fill.trade,)
        ],
    )


def _write_accounts(cursor: Any, part: MarketPart) -> None:
    engine = part.live.engine
    traders = {account_id for account_id, _ in part.traded}  # also the house and the maker
    MARGINS.upsert(
        cursor,
        [
            _margin_row(engine.market_id, engine.accounts[account_id])
            for account_id in sorted(traders.union(engine.list_dirty_accounts()))
        ],
    )
    POSITIONS.upsert(
        cursor,
        [
            (
                engine.market_id,
                account_id,
                outcome,
                account.net_lots[outcome],
                account.cost_micros[outcome],
                account.realised_micros[outcome],
            )
            for account_id, outcome in sorted(part.traded)
            for account in (engine.accounts[account_id],)
        ],
    )


def _margin_row(market_id: int, account: AccountState) -> tuple[int, ...]:
    return (
        market_id,
        account.account_id,
        account.collateral_lots,
        account.held_micros,
        account.net_paid_micros,
        account.fees_micros,
    )


def _write_journal(cursor: Any, batch: Batch, part: MarketPart) -> None:
    live, engine = part.live, part.live.engine
    body = encode_body(JournalBody(part.entries, part.tops))
    live.journal_hash = chain_hash(live.journal_hash, body)
    row = (
        engine.market_id,
        part.seq_before + 1,
        engine.seq,
        batch.shard,
        batch.epoch,
        engine.ts_us,
        RULES_VERSION,
        SCHEMA_VERSION,
        body,
        live.journal_hash,
    )
    JOURNAL.insert(cursor, [row])
    if engine.status is None or engine.config is None:
        return
    if part.status is not None:
        live.config_bytes = encode_body(engine.config)
    BOOK_STATES.upsert(
        cursor,
        [
            (
                engine.market_id,
                engine.seq,
                engine.ts_us,
                engine.status.value,
                live.config_bytes,
                None if engine.maker is None else encode_body(engine.maker.save()),
                live.journal_hash,
            )
        ],
    )


def _transfers(part: MarketPart) -> Iterable[ledger.Entry]:
    """Yield a trade's transfers: per side one between account and escrow, and one for the fee.

    None for the house between the legs of a match: what it pays and is paid there is nothing in
    all, and its account need not be locked. A maker's liquidity goes before its trades.
    """
    live = part.live
    market_id = live.engine.market_id
    for change in part.liquidity:
        ends = (change.account_id, change.maker_account_id)
        if change.amount_micros < 0:
            ends = ends[::-1]
        if change.amount_micros:
            yield ledger.Entry(*ends, abs(change.amount_micros), "liquidity", None, market_id)
    for _, fill in part.fills:
        trade = fill.trade
        for order_id, account_id, cash_micros, fee_micros in (
            (
                trade.taker_order_id,
                trade.taker_account_id,
                trade.taker_cash_micros,
                trade.taker_fee_micros,
            ),
            (
                trade.maker_order_id,
                trade.maker_account_id,
                trade.maker_cash_micros,
                trade.maker_fee_micros,
            ),
        ):
            if not order_id and trade.kind is not TradeKind.MAKER:
                continue
            if cash_micros < 0:
                yield ledger.Entry(
                    account_id, live.escrow_id, -cash_micros, "trade", fill.trade_id, market_id
                )
            elif cash_micros > 0:
                yield ledger.Entry(
                    live.escrow_id, account_id, cash_micros, "trade", fill.trade_id, market_id
                )
            if fee_micros:
                yield ledger.Entry(
                    account_id, live.fees_id, fee_micros, "fee", fill.trade_id, market_id
                )


def _list_dirty_accounts(part: MarketPart) -> list[int]:
    """Return the accounts whose holds may have changed; a maker has no orders, but trades."""
    engine = part.live.engine
    dirty = set(engine.list_dirty_accounts())
    if engine.config is not None and engine.config.maker is not None:
        maker_id = engine.config.maker.account_id
        dirty.update(maker_id for account_id, _ in part.traded if account_id == maker_id)
    return sorted(dirty)


def _sum_changes(batch: Batch, entries: list[ledger.Entry]) -> None:
    """Compute the change of each account's cash and hold from its funds and transfers."""
    cash = batch.cash_changes
    for entry in entries:
        cash[entry.debit_account_id] = cash.get(entry.debit_account_id, 0) - entry.amount_micros
        cash[entry.credit_account_id] = cash.get(entry.credit_account_id, 0) + entry.amount_micros
    for part in batch.parts.values():
        for account_id in _list_dirty_accounts(part):
            balance = batch.balances[account_id]
            before = UNBOUNDED_MICROS if balance.kind == "house" else balance.available_micros
            change = cash.get(account_id, 0) - (batch.funds[account_id] - before)
            if change:
                batch.held_changes[account_id] = change
