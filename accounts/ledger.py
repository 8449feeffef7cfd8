"""The only module that moves money: locks on balances, transfers, holds.

Double entry: a transfer moves `amount_micros` > 0 from the debit to the credit account, so the sum
over all accounts never changes. Balances are stored with their transfers and updated together, in
one statement per account and call. Constraints in the database refuse an illegal balance.

The caller holds a transaction and has locked all accounts involved, in one call of `lock`: that
locks rows in order of id, so callers cannot deadlock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection

from kernel import bulk
from kernel.clock import now_us, to_datetime
from kernel.ids import new_id

TRANSFERS = bulk.Table(
    "accounts_transfer",
    {
        "id": "uuid",
        "debit_account_id": "bigint",
        "credit_account_id": "bigint",
        "amount_micros": "bigint",
        "kind": "text",
        "reference": "uuid",
        "market_id": "bigint",
        "created_at": "timestamptz",
    },
)
BALANCES = bulk.Table(
    "accounts_account",
    {
        "id": "bigint",
        "cash_micros": "bigint",
        "held_micros": "bigint",
        "withdrawing_micros": "bigint",
    },
)


class Entry(NamedTuple):
    """A transfer to make. `reference` is the id of its cause (32 hex)."""

    debit_account_id: int
    credit_account_id: int
    amount_micros: int
    kind: str
    reference: str | None = None
    market_id: int | None = None


class LockedBalance(NamedTuple):
    """A locked account's money in micros, and whether it may trade.

    `withdrawing` is requested and not yet decided.
    """

    cash_micros: int
    held_micros: int
    withdrawing_micros: int
    kind: str
    is_closed: bool
    is_suspended: bool
    """Whether its owner is."""

    @property
    def available_micros(self) -> int:
        return self.cash_micros - self.held_micros - self.withdrawing_micros


_LOCK = (
    "SELECT id, cash_micros, held_micros, withdrawing_micros, kind, closed_at IS NOT NULL,"
    " owner_suspended FROM accounts_account WHERE id IN {values} ORDER BY id"
)


def send_lock(account_ids: Iterable[int], *, skip_locked: bool = False) -> Any:
    """Send the lock statement; `read_lock` reads its result (others can be sent meanwhile).

    `skip_locked` does not wait: accounts locked by others are missing in the result.
    """
    cursor, lock = bulk.open_cursor(), _LOCK
    if bulk.is_postgresql():
        lock += " FOR NO KEY UPDATE" + (" SKIP LOCKED" if skip_locked else "")
    bulk.select(cursor, lock, sorted(set(account_ids)), "bigint")
    return cursor


def read_lock(cursor: Any) -> dict[int, LockedBalance]:
    return {row[0]: LockedBalance(*row[1:]) for row in cursor.fetchall()}


def lock(account_ids: Iterable[int]) -> dict[int, LockedBalance]:
    """Lock accounts until the transaction ends and return their balances by id."""
    return read_lock(send_lock(account_ids))


def post(
    entries: Sequence[Entry],
    *,
    holds: Mapping[int, int] | None = None,
    withdrawing: Mapping[int, int] | None = None,
    cursor: Any = None,
) -> None:
    """Make transfers and change holds (by account id, by how much), all or nothing.

    Raises django.db.IntegrityError (psycopg's or sqlite3's own on a raw cursor) when a balance
    would violate a constraint.
    """
    cursor = cursor or bulk.open_cursor()
    created_at = _timestamp()
    TRANSFERS.insert(cursor, [(new_id(), *entry, created_at) for entry in entries])
    changes: dict[int, list[int]] = {}
    for entry in entries:
        changes.setdefault(entry.debit_account_id, [0, 0, 0])[0] -= entry.amount_micros
        changes.setdefault(entry.credit_account_id, [0, 0, 0])[0] += entry.amount_micros
    for column, by_account in ((1, holds), (2, withdrawing)):
        for account_id, micros in (by_account or {}).items():
            changes.setdefault(account_id, [0, 0, 0])[column] += micros
    BALANCES.add(
        cursor,
        ("cash_micros", "held_micros", "withdrawing_micros"),
        [(account_id, *change) for account_id, change in sorted(changes.items()) if any(change)],
    )


def lock_set(query: str, values: Mapping[str, Any], *, also: Sequence[int]) -> None:
    """Lock the accounts whose ids a query selects, and further ones, in order of id.

    The query is SQL from this code base; `values` are its named parameters.
    """
    if not bulk.is_postgresql():
        return  # A transaction on SQLite locks the whole database.
    wanted = f"{query} UNION SELECT unnest(%(also)s::bigint[])"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT id FROM accounts_account WHERE id IN ({wanted})"  # noqa: S608
            " ORDER BY id FOR NO KEY UPDATE) AS locked",
            {**values, "also": list(also)},
        )


def post_set(
    query: str,
    values: Mapping[str, Any],
    *,
    pot_id: int,
    into_pot: bool = False,
    kind: str,
    reference: str,
    market_id: int,
) -> int:
    """Make one transfer per row that a query selects, all or nothing; return their sum.

    The query returns distinct (account_id, amount_micros, released_micros): what moves from the pot
    to the account or into the pot, and by how much the account's hold is reduced.
    """
    values = {
        **values,
        "pot": pot_id,
        "kind": kind,
        "reference": reference,
        "market": market_id,
        "created_at": _timestamp(),
        "id": new_id()[:20],
        "mask": int(new_id()[20:], 16),
    }
    ends = "account_id, %(pot)s" if into_pot else "%(pot)s, account_id"
    new_id_sql = _NEW_ID_POSTGRESQL if bulk.is_postgresql() else _NEW_ID_SQLITE
    reference_sql = "%(reference)s::uuid" if bulk.is_postgresql() else "%(reference)s"
    sign = "-" if into_pot else "+"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_transfer ({', '.join(TRANSFERS.columns)})"  # noqa: S608
            f" SELECT {new_id_sql}, {ends}, amount_micros, %(kind)s, {reference_sql}, %(market)s,"
            f" %(created_at)s FROM ({query}) AS moved WHERE amount_micros > 0",
            values,
        )
        cursor.execute(
            f"UPDATE accounts_account SET cash_micros = cash_micros {sign} moved.amount_micros,"  # noqa: S608
            f" held_micros = held_micros - moved.released_micros FROM ({query}) AS moved"
            " WHERE accounts_account.id = moved.account_id"
            " AND (moved.amount_micros > 0 OR moved.released_micros > 0)",
            values,
        )
        cursor.execute(f"SELECT SUM(amount_micros) FROM ({query}) AS moved", values)  # noqa: S608
        total_micros = int(cursor.fetchone()[0] or 0)
    change = total_micros if into_pot else -total_micros
    if change:
        BALANCES.add(bulk.open_cursor(), ("cash_micros",), [(pot_id, change)])
    return total_micros


# A new id whose last 12 digits are the account's id, masked per call: unique, because each account
# has one row, and it does not reveal account ids.
_MASKED = "((account_id | %(mask)s) - (account_id & %(mask)s))"
_NEW_ID_POSTGRESQL = f"(%(id)s || lpad(to_hex({_MASKED}), 12, '0'))::uuid"
_NEW_ID_SQLITE = f"%(id)s || printf('%%012x', {_MASKED})"


def _timestamp() -> Any:
    """Return the current time in the form that the driver takes without conversion."""
    moment = to_datetime(now_us())
    return moment if bulk.is_postgresql() else moment.replace(tzinfo=None).isoformat(" ")
