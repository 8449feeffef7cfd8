"""Sub-accounts: accounts of one owner beside the main one, and transfers between them.

An owner calls them by numbers from 0, the main one, to 63. Each has a balance, positions, orders
and keys of its own; what concerns a person (self-trade prevention, position limits, rate limits,
leaderboards, suspension) goes by the owner.
"""

from typing import Final

from django.db import transaction

from accounts import ledger
from accounts.actions.users import lock_accounts
from accounts.audit import record_audit
from accounts.ledger import Entry
from accounts.models import Account, Transfer, User
from accounts.models.account import MAIN_NUMBER, TransferKind
from accounts.status import check_may_act, check_may_trade
from kernel.errors import RefusedError
from kernel.ids import new_id
from kernel.units import format_amount

SUBACCOUNTS_MAX: Final = 64
"""Of an owner, the main one and closed ones included."""


def check_open_subaccount(user: User) -> Account:
    """Return the owner's main account."""
    check_may_act(user)
    main = user.accounts.get(number=MAIN_NUMBER)
    check_may_trade(main.pk)
    if user.accounts.count() >= SUBACCOUNTS_MAX:
        raise RefusedError("too_many_subaccounts", count=SUBACCOUNTS_MAX)
    return main


def do_open_subaccount(user: User, *, by: User) -> Account:
    """Open the owner's next sub-account, without money."""
    with transaction.atomic():
        lock_accounts(user)  # of two concurrent ones, the second counts the first
        user = User.objects.get(pk=user.pk)
        main = check_open_subaccount(user)
        last = max(user.accounts.values_list("number", flat=True))
        account = user.accounts.create(kind=main.kind, currency=main.currency, number=last + 1)
        record_audit("open_subaccount", account, by=by, after={"subaccount": account.subaccount})
    return account


def check_move_funds(
    source: Account, target: Account, *, amount_micros: int, available_micros: int
) -> None:
    if source.owner_id is None or source.owner_id != target.owner_id:
        raise RefusedError("not_own_accounts")
    if source.pk == target.pk:
        raise RefusedError("same_subaccount", "to_subaccount")
    if amount_micros <= 0:
        raise RefusedError("amount_not_positive", "amount")
    missing_micros = amount_micros - available_micros
    if missing_micros > 0:
        raise RefusedError("insufficient_funds", "amount", missing=format_amount(missing_micros))


def do_move_funds(source: Account, target: Account, *, amount_micros: int) -> Transfer:
    """Move free credits between two accounts of one owner."""
    with transaction.atomic():
        balances = ledger.lock([source.pk, target.pk])
        for account in (source, target):
            check_may_trade(account.pk)
        available_micros = balances[source.pk].available_micros
        check_move_funds(
            source, target, amount_micros=amount_micros, available_micros=available_micros
        )
        reference = new_id()
        kind = TransferKind.INTERNAL
        ledger.post([Entry(source.pk, target.pk, amount_micros, kind, reference)])
        return Transfer.objects.select_related("debit_account", "credit_account").get(
            debit_account=source, kind=kind, reference=reference
        )
