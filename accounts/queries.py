"""Ledger queries shared by the API, pages and admin."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import AuditEvent, Transfer, WithdrawalRequest
from accounts.models.account import TransferKind


def list_transfers(
    account_id: int, *, kind: str | None = None, before: UUID | None = None, count: int
) -> Sequence[Transfer]:
    """Return up to `count` transfers of an account, newest first, `before` an id if given.

    Merges two index scans: one condition with OR would sort an account's whole history.
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


def list_internal_transfers(account_ids: Collection[int]) -> QuerySet[Transfer]:
    """Return the transfers between accounts of one owner, from or to any of these."""
    transfers = Transfer.objects.filter(kind=TransferKind.INTERNAL)
    return transfers.filter(
        Q(debit_account__in=account_ids) | Q(credit_account__in=account_ids)
    ).select_related("debit_account", "credit_account")


def read_reasons(transfers: Iterable[Transfer]) -> Mapping[UUID, str]:
    """Return operators' reasons for transfers, by transfer id, where there is one."""
    acts = {TransferKind.GRANT, TransferKind.DEPOSIT, TransferKind.WITHDRAWAL}
    caused = {row.pk: row.reference for row in transfers if row.kind in acts and row.reference}
    if not caused:
        return {}
    reasons = {
        pk: reason
        for model in (AuditEvent, WithdrawalRequest)
        for pk, reason in model.objects.filter(pk__in=caused.values()).values_list("pk", "reason")
    }
    return {pk: reasons[cause] for pk, cause in caused.items() if reasons.get(cause)}
