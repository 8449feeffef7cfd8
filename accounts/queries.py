"""Reads of the ledger that more than one door uses."""

from collections.abc import Sequence
from uuid import UUID

from accounts.models import Transfer


def list_transfers(
    account_id: int, *, kind: str | None = None, before: UUID | None = None, count: int
) -> Sequence[Transfer]:
    """Return up to `count` transfers of an account, newest first, `before` an id if given.

    Two index scans, merged here: one condition with OR would sort an account's whole history.
    """
    transfers = Transfer.objects.select_related("debit_account", "credit_account")
    transfers = transfers.order_by("-id")
    if kind is not None:
        transfers = transfers.filter(kind=kind)
    if before is not None:
        transfers = transfers.filter(id__lt=before)
    outgoing = transfers.filter(debit_account=account_id)[:count]
    incoming = transfers.filter(credit_account=account_id)[:count]
    merged = sorted([*outgoing, *incoming], key=lambda transfer: transfer.id, reverse=True)
    return merged[:count]
