"""Ending orders by the exchange: those of stopped accounts, and expired ones."""

from accounts.actions import record_audit
from accounts.models import Account, User
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from trading.actions.engine import send
from trading.engine.commands import CancelAll, Tick
from trading.pipeline.messages import Result, Task


def check_cancel_orders(account: Account, *, by: User | None) -> None:
    if by is not None and not (by.is_staff and by.has_perm("accounts.suspend_users")):
        raise no_right(by)
    if account.owner_id is None:
        raise RefusedError("not_a_trading_account")


def do_cancel_orders(account: Account, *, by: User | None, reason: str = "") -> int:
    """Cancel every open order of an account, on all shards; return their number."""
    check_cancel_orders(account, by=by)
    answers = send([Task(0, None, CancelAll(account.pk, by_operator=True))])
    cancelled = sum(
        len(answer.result.order_ids) for answer in answers if isinstance(answer.result, Result)
    )
    if by is not None:
        record_audit("cancel_orders", account, by=by, after={"cancelled": cancelled}, reason=reason)
    return cancelled


def do_cancel_own_orders(account: Account) -> None:
    """Cancel every open order of an account on behalf of its owner."""
    check_cancel_orders(account, by=None)
    send([Task(0, None, CancelAll(account.pk))])


def do_pass_time(market_id: int) -> None:
    """Let a market's engine process the current time, so that due orders expire."""
    send([Task(0, market_id, Tick())])
