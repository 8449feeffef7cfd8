"""Due work is done once, by any process, however often tasks run."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from accounts.actions import do_suspend_user
from kernel.clock import now_us
from kernel.errors import ApiError
from markets.models import Exchange, Market, Resolution, StatusChange
from predex.celery import app
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions, tasks, verify
from trading.engine.types import OrderOptions, Tif
from trading.models import BookState, Candle, DailyEquity, Order, VerifyRun
from trading.readmodels import projections
from trading.settlement import payments as settlement
from trading.settlement import schedule

pytestmark = pytest.mark.django_db


def move(market, **times):
    """Let a market's time have come."""
    Market.objects.filter(pk=market.pk).update(**times)


def past(seconds=1):
    return timezone.now() - timedelta(seconds=seconds)


def status_of(market):
    return Market.objects.get(pk=market.pk).status


def test_an_approved_draft_opens_when_its_time_has_come(shard, draft, operator):
    tasks.open_due()
    assert status_of(draft) == "draft"
    move(draft, open_at=past())
    tasks.open_due()
    tasks.open_due()
    assert status_of(draft) == "open"
    opened = StatusChange.objects.get(market=draft, to_status="open")
    assert (opened.by, opened.reason) == (None, "open time")


def test_what_cannot_be_opened_stays_a_draft(shard, draft, operator):
    unapproved, late = world.make_market(), world.make_market()
    move(unapproved, open_at=past(), approved_at=None, approved_by=None)
    move(late, open_at=past(9), close_at=past())
    tasks.open_due()
    assert (status_of(unapproved), status_of(late)) == ("draft", "draft")
    assert not BookState.objects.exists()


def test_a_market_closes_when_its_time_has_come_halted_or_not(shard, operator):
    markets = [world.make_market() for _ in range(3)]
    for market in markets:
        world.open_market(shard, market)
    actions.do_halt_market(markets[1], by=operator, reason="x")
    for market in markets[:2]:
        move(market, close_at=past())
    tasks.close_due()
    tasks.close_due()
    assert [status_of(market) for market in markets] == ["closed", "closed", "open"]
    assert StatusChange.objects.filter(to_status="closed", by=None).count() == 2


def test_a_dated_order_expires_without_another_command(shard, market, alice):
    soon = now_us() + 20_000
    run(shard, buy(market, alice, 40, 1000, tif=Tif.GTD, options=OrderOptions(expires_at_us=soon)))
    while now_us() <= soon:
        pass
    tasks.expire_due()
    assert Order.objects.get().reason == "expired"
    seq = BookState.objects.get().seq
    tasks.expire_due()
    assert BookState.objects.get().seq == seq


def test_orders_of_suspended_users_leave_the_books(shard, market, alice, bob, operator):
    run(shard, buy(market, alice, 40, 1000), buy(market, bob, 40, 1000))
    tasks.cancel_stopped()
    assert Order.objects.open().count() == 2
    do_suspend_user(alice.owner, by=operator, reason="x")
    tasks.cancel_stopped()
    assert Order.objects.open().get().account == bob
    assert Order.objects.get(account=alice).reason == "cancelled_by_operator"


def test_a_result_is_paid_when_its_window_is_over(shard, market, alice, bob, operator):
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    actions.do_close_market(market, by=operator)
    move(market, dispute_seconds=60)
    actions.do_resolve_market(market, by=operator, payout_pips=[0, 10_000], evidence_text="x")
    tasks.settle_due()
    assert status_of(market) == "resolving"
    Resolution.objects.update(proposed_at=past(), final_at=past())
    tasks.settle_due()
    tasks.settle_due()
    assert status_of(market) == "settled"


def test_markets_that_are_paid_at_the_same_time_take_turns(shard, operator, monkeypatch):
    markets = [world.make_market(dispute_seconds=0) for _ in range(3)]
    accounts = [world.make_account() for _ in range(4)]
    for market in markets:
        world.open_market(shard, market)
        for seller, buyer in pairwise(accounts):
            run(shard, sell(market, seller, 60, 100), buy(market, buyer, 60, 100))
        actions.do_close_market(market, by=operator)
        actions.do_resolve_market(market, by=operator, payout_pips=[1, 9_999], evidence_text="x")
    monkeypatch.setattr(tasks, "SETTLE_SLICE_SECONDS", 0.0005)
    monkeypatch.setattr(settlement.settle_market, "__kwdefaults__", {"until": None, "chunk": 1})
    tasks.settle_due()
    assert [status_of(market) for market in markets] == ["settled"] * 3


def test_one_market_that_cannot_be_done_keeps_no_other_waiting(shard, operator, monkeypatch):
    first, second = world.make_market(), world.make_market()
    for market in (first, second):
        move(market, open_at=past())
    plain = tasks.do_open_market

    def open_market(market, **options):
        if market == first:
            raise ApiError("engine_away")
        plain(market, **options)

    monkeypatch.setattr(tasks, "do_open_market", open_market)
    tasks.open_due()
    assert (status_of(first), status_of(second)) == ("draft", "open")


def test_nothing_is_changed_while_the_exchange_is_read_only(shard, draft, operator):
    move(draft, open_at=past())
    Exchange.objects.update_or_create(pk=1, defaults={"maintenance": True})
    tasks.open_due()
    assert status_of(draft) == "draft"


def test_every_scheduled_task_exists_and_beat_triggers_it():
    for name in schedule.SECONDS:
        assert callable(getattr(tasks, name))
        entry = app.conf.beat_schedule[name]
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] <= entry["schedule"]


def test_all_tasks_run_twice_in_a_row_on_an_exchange_that_trades(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    for _ in range(2):
        for name in schedule.SECONDS:
            getattr(tasks, name)()
    assert Candle.objects.count() == 1
    assert not projections.list_behind(10)
    assert DailyEquity.objects.count() == 0


def test_the_nightly_check_keeps_its_report_once_a_night(shard, market, monkeypatch):
    tasks.verify_nightly()
    run_row = VerifyRun.objects.get()
    assert run_row.breaches == 0
    assert {finding["invariant"] for finding in run_row.report} == set("abcdefghijk")
    tasks.verify_nightly()
    assert VerifyRun.objects.count() == 1
    monkeypatch.setattr(tasks, "_last_night", lambda now: now)  # the next one
    with monkeypatch.context() as stopping:
        stopping.setattr(tasks.stopping, "is_set", lambda: True)
        tasks.verify_nightly()
    assert VerifyRun.objects.count() == 1, "stopped: not finished, not kept"
    tasks.verify_nightly()
    assert VerifyRun.objects.count() == 2


def test_a_breach_is_reported_as_an_error(shard, market, alice, bob, caplog):
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    Order.objects.filter(account=alice).update(filled_micros=1)
    recorded = verify.record_run()
    assert recorded.breaches > 0
    assert any("an order is filled by its trades" in finding["what"] for finding in recorded.report)
