"""The other accounts of accounts' owners, whose positions a market's limit counts together."""

from typing import Any, Final

from kernel import bulk

_SIBLINGS: Final = (
    "SELECT a.id, b.id FROM accounts_account a JOIN accounts_account b"
    " ON b.owner_id = a.owner_id AND b.id <> a.id WHERE a.id IN {values} ORDER BY a.id, b.id"
)


def send_siblings(account_ids: set[int]) -> Any:
    cursor = bulk.open_cursor()
    bulk.select(cursor, _SIBLINGS, sorted(account_ids), "bigint")
    return cursor


def read_siblings(cursor: Any, account_ids: set[int]) -> dict[int, list[int]]:
    """Return the other accounts of each account's owner, for all that were asked for."""
    siblings: dict[int, list[int]] = {account_id: [] for account_id in account_ids}
    for account_id, sibling_id in cursor.fetchall():
        siblings[account_id].append(sibling_id)
    return siblings
