"""An account that another session keeps locked: its tasks are refused, all others go on."""

import contextlib
import time

import psycopg
import pytest
from django.db import connection

from kernel import bulk
from tests.trading import world
from tests.trading.world import buy, cancel, run, sell
from trading.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("all_holds")]

BUSY = "account_busy"


@pytest.fixture
def people():
    return [world.make_account() for _ in range(3)]


@contextlib.contextmanager
def locked(account):
    """Hold the account's row in another session. SQLite, for one process, has no such locks."""
    if not bulk.is_postgresql():
        yield
        return
    given = connection.settings_dict
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    where = {name: given[key] for name, key in names.items() if given[key]}
    with psycopg.connect(dbname=given["NAME"], **where) as other:
        other.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", [account.id])
        yield


def find_busy(answers):
    """Return the answers that were refused; on SQLite none ever is."""
    return [index for index, answer in enumerate(answers) if answer == BUSY]


def expect_busy(*indexes):
    return list(indexes) if bulk.is_postgresql() else []


def test_only_who_needs_a_locked_account_is_set_aside_and_waited_for_once(shard, market, people):
    locked_one, *others = people
    with locked(locked_one):
        began_at = time.monotonic()
        tasks = [buy(market, person, 40, 100) for person in (others[0], locked_one, others[1])]
        assert find_busy(run(shard, *tasks)) == expect_busy(1)
        first_at = time.monotonic()
        for _ in range(5):
            answers = run(shard, *(buy(market, person, 41, 100) for person in people))
            assert find_busy(answers) == expect_busy(0)
        assert time.monotonic() - first_at < first_at - began_at + 1
    [answer] = run(shard, buy(market, locked_one, 42, 100))
    assert answer.order is not None
    assert shard.busy == set()


def test_an_order_that_would_trade_with_a_locked_account_is_set_aside(shard, market, people):
    maker, taker, _ = people
    run(shard, sell(market, maker, 50, 100), buy(market, taker, 30, 100))
    with locked(maker):
        meets, rests = run(shard, buy(market, taker, 50, 100), buy(market, taker, 49, 100))
        assert find_busy([meets, rests]) == expect_busy(0)
    assert shard.is_loaded  # nothing was applied, so nothing has to be loaded again
    assert Order.objects.filter(account=taker, price_pips=4900).count() == 1


def test_a_key_that_was_set_aside_is_carried_out_when_it_comes_again(shard, market, people):
    order = buy(market, people[0], 40, 100, key="order:a")
    with locked(people[0]):
        assert find_busy(run(shard, order)) == expect_busy(0)
    [answer] = run(shard, order)
    assert answer.order.order_id == order.command.order_id
    [answer] = run(shard, cancel(market, people[0], answer.order.order_id))
    assert answer.reason is None
    assert Order.objects.count() == 1
