"""Standing orders: filled up once a day (UTC), until they end or can't go on.

A day's order is decided upon in one transaction and sent under its own key after it: however often
and wherever the task runs, and whatever kills it in between, the day has one order.
"""

from datetime import datetime
from typing import Final

import msgspec
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.utils import timezone

from accounts.models import Account
from kernel.clock import from_datetime
from kernel.errors import ApiError, RefusedError
from kernel.ids import new_uuid
from markets.models import Market
from trading.actions.engine import send
from trading.engine.commands import Cancel, Place
from trading.engine.types import BUY, ORDER_LOTS_MAX, PAYOUT_PIPS, OrderOptions, Reason, Tif
from trading.models import Order, StandingOrder, StandingRefill
from trading.notifications.notify import notify_of_standing_order
from trading.pipeline.instruments import build_instrument
from trading.pipeline.messages import Result, Task
from trading.wire.commands import FEE_FREE_KINDS, SIDES, compute_body_hash, find_outcome
from trading.wire.options import mirror_pips
from trading.wire.refusals import build_refusal

STANDING_ORDERS_MAX: Final = 100
"""Of an account, at a time."""
TRADING: Final = (Market.Status.OPEN, Market.Status.HALTED)
BY_OWNER: Final = "stopped_by_owner"
ENDED: Final = "ended"


class NewStandingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep in a market: outcome, side and price as entered, a quantity or a budget."""

    outcome: str | None
    side: str
    price_pips: int
    quantity_lots: int | None = None
    budget_micros: int | None = None
    until: datetime | None = None


def check_create_standing_order(account: Account, market: Market, asked: NewStandingOrder) -> None:
    """Refuse what could never be placed; funds and position are looked at each day."""
    if market.status not in TRADING:
        raise RefusedError("market_not_open")
    if (asked.quantity_lots is None) == (asked.budget_micros is None):
        raise RefusedError("standing_order_unclear", "quantity")
    if asked.until is not None and asked.until <= timezone.now():
        raise ApiError("already_expired", "until")
    if market.maker_alone:
        raise build_refusal(Reason.RESTING_REFUSED)
    if not 0 < asked.price_pips < PAYOUT_PIPS:
        raise build_refusal(Reason.PRICE_OUT_OF_RANGE)
    if asked.price_pips % market.tick_pips:
        raise build_refusal(Reason.PRICE_OFF_TICK)
    _check_amount(market, asked)
    going_on = StandingOrder.objects.filter(account=account, stopped_at=None)
    if going_on.count() >= STANDING_ORDERS_MAX:
        raise RefusedError("too_many_standing_orders", count=STANDING_ORDERS_MAX)


def _check_amount(market: Market, asked: NewStandingOrder) -> None:
    lots = asked.quantity_lots
    if lots is not None and lots <= 0:
        raise build_refusal(Reason.QUANTITY_NOT_POSITIVE)
    if lots is not None and lots % market.lot_step_lots:
        raise build_refusal(Reason.QUANTITY_OFF_STEP)
    if lots is None:
        lots = _count_affordable(asked.side, asked.price_pips, asked.budget_micros or 0)
        if lots < market.lot_step_lots:
            raise RefusedError("budget_too_small", "daily_budget")
    if lots > ORDER_LOTS_MAX:
        raise build_refusal(Reason.QUANTITY_TOO_LARGE)


def do_create_standing_order(
    account: Account, market: Market, asked: NewStandingOrder
) -> StandingOrder:
    outcome, as_no = find_outcome(asked.outcome, build_instrument(market))
    side = SIDES[asked.side]
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        check_create_standing_order(account, market, asked)
        return StandingOrder.objects.create(
            account=account,
            market=market,
            outcome_index=outcome,
            side=-side if as_no else side,
            as_no=as_no,
            price_pips=mirror_pips(asked.price_pips, as_no=as_no),
            quantity_lots=asked.quantity_lots,
            budget_micros=asked.budget_micros,
            until=asked.until,
            created_at=timezone.now(),
        )


def do_stop_standing_order(standing: StandingOrder) -> None:
    """Stop a standing order for its owner, and cancel what rests of it."""
    _stop(standing, BY_OWNER, notifies=False)
    live = Order.objects.live().filter(pk__in=standing.refills.values("order_id"))
    cancels = [Cancel(pk.hex, standing.account_id) for pk in live.values_list("pk", flat=True)]
    if cancels:
        send([Task(0, standing.market_id, cancel) for cancel in cancels])


def list_due_standing_orders(now: datetime) -> QuerySet[StandingOrder]:
    """Return the standing orders that go on and were not filled up today."""
    today = StandingRefill.objects.filter(standing_order=OuterRef("pk"), day=now.date())
    due = StandingOrder.objects.filter(~Exists(today.filter(is_done=True)), stopped_at=None)
    due = due.exclude(market__status=Market.Status.HALTED)
    return due.select_related("market", "account").order_by("id")


def do_refill_standing_order(standing: StandingOrder, *, now: datetime) -> None:
    """Place the day's order of a standing order, or stop it where it can't go on."""
    reason = _find_end(standing, now)
    if reason is not None:
        _stop(standing, reason)
        return
    refill = _claim(standing, now)
    if refill is None:
        return
    refused = _send(standing, refill) if refill.lots else None
    if refused == Reason.MARKET_NOT_OPEN:  # halted since: nothing was placed, so try again later
        refill.delete()
    elif refused in (None, Reason.POSITION_LIMIT):
        StandingRefill.objects.filter(pk=refill.pk).update(is_done=True)
    else:
        _stop(standing, refused)


def _find_end(standing: StandingOrder, now: datetime) -> str | None:
    """Return why a standing order is over, if it is."""
    market = standing.market
    if standing.until is not None and standing.until <= now:
        return ENDED
    if market.status not in TRADING or market.close_at <= now:
        return Reason.MARKET_CLOSED
    if not Market.objects.visible_to(standing.account.owner).filter(pk=market.pk).exists():
        return Reason.MARKET_CLOSED
    return None


@transaction.atomic
def _claim(standing: StandingOrder, now: datetime) -> StandingRefill | None:
    """Decide upon the day's order, once; return it unless it is done already."""
    locked = StandingOrder.objects.select_for_update(no_key=True).get(pk=standing.pk)
    refill = locked.refills.filter(day=now.date()).first()
    if locked.stopped_at is not None or (refill is not None and refill.is_done):
        return None
    if refill is not None:
        return refill
    return StandingRefill.objects.create(
        standing_order=locked,
        day=now.date(),
        order_id=new_uuid(),
        lots=_count_missing(locked, standing.market.lot_step_lots),
    )


def _count_missing(standing: StandingOrder, lot_step_lots: int) -> int:
    """Return what is to be placed beside what still rests of earlier days."""
    wanted_lots = standing.quantity_lots
    if wanted_lots is None:
        side = "buy" if standing.side == BUY else "sell"
        wanted_lots = _count_affordable(side, standing.price_pips, standing.budget_micros or 0)
    live = Order.objects.live().filter(pk__in=standing.refills.values("order_id"))
    resting_lots = live.aggregate(lots=Sum("remaining_lots"))["lots"] or 0
    missing_lots = max(0, wanted_lots - resting_lots)
    return missing_lots - missing_lots % lot_step_lots


def _count_affordable(side: str, price_pips: int, budget_micros: int) -> int:
    """Return how many lots a budget pays for at a price, fees aside."""
    return budget_micros // (price_pips if side == "buy" else PAYOUT_PIPS - price_pips)


def _send(standing: StandingOrder, refill: StandingRefill) -> str | None:
    """Place the day's order; return the reason if it was refused."""
    expires_at_us = None if standing.until is None else from_datetime(standing.until)
    place = Place(
        refill.order_id.hex,
        standing.account_id,
        standing.account.owner_id,
        standing.outcome_index,
        standing.side,
        standing.price_pips,
        refill.lots,
        Tif.GTC if expires_at_us is None else Tif.GTD,
        as_no=standing.as_no,
        fee_free=standing.account.kind in FEE_FREE_KINDS,
        options=OrderOptions(expires_at_us=expires_at_us).or_none(),
    )
    key = f"standing:{refill.order_id.hex}"
    body_hash = compute_body_hash("standing", standing.market_id, place)
    try:
        [answer] = send([Task(0, standing.market_id, place, key, body_hash)])
    except ApiError as fault:
        if fault.code in ("account_closed", "account_suspended"):
            return fault.code
        raise
    assert isinstance(answer.result, Result), answer.status
    return answer.result.reason


@transaction.atomic
def _stop(standing: StandingOrder, reason: str, *, notifies: bool = True) -> None:
    """Stop a standing order, once, and tell its owner why."""
    going_on = StandingOrder.objects.filter(pk=standing.pk, stopped_at=None)
    is_first = going_on.update(stopped_at=timezone.now(), stop_reason=str(reason))
    if is_first and notifies:
        standing.stop_reason = str(reason)
        notify_of_standing_order(standing)
