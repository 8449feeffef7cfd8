"""Recorded 15-minute sessions as a series, back to back: nobody lends a hand.

The clock is the test's. At each of its times every trigger comes once, in any order, as from the
scheduler. Each market is made, opened, closed, resolved by what was published, and paid.
"""

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from accounts.actions import do_create_user, do_grant
from accounts.models import Account
from markets import actions as drafts
from markets.models import Market, ScheduledMarket, Series, StatusChange
from simulator.recordings.crowd import Crowd, Member, QueueModel
from simulator.recordings.recording import Recording
from simulator.recordings.replay import read_committed_book, replay_real_path
from simulator.recordings.stage import ROLES
from tests.lifecycle.results import breaches
from tests.lifecycle.test_resolvers import serving
from tests.simulator.test_replay_recording import WINDOWS
from tests.trading import world
from trading import actions, tasks
from trading.models import Margin

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900), pytest.mark.one_database]

START = datetime(2021, 3, 1, 12, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
PUBLISHED_AFTER = timedelta(seconds=10)
FUNDS_MICROS = 10**15
TRIGGERS = (
    tasks.make_scheduled,
    tasks.open_due,
    tasks.close_due,
    tasks.expire_due,
    tasks.resolve_due,
    tasks.settle_due,
    tasks.derive_due,
)


class Clock:
    def __init__(self, monkeypatch):
        self.now = START - timedelta(minutes=1)
        monkeypatch.setattr(timezone, "now", lambda: self.now)
        monkeypatch.setattr(tasks, "now_us", self.read_us)
        world.set_clock(monkeypatch, self.read_us)

    def read_us(self):
        return int(self.now.timestamp() * 1_000_000)


class Exchange:
    """A gateway that carries out at once, a little later each time."""

    def __init__(self, shard, clock):
        self.shard, self.clock = shard, clock

    async def send(self, tasks):
        self.clock.now += timedelta(milliseconds=10)
        return [SimpleNamespace(result=result) for result in world.run(self.shard, *tasks)]


def trigger_all(order):
    for trigger in order.sample(TRIGGERS, len(TRIGGERS)):
        trigger()


def run_now(coroutine):
    """Run a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


async def read_book(market_id):
    return read_committed_book(market_id)


def publish(recording, clock, end):
    """Return what the venue published for a session, from its time on."""
    said = recording.metadata()
    document = {
        "strike": said["floor_strike"],
        "value": said["expiration_value"],
        "at": int(end.timestamp()),
    }
    return lambda: document if clock.now >= end + PUBLISHED_AFTER else None


def make_program(name):
    user = do_create_user(
        email=f"{name}@example.com", handle=name, password=None, by=None, kind="system"
    )
    account = Account.objects.get(owner=user)
    do_grant(account, amount_micros=FUNDS_MICROS, by=None)
    return account


def make_schedule(operator, site):
    template = world.make_market(
        title="Gold at {end} at least what it was at {start}?",
        lot_step_lots=1,
        dispute_seconds=0,
        close_at=START + timedelta(days=30),
    )
    actions.do_set_resolver(
        template,
        by=operator,
        fields={
            "kind": "threshold", "url": f"{site}/{{start_unix}}", "value_path": "value",
            "threshold_path": "strike", "time_path": "at", "patience_seconds": 300,
        },
    )  # fmt: skip
    return drafts.do_create_schedule(
        by=operator,
        series=Series.objects.create(slug="gold", title="Gold, every 15 minutes"),
        template=template,
        interval_seconds=900,
        first_start_at=START,
    )


@pytest.mark.parametrize(
    "windows", [WINDOWS[:2], pytest.param(WINDOWS, marks=pytest.mark.soak)], ids=("two", "all")
)
def test_recorded_sessions_run_as_a_series_without_a_hand(
    shard, operator, data_dir, monkeypatch, settings, windows
):
    settings.RESOLVER_TRUSTED_HOSTS = ["127.0.0.1"]
    clock, order = Clock(monkeypatch), random.Random(15)
    folder = data_dir / "kalshi_gold15m" / "derived"
    recordings = [Recording(folder / f"{window}.ops.csv.gz") for window in windows]
    traders = [make_program(name) for name in ("recorded_yes", "recorded_no", "recorded_taker")]
    starts = [START + number * QUARTER for number in range(len(windows))]
    documents = {
        f"/{int(start.timestamp())}": publish(recording, clock, start + QUARTER)
        for start, recording in zip(starts, recordings, strict=True)
    }
    with serving(documents) as site:
        schedule = make_schedule(operator, site)
        for number, (start, recording) in enumerate(zip(starts, recordings, strict=True)):
            clock.now = start
            trigger_all(order)
            trigger_all(order)
            market = schedule.made.get(starts_at=start).market
            trading = Market.objects.filter(status="open")
            assert list(trading) == [market], "the next one opened as the former closed"
            outcome = run_session(recording, Exchange(shard, clock), market, traders)
            assert outcome.is_equal()
            assert clock.now < start + QUARTER
            if number:
                assert_settled_as_recorded(schedule, starts[number - 1], recordings[number - 1])
            clock.now = start + QUARTER
            trigger_all(order)
            clock.now += PUBLISHED_AFTER + timedelta(seconds=5)
            trigger_all(order)
            trigger_all(order)
        assert_settled_as_recorded(schedule, starts[-1], recordings[-1])
    assert ScheduledMarket.objects.filter(skipped__gt=0).count() == 0
    assert not StatusChange.objects.filter(market__in=schedule.made.values("market"),
                                           to_status__in=("open", "closed", "settled")).exclude(
                                               by=None).exists()  # fmt: skip
    assert not breaches()


def run_session(recording, exchange, market, traders):
    members = [Member(account.pk, account.owner_id) for account in traders]
    crowd = Crowd(dict(zip(ROLES, members, strict=True)), QueueModel.CONSERVATIVE)
    return run_now(
        replay_real_path(recording, exchange, market.pk, crowd, read_book, lambda count: None)
    )


def assert_settled_as_recorded(schedule, start, recording):
    market = schedule.made.get(starts_at=start).market
    pays = [outcome.payout_pips for outcome in market.outcomes.all()]
    assert market.status == "settled"
    assert pays == ([10_000, 0] if recording.metadata()["result"] == "yes" else [0, 10_000])
    assert not Margin.objects.filter(market=market, payout_micros=None).exists()
    assert Account.objects.get(pk=market.escrow_account_id).cash_micros == 0
