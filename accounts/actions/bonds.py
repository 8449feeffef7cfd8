"""Bonds of disputes: taken with the dispute; returned, or lost to the house, with its decision.

Meanwhile a bond lies on the market's account of bonds. The caller holds the transaction in which
the dispute is raised or decided, so that each bond is moved twice at most.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from accounts import ledger
from accounts.actions.credits import get_house_id
from accounts.ledger import Entry
from accounts.models import Account
from accounts.models.account import AccountKind, TransferKind
from accounts.status import check_may_trade
from kernel.errors import RefusedError
from kernel.units import format_amount


class Bond(NamedTuple):
    """What an account put up for a dispute, whose id the transfers refer to."""

    account_id: int
    amount_micros: int
    dispute_id: UUID


def do_take_bond(bond: Bond, *, market_id: int) -> None:
    """Move a bond from its account to the market's bonds; refused where the account lacks it."""
    pot_id = _find_bonds_account(bond, market_id)
    available_micros = ledger.lock([bond.account_id, pot_id])[bond.account_id].available_micros
    check_may_trade(bond.account_id)
    missing_micros = bond.amount_micros - available_micros
    if missing_micros > 0:
        raise RefusedError(
            "bond_not_covered",
            bond=format_amount(bond.amount_micros),
            missing=format_amount(missing_micros),
        )
    ledger.post([_entry(bond, bond.account_id, pot_id, TransferKind.BOND, market_id)])


def do_return_bonds(bonds: Sequence[Bond], *, market_id: int) -> None:
    """Give bonds back; those of suspended and closed accounts too."""
    if not bonds:
        return
    pot_id = _find_bonds_account(bonds[0], market_id)
    ledger.lock([pot_id, *(bond.account_id for bond in bonds)])
    kind = TransferKind.BOND_RETURN
    ledger.post([_entry(bond, pot_id, bond.account_id, kind, market_id) for bond in bonds])


def do_forfeit_bond(bond: Bond, *, market_id: int) -> None:
    """Give a bond to the house."""
    pot_id = _find_bonds_account(bond, market_id)
    house_id = get_house_id(_read_currency(bond))
    ledger.lock([house_id, pot_id])
    ledger.post([_entry(bond, pot_id, house_id, TransferKind.BOND_LOSS, market_id)])


def _entry(bond: Bond, from_id: int, to_id: int, kind: str, market_id: int) -> Entry:
    reference = bond.dispute_id.hex
    return Entry(from_id, to_id, bond.amount_micros, kind, reference, market_id)


def _find_bonds_account(bond: Bond, market_id: int) -> int:
    """Return the id of the market's account of bonds, opened with the first of them."""
    account, _ = Account.objects.get_or_create(
        market_id=market_id,
        kind=AccountKind.BONDS,
        defaults={"currency": _read_currency(bond)},
    )
    return account.pk


def _read_currency(bond: Bond) -> str:
    return Account.objects.values_list("currency", flat=True).get(pk=bond.account_id)
