"""The front page of the admin: pending tasks by permission, in few queries for any number."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import do_request_deposit, do_request_withdrawal
from accounts.models import Account
from markets.models import Dispute, Resolution
from tests.lifecycle.conftest import shard  # noqa: F401 - a fixture
from tests.markets.factories import in_days, make_market, make_user
from tests.trading import world
from trading.models import ExchangeDay, Lease, Trade, VerifyRun
from trading.readmodels import activity
from trading.roles import ROLES

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_user("olivia", operator=True)


def site_of(user):
    client = Client()
    client.force_login(user, backend="accounts.backends.Backend")
    return client


def make_staff(role):
    user = make_user(f"in_{role}")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return user


def look(user):
    return site_of(user).get("/admin/").context["dashboard"]


def boxes_of(user):
    return {str(box.title): box for box in look(user)["boxes"]}


def fill(operator, count):
    """So many of everything that may wait."""
    alice = make_user()
    account = Account.objects.get(owner=alice)
    from accounts.actions import do_grant

    do_grant(account, amount_micros=10**9, by=None)
    for _ in range(count):
        make_market(status="proposed")
        make_market(status="open", close_at=in_days(0.5))
        make_market(status="closed")
        market = make_market(status="resolving")
        result = Resolution.objects.create(
            market=market,
            payout_pips=[10_000, 0],
            proposed_by=operator,
            final_at=timezone.now() + timedelta(days=1),
        )
        Dispute.objects.create(resolution=result, raised_by=alice, text="No.")
        do_request_withdrawal(account, amount_micros=10**6, by=alice)
        do_request_deposit(account, amount_micros=10**6, by=alice)


def test_what_waits_is_shown_oldest_first_with_links(operator):
    fill(operator, 2)
    boxes = boxes_of(operator)
    waiting = {title: box.how_many for title, box in boxes.items() if box.how_many}
    assert {name: count for name, count in waiting.items() if name != "Reported comments"} == {
        "Waiting for approval": 2,
        "Due to close within 24 hours": 2,
        "Waiting for a result": 2,
        "Unpaid results": 2,
        "Disputes": 2,
        "Withdrawals": 2,
        "Deposit requests": 2,
    }
    site = site_of(operator)
    for box in boxes.values():
        assert site.get(box.url).status_code == 200
        for line in box.lines[:1]:
            assert site.get(line.url).status_code == 200
    states = {str(state["title"]): state["count"] for state in look(operator)["states"]}
    assert (states["Proposed"], states["Open"], states["Closed"], states["Resolving"]) == (2,) * 4


def test_the_number_of_queries_does_not_grow_with_what_waits(operator):
    site = site_of(operator)
    site.get("/admin/")  # what a process keeps for a second is read
    counts = []
    for _ in range(2):
        fill(operator, 3)
        with CaptureQueriesContext(connection) as queries:
            assert site.get("/admin/").status_code == 200
        # The policy and the exchange's state are read once a second, for all viewers.
        counts.append(
            sum(
                "accounts_policy" not in one["sql"] and "markets_exchange" not in one["sql"]
                for one in queries
            )
        )
    assert counts[0] == counts[1] <= 45
    big = ("trading_trade", "trading_order", "accounts_transfer", "accounts_auditevent")
    assert not [sql for sql in queries if any(table in sql["sql"] for table in big)]


def test_an_engine_that_never_started_is_away(operator, settings):
    settings.ENGINE_SHARDS = 2
    Lease.objects.create(
        shard=0,
        epoch=3,
        owner="host/1",
        loaded_at_us=1,
        renewed_at_us=world_now_us(),
        committed_at_us=world_now_us(),
        queue_depth=4,
    )
    first, second = look(operator)["shards"]
    assert (first.is_ok, first.owner, first.epoch, first.queue_depth) == (True, "host/1", 3, 4)
    assert (second.is_ok, second.owner) == (False, "")
    Lease.objects.update(renewed_at_us=1)
    assert not look(operator)["shards"][0].is_ok


def world_now_us():
    return int(timezone.now().timestamp() * 1_000_000)


def test_the_last_check_is_shown_and_an_old_one_is_called_old(operator):
    assert look(operator)["verify_is_old"]
    now = timezone.now()
    VerifyRun.objects.create(started_at=now, finished_at=now, breaches=0, report=[])
    shown = look(operator)
    assert (shown["verify"].breaches, shown["verify_is_old"]) == (0, False)
    VerifyRun.objects.create(started_at=now, finished_at=now, breaches=3, report=[])
    page = site_of(operator).get("/admin/").content.decode()
    assert "3 breaches" in page


def test_days_are_counted_from_the_trades_and_shown(shard, operator):  # noqa: F811
    alice, bob = world.make_account(name="alice"), world.make_account(name="bob")
    market = world.make_market()
    world.open_market(shard, market)
    world.run(shard, world.sell(market, bob, 60, 1_000), world.buy(market, alice, 60, 1_000))
    activity.record_days()
    today = datetime.now(UTC).date()
    day = ExchangeDay.objects.get(day=today)
    [trade] = Trade.objects.all()
    assert (day.volume_lots, day.volume_micros) == (1_000, trade.amount_micros)
    assert (day.trades, day.traders) == (1, 2)
    assert ExchangeDay.objects.count() == activity.DAYS_MAX
    world.run(shard, world.sell(market, bob, 60, 1_000), world.buy(market, alice, 60, 1_000))
    ExchangeDay.objects.exclude(day=today).update(counted_at=timezone.now())
    activity.record_days()
    day.refresh_from_db()
    assert (day.trades, day.traders) == (2, 2)
    volume, traders = look(operator)["charts"]
    assert (volume.total, traders.total) == (day.volume_micros, 2)
    assert volume.bars[-1].height == 60
    assert all(bar.height == 0 for bar in volume.bars[:-1])


@pytest.mark.parametrize(
    ("role", "boxes", "parts"),
    [
        ("operator", {"Waiting for approval", "Due to close within 24 hours"},
         {"exchange", "states", "shards", "charts", "shows_verify"}),
        ("resolver", {"Waiting for a result", "Unpaid results", "Disputes", "Corrections"},
         {"states"}),
        ("finance", {"Withdrawals", "Deposit requests"}, {"charts", "shows_verify"}),
        ("moderator", {"Newest users"}, set()),
    ],
)  # fmt: skip
def test_each_role_sees_its_own_boxes(role, boxes, parts):
    staff = make_staff(role)
    assert set(boxes_of(staff)) - {"Reported comments"} == boxes
    shown = look(staff)
    names = {"exchange", "states", "shards", "charts", "shows_verify"}
    assert {name for name in names if shown.get(name)} == parts


def test_staff_without_a_role_see_that_they_have_none():
    user = make_user("nobody_yet")
    user.is_staff = True
    user.save()
    assert "operator without a role" in site_of(user).get("/admin/").content.decode()


@pytest.mark.one_database
def test_the_sidebar_leads_only_where_the_role_may_go():
    for role in ROLES:
        site = site_of(make_staff(role))
        links = [
            item["link"]
            for group in site.get("/admin/").context["sidebar_navigation"]
            for item in group["items"]
        ]
        assert len(links) > 3
        for link in links:
            assert site.get(link, follow=True).status_code == 200, (role, link)
