"""Timers that cancel an account's orders: set by heartbeat calls and by sockets that are open.

A deadline is a row, by the database's clock, so it is kept when the process dies that set it. Once
it has passed it can't be put off: whoever comes first (a scheduled task, the next call, the process
of a socket that ends) fires it. Firing is a cancel-all under the timer's own key: the engines do it
once, and a second one that comes late cancels nothing that was placed since.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from kernel.database_clock import database_now_us
from trading.engine.commands import CancelAll
from trading.models import CancelTimer
from trading.pipeline.gateway import EngineAway, send_sync
from trading.pipeline.messages import Task

SOCKET_SECONDS: Final = 10
"""How long after its process was killed a socket counts as closed."""
SECOND_US: Final = 1_000_000


def list_due() -> QuerySet[CancelTimer]:
    """Return the timers that have run out."""
    due = CancelTimer.objects.filter(cancels_at_us__lte=database_now_us())
    return due.order_by("cancels_at_us")


def fire(timer: CancelTimer) -> None:
    """Cancel all orders of a timer's account, and forget the timer.

    Raises EngineAway (or another fault of the gateway) where that has to be tried again.
    """
    key = f"timer:{timer.pk.hex} {timer.cancels_at_us}"
    body_hash = key.encode()[:32]
    for answer in send_sync([Task(0, None, CancelAll(timer.account_id), key, body_hash)]):
        if answer.status in ("account_busy", "clock_wrong"):
            raise EngineAway
    CancelTimer.objects.filter(pk=timer.pk, cancels_at_us=timer.cancels_at_us).delete()


def set_by_call(account_id: int, seconds: int) -> tuple[int | None, bool]:
    """Set an account's timer, or with 0 end it; return its deadline, and whether it was missed.

    A missed one is fired first, so that what it has to cancel is gone when the call is answered.
    """
    own = CancelTimer.objects.filter(account_id=account_id, kind=CancelTimer.Kind.CALL)
    now_us = database_now_us()
    missed = own.filter(cancels_at_us__lte=now_us).first()
    if missed is not None:
        fire(missed)
    in_time = own.filter(cancels_at_us__gt=now_us)
    if not seconds:
        in_time.delete()
        return None, missed is not None
    cancels_at_us = now_us + seconds * SECOND_US
    if not in_time.update(cancels_at_us=cancels_at_us):
        try:
            with transaction.atomic():
                CancelTimer.objects.create(
                    account_id=account_id,
                    kind=CancelTimer.Kind.CALL,
                    cancels_at_us=cancels_at_us,
                )
        except IntegrityError:  # another call of the same account was faster
            in_time.update(cancels_at_us=cancels_at_us)
    return cancels_at_us, missed is not None


def find_deadline(account_id: int) -> int | None:
    """Return when an account's orders are cancelled unless it calls; None: never."""
    own = CancelTimer.objects.filter(account_id=account_id, kind=CancelTimer.Kind.CALL)
    return own.values_list("cancels_at_us", flat=True).first()


def set_for_socket(account_id: int) -> UUID:
    """Set the timer of a socket; return its id, by which it is renewed."""
    cancels_at_us = database_now_us() + SOCKET_SECONDS * SECOND_US
    timer = CancelTimer.objects.create(
        account_id=account_id, kind=CancelTimer.Kind.SOCKET, cancels_at_us=cancels_at_us
    )
    return timer.pk


def renew(timer_ids: Collection[UUID]) -> set[UUID]:
    """Put off the deadlines of sockets that are open; return those that were missed."""
    now_us = database_now_us()
    timers = CancelTimer.objects.filter(pk__in=timer_ids, cancels_at_us__gt=now_us)
    timers.update(cancels_at_us=now_us + SOCKET_SECONDS * SECOND_US)
    known = CancelTimer.objects.filter(pk__in=timer_ids, cancels_at_us__gt=now_us)
    return set(timer_ids) - set(known.values_list("pk", flat=True))


def end(timer_id: UUID) -> None:
    """End the timer of a socket that asks for it no more."""
    CancelTimer.objects.filter(pk=timer_id, cancels_at_us__gt=database_now_us()).delete()


def fire_now(timer_id: UUID) -> None:
    """Let the timer of a socket that has ended run out at once."""
    timers = CancelTimer.objects.filter(pk=timer_id)
    timers.filter(cancels_at_us__gt=database_now_us()).update(cancels_at_us=database_now_us())
    timer = timers.first()
    if timer is not None:
        fire(timer)
