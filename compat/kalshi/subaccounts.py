"""An owner's sub-accounts, 0 to 63, and transfers between them."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from accounts.actions import do_move_funds, do_open_subaccount
from accounts.api.principal import act_for_sync, list_account_ids, require_main, require_verified
from accounts.idempotency import run_once
from accounts.models import Account, Transfer, User
from accounts.queries import list_internal_transfers
from compat.kalshi.numbers import money, money_cents
from compat.kalshi.requests import KalshiCall
from kernel.clock import from_datetime, now_us
from kernel.errors import ApiError
from kernel.units import MICROS_PER_CREDIT
from trading.wire.refusals import idempotency_key_reused
from web.pagination import paginate

MICROS_PER_CENT: Final = MICROS_PER_CREDIT // 100
CENTS_MAX: Final = 10**15


class SubaccountTransfer(Struct, kw_only=True):
    client_transfer_id: str
    from_subaccount: int
    to_subaccount: int
    amount_cents: int


class Netting(Struct, kw_only=True):
    subaccount_number: int
    enabled: bool


_transfer: Final = msgspec.json.Decoder(SubaccountTransfer)
_netting: Final = msgspec.json.Decoder(Netting)


def open_subaccount(call: KalshiCall) -> dict[str, Any]:
    require_main(call.caller)
    require_verified(call.caller)
    user = User.objects.get(pk=call.caller.user_id)
    return {"subaccount_number": do_open_subaccount(user, by=user).subaccount}


def transfer(call: KalshiCall) -> dict[str, Any]:
    """Move credits, once under a client's id: again it is a 409, as there."""
    require_main(call.caller)
    body: SubaccountTransfer = call.read_body(_transfer)
    if abs(body.amount_cents) > CENTS_MAX:
        raise ApiError("number_too_large", "amount_cents")
    source, target = (
        Account.objects.get(pk=act_for_sync(call.caller, number).account_id)
        for number in (body.from_subaccount, body.to_subaccount)
    )
    done = []

    def effect() -> tuple[int, Any]:
        do_move_funds(source, target, amount_micros=body.amount_cents * MICROS_PER_CENT)
        done.append(True)
        return 200, {}

    sent = msgspec.to_builtins(body)
    run_once(call.caller.account_id, body.client_transfer_id, "kalshi_transfer", sent, effect)
    if not done:
        raise idempotency_key_reused()
    return {}


def list_balances(call: KalshiCall) -> dict[str, Any]:
    now = now_us() // 1_000_000
    return {
        "subaccount_balances": [
            {
                "subaccount_number": account.subaccount,
                "exchange_index": 0,
                "balance": money(account.available_micros),
                "updated_ts": now,
            }
            for account in _list_own(call)
        ]
    }


def list_transfers(call: KalshiCall) -> dict[str, Any]:
    rows = list_internal_transfers(list_account_ids(call.caller))
    page = paginate(rows, order=["-id"], cursor=call.query.cursor, limit=call.query.limit)
    return {"transfers": [_show(row) for row in page.rows], "cursor": page.next_cursor or ""}


def list_netting(call: KalshiCall) -> dict[str, Any]:
    """Positions of different sub-accounts are never netted here."""
    return {
        "netting_configs": [
            {"subaccount_number": account.subaccount, "enabled": False, "exchange_index": 0}
            for account in _list_own(call)
        ]
    }


def change_netting(call: KalshiCall) -> dict[str, Any]:
    body: Netting = call.read_body(_netting)
    act_for_sync(call.caller, body.subaccount_number)
    if body.enabled:
        detail = "positions of different sub-accounts are not netted here"
        raise ApiError("invalid_value", "enabled", detail=detail)
    return {}


def _list_own(call: KalshiCall) -> list[Account]:
    own = Account.objects.filter(pk__in=list_account_ids(call.caller), closed_at=None)
    return list(own.order_by("number"))


def _show(row: Transfer) -> dict[str, Any]:
    return {
        "transfer_id": str(row.id),
        "from_subaccount": row.debit_account.subaccount,
        "to_subaccount": row.credit_account.subaccount,
        "amount_cents": money_cents(row.amount_micros),
        "created_ts": from_datetime(row.created_at) // 1_000_000,
        "exchange_index": 0,
    }
