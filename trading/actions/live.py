"""Opening, halting, resuming and closing a market, and changing the terms of a live one."""

from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from accounts.audit import record_audit
from accounts.models import User
from accounts.second_factor import no_right
from kernel.clock import from_datetime
from kernel.errors import RefusedError
from kernel.units import PIPS_PER_CREDIT
from markets.actions import (
    check_approve_market,
    check_ready_to_open,
    do_approve_market,
    may_manage_markets,
    may_resolve_markets,
)
from markets.lifecycle import IllegalStatusChangeError, check_status_change, find_withdrawn
from markets.models import OUTCOMES_MIN, TICKS_PIPS, Market, Outcome
from trading.actions.engine import Seen, configure, look, send
from trading.engine.commands import CancelAll
from trading.engine.types import MarketStatus, Withdrawal
from trading.models import Order
from trading.pipeline.config import config_of
from trading.pipeline.messages import Result, Task

Status = Market.Status
TRADING_STATUSES = (Status.OPEN, Status.HALTED)
ACCOUNTS_AT_ONCE = 100


def check_open_market(market: Market, *, by: User | None) -> None:
    """A draft can be opened when it is complete and approved by an operator."""
    _check_may_manage(by)
    check_ready_to_open(market)


def do_open_market(market: Market, *, by: User | None, reason: str = "") -> None:
    seen = look(market)
    check_open_market(market, by=by)
    configure(market, MarketStatus.OPEN, config_of(market), seen=seen, by=by, why=reason)


def check_approve_and_open_market(market: Market, *, by: User) -> None:
    if market.status == Status.PROPOSED:
        check_approve_market(market, by=by)
    else:
        check_open_market(market, by=by)


def do_approve_and_open_market(market: Market, *, by: User, reason: str = "") -> None:
    """Approve a proposal and open it. If its engine is down it stays an approved draft.

    A repeat then only opens the market.
    """
    market.refresh_from_db()
    check_approve_and_open_market(market, by=by)
    if market.status == Status.PROPOSED:
        do_approve_market(market, by=by, reason=reason)
    do_open_market(market, by=by, reason=reason)


def check_halt_market(market: Market, *, by: User | None) -> None:
    _check_may_manage(by)
    check_status_change(market.status, Status.HALTED)


def do_halt_market(
    market: Market, *, by: User | None, reason: str, cancel_orders: bool = False
) -> None:
    """Accept no orders until resumed; resting ones stay and may be cancelled.

    `cancel_orders`: they are cancelled now. If that fails half way `do_clear_market` goes on.
    """
    seen = look(market)
    check_halt_market(market, by=by)
    change_terms(market, seen, status=MarketStatus.HALTED, by=by, why=reason)
    if cancel_orders:
        do_clear_market(market, by=by, reason=reason)


def check_clear_market(market: Market, *, by: User | None) -> None:
    _check_may_manage(by)
    _check_halted(market)


def do_clear_market(market: Market, *, by: User | None, reason: str = "") -> int:
    """Cancel all resting orders of a halted market; return how many there were."""
    check_clear_market(market, by=by)
    resting = Order.objects.open().filter(market=market)
    account_ids = sorted(set(resting.values_list("account_id", flat=True)))
    cancelled = 0
    for first in range(0, len(account_ids), ACCOUNTS_AT_ONCE):
        some = account_ids[first : first + ACCOUNTS_AT_ONCE]
        answers = send(
            [Task(0, market.pk, CancelAll(account_id, by_operator=True)) for account_id in some]
        )
        cancelled += sum(
            len(answer.result.order_ids) for answer in answers if isinstance(answer.result, Result)
        )
    if by is not None:
        record_audit("clear_market", market, by=by, after={"cancelled": cancelled}, reason=reason)
    return cancelled


def check_resume_market(market: Market, *, by: User | None) -> None:
    _check_may_manage(by)
    _check_halted(market)


def do_resume_market(market: Market, *, by: User | None, reason: str = "") -> None:
    seen = look(market)
    check_resume_market(market, by=by)
    change_terms(market, seen, status=MarketStatus.OPEN, by=by, why=reason)


def check_close_market(market: Market, *, by: User | None) -> None:
    _check_may_manage(by)
    _check_trades(market)


def do_close_market(market: Market, *, by: User | None, reason: str = "") -> None:
    """End trading: resting orders are cancelled and their holds released."""
    seen = look(market)
    check_close_market(market, by=by)
    change_terms(market, seen, status=MarketStatus.CLOSED, by=by, why=reason)


def do_close_to_void(market: Market, *, by: User, reason: str) -> None:
    """Close a market for a void, for which `by` has been authorised."""
    seen = look(market)
    _check_trades(market)
    change_terms(market, seen, status=MarketStatus.CLOSED, by=by, why=reason)


def check_change_close_time(market: Market, *, by: User | None, close_at: datetime) -> None:
    _check_may_manage(by)
    if market.status not in TRADING_STATUSES:
        raise RefusedError("not_trading")
    if close_at <= timezone.now():
        raise RefusedError("close_in_the_past", "close_at")
    if market.expected_settle_at is not None and market.expected_settle_at < close_at:
        raise RefusedError("settles_before_close", "close_at")


def do_change_close_time(
    market: Market, *, by: User | None, close_at: datetime, reason: str
) -> None:
    """Change the time from which the engine refuses orders, to earlier or later."""
    seen = look(market)
    check_change_close_time(market, by=by, close_at=close_at)
    change_terms(market, seen, by=by, why=reason, close_at_us=from_datetime(close_at))


def check_refine_tick(market: Market, *, by: User | None, tick_pips: int) -> None:
    _check_may_manage(by)
    _check_halted(market)
    is_finer = tick_pips in TICKS_PIPS and tick_pips < market.tick_pips
    scale = market.scale
    is_off_range = scale is not None and scale.span_millionths * tick_pips % PIPS_PER_CREDIT
    if not is_finer or market.tick_pips % tick_pips or is_off_range:
        raise RefusedError("bad_tick", "tick", detail="a finer tick divides the present one")


def do_refine_tick(market: Market, *, by: User | None, tick_pips: int, reason: str) -> None:
    """Refine the tick; resting orders keep price and priority."""
    seen = look(market)
    check_refine_tick(market, by=by, tick_pips=tick_pips)
    change_terms(market, seen, by=by, why=reason, tick_pips=tick_pips)


def check_withdraw_outcome(
    market: Market, *, by: User, outcome: Outcome, pays_pips: int
) -> tuple[Withdrawal, ...]:
    """Return the market's withdrawn outcomes with this one, the last."""
    if not may_resolve_markets(by):
        raise no_right(by)
    if market.status not in TRADING_STATUSES:
        raise RefusedError("not_trading")
    if market.maker_b_lots is not None:
        raise RefusedError("outcomes_of_maker")
    gone = find_withdrawn(market)
    if outcome.index in gone:
        raise RefusedError("outcome_withdrawn")
    is_one_book = market.kind != Market.Kind.CATEGORICAL
    if is_one_book or market.outcomes.count() - len(gone) <= OUTCOMES_MIN:
        raise RefusedError("outcome_stays")
    if not 0 <= pays_pips <= PIPS_PER_CREDIT - sum(gone.values()):
        raise RefusedError("outcome_stays", "price")
    return (Withdrawal(outcome.index, pays_pips),)


def do_withdraw_outcome(
    market: Market, *, by: User, outcome: Outcome, pays_pips: int, reason: str
) -> None:
    """Take an outcome out: its orders are cancelled, it pays this much, and the others go on.

    It is announced as a clarification of the rules, in the same transaction.
    """
    seen = look(market)
    gone = check_withdraw_outcome(market, by=by, outcome=outcome, pays_pips=pays_pips)
    before = () if seen[1] is None else seen[1].withdrawn or ()
    change_terms(market, seen, by=by, why=reason, withdrawn=(*before, *gone))


# --- helpers -------------------------------------------------------------------------------------


def _check_may_manage(by: User | None) -> None:
    if by is not None and not may_manage_markets(by):
        raise no_right(by)


def _check_trades(market: Market) -> None:
    # The table also allows resolving -> closed, but only for withdrawing a result.
    if market.status not in TRADING_STATUSES:
        raise IllegalStatusChangeError(market.status, Status.CLOSED)


def _check_halted(market: Market) -> None:
    if market.status != Status.HALTED:
        raise RefusedError("not_halted")


def change_terms(
    market: Market,
    seen: Seen,
    *,
    by: User | None,
    why: str,
    status: MarketStatus | None = None,
    **terms: Any,
) -> None:
    """Change status or terms of a market that trades; the rest stays as seen."""
    old_status, old_config = seen
    assert old_status is not None
    assert old_config is not None
    config = msgspec.structs.replace(old_config, **terms)
    configure(market, old_status if status is None else status, config, seen=seen, by=by, why=why)
