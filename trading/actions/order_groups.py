"""Order groups: made, limited, stopped by hand, reset and deleted by their account.

What a group's orders fill is counted by the shards, in the commit that fills them and under the
account's lock. So whoever changes a group here holds that lock too: no batch is under way that has
read what the group was before. A stopped group's orders trade no more, whatever books still show
them; they are cancelled right after, and by `cancel_stopped_groups` where an engine was away.
"""

from collections.abc import Iterable
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum

from accounts.models import Account
from kernel.database_clock import database_now_us
from kernel.errors import ApiError, RefusedError
from trading.actions.engine import send
from trading.engine.commands import CancelGroup
from trading.models import Order, OrderGroup, OrderGroupFill
from trading.models.order_groups import WINDOW_US
from trading.pipeline.messages import Task

log = structlog.get_logger(__name__)

ORDER_GROUPS_MAX: Final = 500
"""Of an account, deleted ones aside."""


def check_create_order_group(account: Account) -> None:
    groups = OrderGroup.objects.filter(account=account, deleted_at_us=None)
    if groups.count() >= ORDER_GROUPS_MAX:
        raise RefusedError("too_many_order_groups", count=ORDER_GROUPS_MAX)


@transaction.atomic
def do_create_order_group(account: Account, *, limit_lots: int) -> OrderGroup:
    _lock(account.pk)
    check_create_order_group(account)
    now_us = database_now_us()
    return OrderGroup.objects.create(account=account, limit_lots=limit_lots, created_at_us=now_us)


def do_stop_order_group(group: OrderGroup) -> None:
    """Stop a group by hand: a kill switch for its orders."""
    with transaction.atomic():
        _stop(_lock_group(group))
    _try_to_cancel(group)


def do_change_order_group_limit(group: OrderGroup, *, limit_lots: int) -> None:
    """Set the limit; the group is stopped if its fills within the window reach it already."""
    with transaction.atomic():
        locked = _lock_group(group)
        locked.limit_lots = limit_lots
        locked.save(update_fields=["limit_lots"])
        is_full = find_filled_lots([locked])[locked.pk] >= limit_lots
        if is_full:
            _stop(locked)
    if is_full:
        _try_to_cancel(group)


def do_reset_order_group(group: OrderGroup) -> None:
    """Let a group take orders again, with nothing filled.

    Its orders are cancelled first, wherever they are, so that none comes back to life.
    """
    group.refresh_from_db()
    if group.stopped_at_us is not None:
        do_cancel_group(group)
    with transaction.atomic():
        locked = _lock_group(group)
        locked.fills.all().delete()
        locked.stopped_at_us = None
        locked.save(update_fields=["stopped_at_us"])


def do_delete_order_group(group: OrderGroup) -> None:
    """Stop a group for good."""
    with transaction.atomic():
        locked = _lock_group(group)
        _stop(locked)
        locked.deleted_at_us = database_now_us()
        locked.save(update_fields=["deleted_at_us"])
    _try_to_cancel(group)


def do_cancel_group(group: OrderGroup) -> None:
    """Cancel the orders of a stopped group, in all markets."""
    send([Task(0, None, CancelGroup(group.pk.hex, group.account_id))])


def list_stopped_groups() -> QuerySet[OrderGroup]:
    """Return the stopped groups that still have orders."""
    left = Order.objects.live().filter(order_group_id=OuterRef("pk"))
    return OrderGroup.objects.filter(Exists(left), stopped_at_us__isnull=False)


def find_filled_lots(groups: Iterable[OrderGroup]) -> dict[object, int]:
    """Return what each group's orders have filled within the window."""
    fills = OrderGroupFill.objects.filter(
        group__in=groups, filled_at_us__gt=database_now_us() - WINDOW_US
    )
    sums = dict(fills.values_list("group").annotate(lots=Sum("lots")).values_list("group", "lots"))
    return {group.pk: sums.get(group.pk, 0) for group in groups}


def forget_group_fills() -> None:
    """Delete the fills that no window reaches any more."""
    OrderGroupFill.objects.filter(filled_at_us__lt=database_now_us() - 2 * WINDOW_US).delete()


def _try_to_cancel(group: OrderGroup) -> None:
    """Cancel the orders of a group at once, or leave them to `cancel_stopped_groups`."""
    try:
        do_cancel_group(group)
    except ApiError as fault:
        log.warning("group_cancelled_later", group=group.pk.hex, because=fault.code)


def _lock(account_id: int) -> None:
    Account.objects.select_for_update(no_key=True).get(pk=account_id)


def _lock_group(group: OrderGroup) -> OrderGroup:
    _lock(group.account_id)
    return OrderGroup.objects.get(pk=group.pk)


def _stop(group: OrderGroup) -> None:
    if group.stopped_at_us is None:
        group.stopped_at_us = database_now_us()
        group.save(update_fields=["stopped_at_us"])
