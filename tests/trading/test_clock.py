"""A wrong clock: no order is accepted with it, and monitoring reports it."""

import pytest

from kernel import database_clock
from kernel.clock import now_us
from predex import health
from tests.trading import world
from tests.trading.world import buy, run
from trading import tasks
from trading.engine.types import OrderStatus
from trading.models import BookState, JournalRow, Lease
from trading.pipeline import lease
from trading.readmodels import dashboard
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)

HOURS = 3600 * 1_000_000
MODULES = ("kernel.database_clock.now_us", "trading.pipeline.shard.now_us")


@pytest.fixture
def shift(monkeypatch):
    """Set this machine's clock: `shift(us)` ahead of what it was at first."""
    monkeypatch.setattr(database_clock, "_guard", database_clock.JumpGuard())

    def set_clock(ahead_us):
        for name in MODULES:
            monkeypatch.setattr(name, lambda: now_us() + ahead_us)

    return set_clock


def renew(shard):
    assert lease.renew(
        shard.number, shard.epoch, books_us=shard.find_latest_us(), committed_at_us=0, queue_depth=0
    )
    lease.note_loaded(shard.number, shard.epoch)
    return Lease.objects.get(shard=shard.number)


@pytest.mark.usefixtures("all_holds")
@pytest.mark.parametrize("hours", [2, -2])
def test_an_engine_takes_no_order_while_its_clock_is_wrong(shard, market, shift, hours):
    alice = world.make_account()
    rows = JournalRow.objects.count()
    shift(hours * HOURS)
    order = buy(market, alice, 40, 100, key="order:a")
    assert run(shard, order, buy(market, alice, 41, 100)) == ["clock_wrong", "clock_wrong"]
    assert JournalRow.objects.count() == rows
    shift(0)
    [result] = run(shard, order)
    assert result.order.status == OrderStatus.OPEN
    assert abs(BookState.objects.get().ts_us - now_us()) < database_clock.AHEAD_US_MAX


@pytest.mark.usefixtures("all_holds")
def test_a_clock_that_is_kept_right_in_small_steps_is_followed(shard, market, shift):
    alice = world.make_account()
    for seconds in (1, 3, 4, 2):
        shift(seconds * 1_000_000)
        [result] = run(shard, buy(market, alice, 40, 100))
        assert result.order.status == OrderStatus.OPEN


@pytest.mark.usefixtures("all_holds")
def test_a_wrong_clock_shows_in_ready_and_in_the_overview(shard, market, shift, client):
    shift(2 * HOURS)
    described = health.describe_lease(renew(shard), database_clock.database_now_us())
    assert not described["ok"]
    assert 2 * 3600_000 - 5_000 < described["clock_ahead_ms"] < 2 * 3600_000 + 5_000
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["clock"]["ok"] is False
    [state] = dashboard.read_shards()
    assert (state.is_ok, str(state.fault)) == (False, "wrong clock: no orders accepted")
    assert state.ahead.startswith(("+2:00:0", "+1:59:5"))
    shift(0)
    renew(shard)
    ready = client.get("/ready").json()
    assert (ready["clock"]["ok"], ready["shards"]["ok"]) == (True, True)
    assert dashboard.read_shards()[0].is_ok


def test_books_that_were_written_ahead_of_time_show(shard, market, shift, client, monkeypatch):
    with monkeypatch.context() as unguarded:
        unguarded.setattr(database_clock, "is_wrong", lambda ahead_us: False)
        shift(2 * HOURS)
        run(shard, buy(market, world.make_account(), 40, 100))
    shift(0)
    described = health.describe_lease(renew(shard), database_clock.database_now_us())
    assert not described["ok"]
    assert described["books_ahead_ms"] > 2 * 3600_000 - 10_000
    assert client.get("/ready").status_code == 503
    assert str(dashboard.read_shards()[0].fault) == "books are ahead of the clock"
    assert {finding.invariant for finding in check_everything() if finding.breaches} == {"k"}


@pytest.mark.usefixtures("all_holds")
def test_what_is_due_waits_while_the_clock_of_its_process_is_wrong(shift, monkeypatch):
    done = []
    task = tasks.if_the_clock_is_right(lambda: done.append(1))
    shift(2 * HOURS)
    task()
    assert done == []
    shift(0)
    task()
    assert done == [1]
    for name in ("open_due", "close_due", "settle_due", "notify_due", "forget_notifications"):
        monkeypatch.setattr(tasks.database_clock, "compute_ahead_us", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            getattr(tasks, name)()


def test_a_jump_is_believed_when_it_has_stood_for_a_minute(monkeypatch):
    """Where the database has no clock of its own."""
    times = {"wall": 1_000 * HOURS, "steady": 0}
    monkeypatch.setattr("kernel.database_clock.now_us", lambda: times["wall"])
    monkeypatch.setattr("kernel.database_clock.steady_us", lambda: times["steady"])

    def pass_seconds(seconds, jump_us=0):
        times["wall"] += seconds * 1_000_000 + jump_us
        times["steady"] += seconds * 1_000_000

    guard = database_clock.JumpGuard()
    pass_seconds(10, jump_us=2 * HOURS)
    assert guard.read_us() == times["wall"] - 2 * HOURS
    pass_seconds(database_clock.BELIEVED_AFTER_SECONDS - 1)
    assert guard.read_us() == times["wall"] - 2 * HOURS
    pass_seconds(1)
    assert guard.read_us() == times["wall"]
    pass_seconds(1, jump_us=-2 * HOURS)
    assert guard.read_us() == times["wall"] + 2 * HOURS
    pass_seconds(1, jump_us=2 * HOURS)  # undone: right again at once
    assert guard.read_us() == times["wall"]


def test_a_slow_database_is_no_wrong_clock():
    second = 1_000_000
    assert database_clock.compute_least_ahead_us(0, 5 * second, 20 * second) == 0
    assert database_clock.compute_least_ahead_us(0, 30 * second, 20 * second) == -10 * second
    assert (
        database_clock.compute_least_ahead_us(30 * second, 10 * second, 40 * second) == 20 * second
    )
