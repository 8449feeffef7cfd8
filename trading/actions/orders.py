"""Ending orders by the exchange: those of stopped accounts, and expired ones."""

from django.db.models import QuerySet

from accounts.actions import record_audit
from accounts.models import Account, User
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from trading.actions.engine import send
from trading.engine.commands import CancelAll, Tick
from trading.models import CancelTimer
from trading.pipeline import cancel_timers
from trading.pipeline.gateway import EngineAway, Overloaded, TimedOut
from trading.pipeline.messages import Result, Task
from trading.wire.refusals import build_gateway_error


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


def list_due_cancel_timers() -> QuerySet[CancelTimer]:
    """Return the timers whose accounts have not called, or were cut off, in time."""
    return cancel_timers.list_due()


def do_fire_cancel_timer(timer: CancelTimer) -> None:
    """Cancel every open order of an account whose timer has run out."""
    try:
        cancel_timers.fire(timer)
    except (EngineAway, Overloaded, TimedOut) as fault:
        raise build_gateway_error(fault) from None


def do_pass_time(market_id: int) -> None:
    """Let a market's engine process the current time, so that due orders expire."""
    send([Task(0, market_id, Tick())])
