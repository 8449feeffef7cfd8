"""Order groups in a shard: counted over markets, stopped in the commit that reaches the limit."""

import pytest

from kernel.ids import new_id
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading.actions.order_groups import find_filled_lots
from trading.engine.commands import CancelGroup
from trading.engine.types import OrderOptions, OrderStatus, Tif
from trading.models import Order, OrderGroup, OrderGroupFill
from trading.models.order_groups import WINDOW_US
from trading.pipeline.loading import load_engine
from trading.pipeline.messages import Task
from trading.pipeline.replay import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("all_holds")]


@pytest.fixture
def bob():
    return world.make_account()


def make_group(account, lots):
    return OrderGroup.objects.create(account=account, limit_lots=lots, created_at_us=1)


def joining(group, **options):
    return {"options": OrderOptions(order_group=group.pk.hex, **options)}


def statuses(group):
    orders = Order.objects.filter(order_group_id=group.pk).order_by("id")
    return [(OrderStatus(order.status).name, order.reason) for order in orders]


CANCELLED = ("CANCELLED", "order_group_stopped")
FILLED = ("FILLED", "filled")


def test_a_sweep_fills_no_more_quotes_than_reach_the_limit(shard, market, alice, bob):
    group = make_group(bob, 1_000)
    quotes = [sell(market, bob, price, 500, **joining(group)) for price in (50, 51, 52, 53)]
    run(shard, *quotes)
    [result] = run(shard, buy(market, alice, 60, 2_000))
    assert result.order.filled_lots == 1_000
    assert statuses(group) == [FILLED, FILLED, CANCELLED, CANCELLED]
    group.refresh_from_db()
    assert group.stopped_at_us is not None
    assert find_filled_lots([group]) == {group.pk: 1_000}
    assert load_engine(market.id).state_hash() == replay(market.id).engine.state_hash()


def test_a_stopped_group_takes_no_orders_and_its_taker_goes_no_further(shard, market, alice, bob):
    group = make_group(alice, 500)
    run(shard, sell(market, bob, 50, 300), sell(market, bob, 51, 300), sell(market, bob, 52, 300))
    [result] = run(shard, buy(market, alice, 60, 900, **joining(group)))
    assert (result.order.filled_lots, result.order.reason) == (600, "order_group_stopped")
    [refused] = run(shard, buy(market, alice, 20, 100, **joining(group)))
    assert refused.reason == "order_group_stopped"
    [unknown] = run(shard, buy(market, alice, 20, 100, options=OrderOptions(order_group=new_id())))
    assert unknown.reason == "order_group_unknown"


def test_fills_in_other_markets_count_and_orders_there_can_trade_no_more(shard, market, alice, bob):
    there = world.make_market()
    world.open_market(shard, there)
    group = make_group(bob, 1_000)
    run(shard, sell(market, bob, 50, 600, **joining(group)))
    run(shard, *(sell(there, bob, price, 600, **joining(group)) for price in (50, 51)))
    run(shard, buy(market, alice, 50, 600))
    assert statuses(group)[1:] == [("OPEN", None)] * 2
    [result] = run(shard, buy(there, alice, 60, 1_200))
    assert result.order.filled_lots == 600
    assert statuses(group) == [FILLED, FILLED, CANCELLED]


def test_a_group_stopped_in_one_market_is_cancelled_in_the_same_commit_in_the_others(
    shard, market, alice, bob
):
    there = world.make_market()
    world.open_market(shard, there)
    group = make_group(bob, 500)
    run(shard, sell(market, bob, 50, 600, **joining(group)))
    run(shard, sell(there, bob, 50, 600, **joining(group)))
    run(shard, buy(market, alice, 50, 500))
    assert statuses(group) == [CANCELLED, CANCELLED]


def test_orders_of_a_group_stopped_elsewhere_are_cancelled_before_a_taker_meets_them(
    shard, market, alice, bob
):
    """As another shard would have stopped it: the row says so, this book does not know yet."""
    group = make_group(bob, 500)
    run(shard, sell(market, bob, 50, 600, **joining(group)), sell(market, bob, 55, 600))
    OrderGroup.objects.filter(pk=group.pk).update(stopped_at_us=1)
    [result] = run(shard, buy(market, alice, 60, 600))
    assert result.order.filled_micros == 55 * 100 * 600
    assert statuses(group) == [CANCELLED]


def test_what_is_older_than_the_window_counts_no_more(shard, market, alice, bob):
    group = make_group(bob, 1_000)
    run(shard, sell(market, bob, 50, 2_000, **joining(group)), buy(market, alice, 50, 900))
    fill = OrderGroupFill.objects.get()
    assert (fill.lots, statuses(group)) == (900, [("PARTIALLY_FILLED", None)])
    OrderGroupFill.objects.update(filled_at_us=fill.filled_at_us - WINDOW_US)
    run(shard, buy(market, alice, 50, 900))
    assert statuses(group) == [("PARTIALLY_FILLED", None)]
    run(shard, buy(market, alice, 50, 100))
    assert statuses(group) == [CANCELLED]


def test_a_group_is_cancelled_by_its_command_and_by_no_other_accounts(shard, market, alice, bob):
    group = make_group(bob, 500)
    waiting = sell(market, bob, 50, 600, **joining(group))
    run(shard, waiting, sell(market, bob, 52, 100))
    [result] = run(shard, Task(0, None, CancelGroup(group.pk.hex, bob.id)))
    assert result.order_ids == [waiting.command.order_id]
    assert Order.objects.open().count() == 1


def test_a_preview_in_a_group_changes_nothing_of_it(shard, market, alice, bob):
    group = make_group(alice, 500)
    run(shard, sell(market, bob, 50, 900))
    [quote] = run(shard, buy(market, alice, 50, 900, quote=True, **joining(group)))
    assert quote.order.filled_lots == 900
    group.refresh_from_db()
    assert (group.stopped_at_us, OrderGroupFill.objects.count()) == (None, 0)
    [fok] = run(shard, buy(market, alice, 50, 900, tif=Tif.FOK, **joining(group)))
    assert fok.order.status == OrderStatus.FILLED
