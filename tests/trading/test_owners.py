"""What goes by the owner of several accounts: self-trades, and a market's position limit."""

import pytest

from accounts.actions import do_move_funds, do_open_subaccount
from accounts.models import Account
from tests.trading.world import (
    CREDIT,
    buy,
    cancel,
    make_account,
    make_market,
    open_market,
    own_shard,
    run,
    sell,
)
from trading.engine.commands import Configure
from trading.engine.types import (
    MarketStatus,
    OrderOptions,
    OrderStatus,
    Reason,
    Stp,
    Trigger,
    TriggerKind,
)
from trading.models import JournalRow, Order
from trading.pipeline.config import config_of
from trading.pipeline.journal import decode_body
from trading.pipeline.messages import Task
from trading.pipeline.shard import Shard

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("all_holds")]

LIMIT = 1_000


@pytest.fixture
def shard(db) -> Shard:
    return own_shard()


@pytest.fixture
def main(db) -> Account:
    return make_account(name="alice")


@pytest.fixture
def sub(main: Account) -> Account:
    account = do_open_subaccount(main.owner, by=main.owner)
    do_move_funds(main, account, amount_micros=4_000 * CREDIT)
    return account


def make_limited(shard: Shard, **fields):
    market = make_market(position_limit_lots=LIMIT, **fields)
    open_market(shard, market)
    return market


def reasons(results) -> list[Reason | None]:
    return [result.reason for result in results]


def test_orders_of_one_owner_never_trade_with_one_another(shard, main, sub):
    market = make_market()
    open_market(shard, market)
    resting, taking = run(shard, sell(market, main, 50, 100), buy(market, sub, 50, 100))
    assert taking.order.reason == Reason.SELF_TRADE
    assert not taking.fills
    [newer] = run(shard, buy(market, sub, 50, 100, stp=Stp.CANCEL_OLDEST))
    assert not newer.fills
    assert newer.order.status.name == "OPEN"
    [gone] = run(shard, cancel(market, main, resting.order.order_id))
    assert gone.reason == Reason.ORDER_UNKNOWN


def test_a_position_limit_is_the_owners(shard, main, sub):
    market, bob = make_limited(shard), make_account(name="bob")
    first, second, third = run(
        shard,
        buy(market, main, 40, 600),
        buy(market, sub, 40, 500),
        buy(market, sub, 40, 400),
    )
    assert reasons([first, second, third]) == [None, Reason.POSITION_LIMIT, None]
    assert reasons(run(shard, buy(market, main, 40, 100))) == [Reason.POSITION_LIMIT]
    assert reasons(run(shard, buy(market, bob, 40, LIMIT))) == [None]  # a person's own
    run(shard, sell(market, make_account(name="carl"), 40, LIMIT))  # they are filled now
    assert reasons(run(shard, buy(market, main, 40, 100))) == [Reason.POSITION_LIMIT]
    assert reasons(run(shard, sell(market, main, 90, LIMIT))) == [None]
    assert reasons(run(shard, sell(market, sub, 90, 1_100))) == [Reason.POSITION_LIMIT]
    assert reasons(run(shard, sell(market, sub, 90, 1_000))) == [None]  # 400 and 600 short at most


def test_what_is_held_on_the_other_side_makes_up_for_nothing(shard, main, sub):
    market, bob = make_limited(shard), make_account(name="bob")
    run(shard, buy(market, bob, 50, LIMIT), sell(market, sub, 50, LIMIT))  # short 1,000
    assert reasons(run(shard, buy(market, main, 50, LIMIT + 100))) == [Reason.POSITION_LIMIT]
    assert reasons(run(shard, buy(market, main, 50, LIMIT))) == [None]


def test_the_limit_is_the_owners_after_a_restart_and_for_who_comes_later(shard, main, sub):
    market, carl = make_limited(shard, outcomes=3), make_account(name="carl")
    run(shard, buy(market, main, 40, 700, outcome=1), sell(market, carl, 40, 700, outcome=1))
    again = own_shard()
    assert reasons(run(again, buy(market, sub, 40, 400, outcome=1))) == [Reason.POSITION_LIMIT]
    assert reasons(run(again, buy(market, sub, 40, 300, outcome=1))) == [None]
    third = do_open_subaccount(main.owner, by=main.owner)
    do_move_funds(main, third, amount_micros=100 * CREDIT)
    assert reasons(run(again, buy(market, third, 40, 100, outcome=1))) == [Reason.POSITION_LIMIT]
    assert reasons(run(again, buy(market, third, 40, 100, outcome=2))) == [None]
    bodies = [decode_body(bytes(row.body)) for row in JournalRow.objects.filter(market=market)]
    inputs = [entry.elsewhere for body in bodies for entry in body.entries]
    assert {2: 700} in inputs
    assert {2: 1_000} in inputs


def test_a_triggered_order_is_refused_by_what_its_owner_has_elsewhere(shard, main, sub):
    market, carl = make_limited(shard), make_account(name="carl")
    bob = make_account(name="bob")
    stop = Trigger(TriggerKind.STOP, 5_000)
    [waits] = run(shard, buy(market, sub, 60, 500, options=OrderOptions(trigger=stop)))
    assert waits.order.status.name == "UNTRIGGERED"
    run(shard, buy(market, main, 40, 600), sell(market, carl, 40, 600))
    again = own_shard()
    run(again, sell(market, carl, 50, 100), buy(market, bob, 50, 100))  # the price is reached
    again.run([])
    order = Order.objects.get(pk=waits.order.order_id)
    assert (order.status, order.reason) == (OrderStatus.REJECTED, Reason.POSITION_LIMIT)


def test_a_limit_that_comes_in_the_same_batch_counts_from_then_on(shard, main, sub):
    market = make_market()
    open_market(shard, market)
    run(shard, buy(market, main, 40, 600))
    market.position_limit_lots = LIMIT
    configure = Task(0, market.pk, Configure(MarketStatus.OPEN, config_of(market)))
    changed, order = run(shard, configure, buy(market, sub, 40, 500))
    assert (changed.reason, order.reason) == (None, Reason.POSITION_LIMIT)
