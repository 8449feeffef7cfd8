"""Markets that recur are made by the clock: each interval's once, missed ones never."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from markets import actions as drafts
from markets.models import AutomaticResolver, Market, ScheduledMarket, Series, SeriesSchedule
from tests.lifecycle.results import end_window, refuse, set_policy
from tests.trading import world
from trading import actions, tasks
from trading.models import Notification
from trading.notifications import notify
from trading.notifications.sentences import describe

pytestmark = pytest.mark.django_db

QUARTER = timedelta(minutes=15)
ANCHOR = datetime(2030, 1, 1, 0, 5, tzinfo=UTC)


@pytest.fixture
def series(db):
    return Series.objects.create(slug="gold", title="Gold, every 15 minutes")


@pytest.fixture
def template(operator):
    return world.make_market(
        title="Gold up from {start} to {end}?",
        rules="Yes if it is at {end_unix} above what it was at {start_unix}.",
        tick_pips=50,
        position_limit_lots=5_000,
        dispute_seconds=0,
    )


def make_schedule(operator, series, template, start=ANCHOR, seconds=900):
    return drafts.do_create_schedule(
        by=operator,
        series=series,
        template=template,
        interval_seconds=seconds,
        first_start_at=start,
    )


def make(schedule, now):
    return drafts.do_make_current_market(schedule, now=now)


def test_a_market_is_made_of_the_template_with_the_times_of_its_interval(
    shard, operator, series, template
):
    schedule = make_schedule(operator, series, template)
    assert make(schedule, ANCHOR - timedelta(seconds=1)) is None
    market = make(schedule, ANCHOR + timedelta(minutes=7))
    assert market.title == "Gold up from 2030-01-01 00:05 UTC to 2030-01-01 00:20 UTC?"
    assert market.rules == "Yes if it is at 1893457200 above what it was at 1893456300."
    assert (market.open_at, market.close_at) == (ANCHOR, ANCHOR + QUARTER)
    assert (market.tick_pips, market.position_limit_lots) == (50, 5_000)
    assert [outcome.code for outcome in market.outcomes.all()] == ["YES", "NO"]
    assert market.event.series == series
    assert market.is_approved


@pytest.mark.parametrize("seconds", SeriesSchedule.Interval.values)
def test_each_interval_has_one_market_however_often_it_is_looked_for(
    shard, operator, series, template, seconds
):
    schedule = make_schedule(operator, series, template, seconds=seconds)
    interval = timedelta(seconds=seconds)
    for number in range(3):
        for part in (0, 0.5, 0.99):
            make(schedule, ANCHOR + (number + part) * interval)
    made = list(schedule.made.order_by("starts_at"))
    assert [row.starts_at for row in made] == [ANCHOR + n * interval for n in range(3)]
    assert [row.skipped for row in made] == [0, 0, 0]


def test_missed_intervals_are_skipped_and_counted(shard, operator, series, template):
    schedule = make_schedule(operator, series, template)
    make(schedule, ANCHOR)
    make(schedule, ANCHOR + 10 * QUARTER)
    first, late = schedule.made.order_by("starts_at")
    assert (first.skipped, late.skipped) == (0, 9)
    assert late.starts_at == ANCHOR + 10 * QUARTER


def test_the_database_refuses_a_second_market_for_a_start(shard, operator, series, template):
    schedule = make_schedule(operator, series, template)
    make(schedule, ANCHOR)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScheduledMarket.objects.create(
            schedule=schedule, starts_at=ANCHOR, market=world.make_market()
        )


def test_a_series_is_opened_closed_resolved_and_settled_by_the_tasks(
    shard, operator, series, template
):
    start = timezone.now().replace(second=0, microsecond=0)
    make_schedule(operator, series, template, start=start)
    tasks.make_scheduled()
    tasks.make_scheduled()
    market = ScheduledMarket.objects.get().market
    tasks.open_due()
    market.refresh_from_db()
    assert market.status == "open"
    Market.objects.filter(pk=market.pk).update(close_at=timezone.now())
    tasks.close_due()
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    end_window(market)
    tasks.settle_due()
    market.refresh_from_db()
    assert market.status == "settled"


def test_a_paused_schedule_makes_nothing_until_it_is_resumed(
    shard, operator, alice, series, template
):
    schedule = make_schedule(operator, series, template)
    drafts.do_pause_schedule(schedule, by=operator)
    assert make(schedule, ANCHOR) is None
    schedule.refresh_from_db()
    refuse("already_paused", drafts.do_pause_schedule, schedule, by=operator)
    refuse("not_an_operator", drafts.do_resume_schedule, schedule, by=alice.owner)
    drafts.do_resume_schedule(schedule, by=operator)
    assert make(schedule, ANCHOR + 3 * QUARTER) is not None


def test_who_may_not_make_markets_makes_no_schedule(shard, operator, alice, series, template):
    refuse("not_an_operator", make_schedule, alice.owner, series, template)
    actions.do_open_market(template, by=operator)
    template.refresh_from_db()
    refuse("not_a_draft", make_schedule, operator, series, template)


def test_a_schedule_whose_market_is_refused_is_paused_and_operators_are_notified(
    shard, operator, colleague, series, template
):
    schedule = make_schedule(operator, series, template)
    User.objects.filter(pk=operator.pk).update(is_superuser=False, is_staff=False)
    assert make(schedule, timezone.now() + timedelta(days=3_000)) is None
    schedule.refresh_from_db()
    assert schedule.paused_at is not None
    assert schedule.paused_because
    SeriesSchedule.objects.update(paused_at=timezone.now())
    notify.notify_due()
    notify.notify_due()
    [row] = Notification.objects.filter(user=colleague)
    assert describe(row).title == (
        "The series “Gold, every 15 minutes” stopped: no market could be made"
    )
    drafts.do_resume_schedule(schedule, by=colleague)
    assert make(schedule, timezone.now() + timedelta(days=3_000)) is not None


def test_a_schedule_is_made_paused_and_resumed_in_the_admin_and_its_markets_are_listed(
    shard, operator, series, template
):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    start = timezone.now().replace(minute=0, second=0, microsecond=0)
    add = "/admin/markets/seriesschedule/add/"
    assert "{start_unix}" in site.get(add).text
    sent = {
        "series": series.pk,
        "template": template.pk,
        "interval_seconds": "3600",
        "first_start_at_0": f"{start:%Y-%m-%d}",
        "first_start_at_1": f"{start:%H:%M}",
    }
    answer = site.post(add, sent)
    assert answer.status_code == 302, answer.context["errors"]
    schedule = SeriesSchedule.objects.get()
    assert (schedule.created_by, schedule.interval_seconds) == (operator, 3_600)
    tasks.make_scheduled()
    tasks.open_due()
    page = f"/admin/markets/seriesschedule/{schedule.pk}/"
    assert site.get(f"{page}change/").status_code == 200
    market = schedule.made.get().market
    listed = site.get(f"/admin/markets/scheduledmarket/?schedule__id__exact={schedule.pk}")
    assert f"/admin/markets/market/{market.pk}/change/" in listed.text
    assert market.title in Client().get("/?series=gold").text
    assert f"?event={market.event.slug}" in Client().get(f"/markets/{market.slug}/").text
    site.post(f"{page}do/pause/", {"reason": "x"})
    schedule.refresh_from_db()
    assert schedule.paused_at is not None
    site.post(f"{page}do/resume/", {})
    schedule.refresh_from_db()
    assert schedule.paused_at is None


def test_a_market_is_cloned_with_its_texts_terms_and_outcomes(shard, operator, alice):
    names = [("RED", "Red"), ("BLUE", "Blue"), ("NONE", "Neither")]
    market = drafts.do_create_market(
        by=operator,
        fields={
            "title": "Which colour?",
            "kind": "categorical",
            "rules": "By eye.",
            "close_at": timezone.now() + timedelta(days=2),
            "tick_pips": 50,
            "fee_kind": "flat",
            "fee_taker_rate": 10_000,
        },
        outcomes=names,
    )
    later = timezone.now() + timedelta(days=9)
    clone = drafts.do_clone_market(market, by=operator, fields={"close_at": later})
    assert (clone.title, clone.rules, clone.tick_pips) == ("Which colour?", "By eye.", 50)
    assert (clone.fee_kind, clone.fee_taker_rate) == ("flat", 10_000)
    assert list(clone.outcomes.values_list("code", "name")) == names
    assert (clone.status, clone.close_at, clone.open_at) == ("draft", later, None)
    set_policy(who_may_create="everyone")
    own = drafts.do_clone_market(market, by=alice.owner, fields={"close_at": later})
    assert (own.fee_kind, own.is_approved, own.tick_pips) == ("none", False, 50)


def test_a_clone_and_each_market_of_a_series_is_decided_as_its_source_is(
    shard, operator, colleague, series, template, alice, bob
):
    judged = world.make_market()
    judges = [alice.owner, bob.owner]
    actions.do_set_panel(judged, by=operator, judges=judges, verdicts_needed=2)
    actions.do_set_resolver(
        template,
        by=operator,
        fields={
            "kind": "threshold", "url": "https://example.org/{start_unix}", "value_path": "price",
            "threshold": "1",
        },
    )  # fmt: skip
    actions.do_approve_resolver(template, by=colleague)
    AutomaticResolver.objects.update(state="person", attempts=9, because="no answer")
    later = {"close_at": timezone.now() + timedelta(days=9)}
    panel = drafts.do_clone_market(judged, by=operator, fields=later).panel
    assert panel.verdicts_needed == 2
    assert [judge.user for judge in panel.judges.all()] == judges
    resolver = drafts.do_clone_market(template, by=operator, fields=later).automatic_resolver
    assert (resolver.url, resolver.state, resolver.attempts, resolver.because) == (
        "https://example.org/{start_unix}", "waiting", 0, "")  # fmt: skip
    assert (resolver.set_by, resolver.approved_by) == (operator, colleague)
    made = make(make_schedule(operator, series, judged), ANCHOR)
    assert made.panel.judges.count() == 2
    set_policy(who_may_create="everyone")
    own = drafts.do_clone_market(template, by=alice.owner, fields=later)
    assert not AutomaticResolver.objects.filter(market=own).exists()


def test_a_market_is_cloned_in_the_admin_and_over_the_api(shard, market, operator):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    later = timezone.now() + timedelta(days=9)
    url = f"/admin/markets/market/{market.pk}/do/clone/"
    assert market.title in site.get(url).text
    sent = {"new_title": "And tomorrow?", "close_at": f"{later:%Y-%m-%dT%H:%M}"}
    assert site.post(url, sent).status_code == 302
    assert Market.objects.get(title="And tomorrow?").status == "draft"
    answer = site.post(
        f"/api/v1/markets/{market.slug}/clone",
        {"close_at": later.isoformat(), "slug": "again"},
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.json()
    assert (answer.json()["slug"], answer.json()["title"]) == ("again", market.title)
