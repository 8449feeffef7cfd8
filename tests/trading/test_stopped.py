"""Who is suspended or closed trades no more: asked under the lock of the account."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.actions import do_suspend_user
from accounts.actions.users import lock_accounts
from accounts.models import Account, User
from tests.trading import world
from tests.trading.world import buy, cancel, run
from trading.engine.commands import Amend
from trading.models import Order
from trading.pipeline.messages import Task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("all_holds")]

HELD_SECONDS = 0.2


def suspend(account):
    """As `do_suspend_user`, which cancels what rests as well."""
    User.objects.filter(pk=account.owner_id).update(suspended_at=timezone.now())
    account.owner.accounts.update(owner_suspended=True)


def close(account):
    Account.objects.filter(pk=account.pk).update(closed_at=timezone.now())


@pytest.mark.parametrize(
    ("stop", "status"), [(suspend, "account_suspended"), (close, "account_closed")]
)
def test_the_engine_takes_no_order_of_who_is_stopped_but_cancels(
    shard, market, alice, stop, status
):
    bob = world.make_account()
    [rests, again] = run(
        shard, buy(market, alice, 40, 100), buy(market, alice, 41, 100, key="order:a")
    )
    stop(alice)
    tasks = [
        buy(market, alice, 42, 100),
        Task(0, market.id, Amend(rests.order.order_id, alice.id, 4300)),
        buy(market, alice, 44, 100, quote=True),
        cancel(market, alice, rests.order.order_id),
        buy(market, bob, 40, 100),
    ]
    *refused, cancelled, others = run(shard, *tasks)
    assert refused == [status] * 3
    assert cancelled.reason is None
    assert others.order is not None
    # What was answered before is answered again.
    again_task = buy(market, alice, 41, 100, key="order:a", order_id=again.order.order_id)
    [repeated] = run(shard, again_task)
    assert repeated.order.order_id == again.order.order_id


def test_an_order_that_waits_for_a_suspension_finds_it(shard, market, alice):
    """The lock is waited for, and what was committed meanwhile is seen."""
    locked = threading.Event()

    def suspend_slowly():
        try:
            with transaction.atomic():
                lock_accounts(alice.owner)
                suspend(alice)
                locked.set()
                threading.Event().wait(HELD_SECONDS)
        finally:
            connection.close()

    suspending = threading.Thread(target=suspend_slowly)
    suspending.start()
    assert locked.wait(10)
    assert run(shard, buy(market, alice, 40, 100)) == ["account_suspended"]
    suspending.join()
    assert not Order.objects.exists()


def test_suspension_ends_the_orders_before_it_is_answered(shard, market, alice, monkeypatch):
    def send_sync(tasks):
        [reply] = shard.run(tasks).replies
        assert reply.status == "done"
        return []

    monkeypatch.setattr("trading.actions.engine.send_sync", send_sync)
    run(shard, buy(market, alice, 40, 100), buy(market, alice, 41, 100))
    do_suspend_user(alice.owner, by=world.make_user("boss", staff=True), reason="x")
    assert set(Order.objects.values_list("status", "reason")) == {(3, "cancelled_by_operator")}
