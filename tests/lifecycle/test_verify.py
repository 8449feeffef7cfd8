"""Markets half-way through something break no invariant."""

from itertools import pairwise
from uuid import UUID

import pytest

from kernel.ids import new_id
from tests.lifecycle.breaches import find_broken
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.engine.types import (
    Leg,
    OrderOptions,
    OrderStatus,
    Trigger,
    TriggerKind,
)
from trading.models import (
    Margin,
    Order,
)

pytestmark = pytest.mark.django_db

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 10_000, "fee_taker_rate": 70_000}


def test_orders_that_wait_are_due_were_fired_or_rejected_are_no_breach(shard, alice, bob):
    market = world.make_market(**FEES)
    world.open_market(shard, market)
    stop = OrderOptions(trigger=Trigger(TriggerKind.STOP, 6_000))
    far = OrderOptions(trigger=Trigger(TriggerKind.STOP, 9_000))
    trailing = OrderOptions(trigger=Trigger(TriggerKind.TRAILING_STOP, None, trail_pips=500))
    closing = OrderOptions(reduce_only=True, trigger=Trigger(TriggerKind.STOP, 6_000))
    legs = (Leg(new_id(), Trigger(TriggerKind.STOP, 2_000)),)
    carol = world.make_account()
    waiting = [
        buy(market, carol, 70, 500, options=stop),
        buy(market, carol, 95, 500, options=far),
        sell(market, carol, 40, 500, options=trailing),
        buy(market, carol, 70, 500, options=closing),
    ]
    run(shard, *waiting)
    run(shard, sell(market, alice, 60, 100))
    run(shard, buy(market, bob, 60, 100, options=OrderOptions(legs=legs)))
    assert Order.objects.untriggered().filter(priority__gt=0).exists()
    assert Order.objects.get(pk=legs[0].order_id).quantity_lots == 100
    assert find_broken() == set()
    while shard.due:
        shard.run([])
    statuses = dict(Order.objects.filter(account=carol).values_list("id", "status"))
    assert [OrderStatus(statuses[UUID(task.command.order_id)]).name for task in waiting] == [
        "OPEN",
        "UNTRIGGERED",
        "UNTRIGGERED",
        "REJECTED",
    ]
    assert find_broken() == set()


def test_a_settlement_half_way_has_no_breach(shard, operator):
    market = world.make_market(dispute_seconds=0, outcomes=3, **FEES)
    world.open_market(shard, market)
    accounts = [world.make_account() for _ in range(6)]
    for seller, buyer in pairwise(accounts):
        run(shard, sell(market, seller, 60, 400), buy(market, buyer, 60, 300))
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[3_333] * 2 + [3_334],
                              evidence_text="x")  # fmt: skip
    _pay_one_chunk(market, chunk=4)
    assert Margin.objects.filter(payout_micros=None).count() == 2
    assert find_broken() == set()


def test_a_void_half_way_has_no_breach(shard, operator):
    market = world.make_market(dispute_seconds=0, **FEES)
    world.open_market(shard, market)
    accounts = [world.make_account() for _ in range(6)]
    for seller, buyer in pairwise(accounts):
        run(shard, sell(market, seller, 40, 400), buy(market, buyer, 40, 400))
        run(shard, buy(market, accounts[0], 70, 200), sell(market, buyer, 70, 200))
    actions.do_void_market(market, by=operator, reason="x")
    steps = 0
    while _pay_one_chunk(market, chunk=1):
        steps += 1
        assert find_broken() == set()
    assert steps == 6


def _pay_one_chunk(market, *, chunk):
    from trading.settlement.payments import _step

    return _step(market.pk, after_id=0, chunk=chunk)
