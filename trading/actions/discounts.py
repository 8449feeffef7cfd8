"""Fees that are lower for a time: set by operators, told to the engine when the time comes.

The engine keeps the whole schedule and what is off it. Each `Configure` names the configuration
that its sender has seen, so of two that begin or end a discount at once one is refused: each change
is made once, whoever comes first and however often it is tried.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.audit import record_audit
from accounts.models import FeeType, User
from accounts.second_factor import no_right
from kernel.errors import RefusedError
from markets.actions import lock_market, may_manage_markets
from markets.models import FINAL_STATUSES, Market, MarketDiscount
from trading.actions.engine import look
from trading.actions.live import TRADING_STATUSES, change_terms
from trading.pipeline.config import find_discount

FIELDS: Final = ("maker_percent", "taker_percent", "starts_at", "ends_at")


def check_set_discount(market: Market, *, by: User, fields: Mapping[str, Any]) -> MarketDiscount:
    """Return the discount as it would be, unsaved."""
    _check_may_set(market, by)
    if market.fee_kind == FeeType.NONE:
        raise RefusedError("no_fees")
    discount = MarketDiscount(market=market, set_by=by, **fields)
    percents = (discount.maker_percent, discount.taker_percent)
    if not all(0 <= percent <= 100 for percent in percents) or not any(percents):
        raise RefusedError("bad_discount", "maker_percent")
    ends_at = discount.ends_at
    if ends_at is not None and ends_at <= max(discount.starts_at, timezone.now()):
        raise RefusedError("bad_discount", "ends_at")
    return discount


def do_set_discount(market: Market, *, by: User, fields: Mapping[str, Any]) -> MarketDiscount:
    """Lower the fees of a market for a time, in place of a discount that it may have."""
    with transaction.atomic():
        market = lock_market(market)
        discount = check_set_discount(market, by=by, fields=fields)
        MarketDiscount.objects.filter(market=market).delete()
        discount.save()
        record_audit("set_discount", market, by=by, after=_show(discount))
    return discount


def do_end_discount(market: Market, *, by: User, reason: str = "") -> None:
    """End a market's discount now."""
    with transaction.atomic():
        market = lock_market(market)
        _check_may_set(market, by)
        discount = MarketDiscount.objects.filter(market=market).first()
        now = timezone.now()
        if discount is None or (discount.ends_at is not None and discount.ends_at <= now):
            raise RefusedError("no_discount")
        record_audit("end_discount", market, by=by, before=_show(discount), reason=reason)
        discount.starts_at = min(discount.starts_at, now - timedelta(microseconds=1))
        discount.ends_at = now
        discount.save(update_fields=["starts_at", "ends_at"])


def list_due_discounts() -> list[MarketDiscount]:
    """Return the discounts that began or ended without their engines knowing yet."""
    now = timezone.now()
    is_on = Q(starts_at__lte=now) & (Q(ends_at=None) | Q(ends_at__gt=now))
    due = MarketDiscount.objects.filter(market__status__in=TRADING_STATUSES)
    due = due.filter((Q(is_applied=False) & is_on) | (Q(is_applied=True) & ~is_on))
    return list(due.select_related("market").order_by("pk"))


def do_apply_discount(discount: MarketDiscount) -> None:
    """Tell the engine what is off the fees now, unless it knows."""
    seen = look(discount.market)
    wanted = find_discount(discount.market)
    if seen[1] is not None and seen[1].discount != wanted:
        why = "discount begins" if wanted else "discount ends"
        change_terms(discount.market, seen, by=None, why=why, discount=wanted)
    MarketDiscount.objects.filter(pk=discount.pk).update(is_applied=wanted is not None)


def _check_may_set(market: Market, by: User) -> None:
    if not may_manage_markets(by):
        raise no_right(by)
    if market.status in FINAL_STATUSES:
        raise RefusedError("not_trading")


def _show(discount: MarketDiscount) -> dict[str, Any]:
    return {name: getattr(discount, name) for name in FIELDS}
