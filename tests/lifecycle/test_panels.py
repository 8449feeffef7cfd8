"""Panels: what so many judges say alike is proposed, and nothing else is."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from markets.models import Market, PanelJudge, Resolution
from tests.lifecycle.results import end_window, refuse, set_policy
from tests.lifecycle.test_notify import titles_of
from tests.markets.factories import make_group
from tests.trading import world
from trading import actions, tasks
from trading.models import Notification
from trading.notifications import notify
from trading.notifications.sentences import describe

pytestmark = pytest.mark.django_db

YES, NO = [10_000, 0], [0, 10_000]


@pytest.fixture
def judges(db):
    return [world.make_account(name=f"judge{n}") for n in range(3)]


@pytest.fixture
def closed(shard, market, operator, judges):
    """A closed market that two of three judges decide."""
    users = [judge.owner for judge in judges]
    actions.do_set_panel(market, by=operator, judges=users, verdicts_needed=2)
    actions.do_close_market(market, by=operator)
    return market


def say(market, judge, payout_pips):
    return actions.do_give_verdict(
        market, by=judge.owner, payout_pips=payout_pips, evidence_text="I saw it"
    )


def test_the_last_equal_verdict_that_is_needed_is_proposed(closed, judges, operator):
    set_policy(two_person_rule=True)
    first, second, third = judges
    assert say(closed, first, YES) is None
    assert say(closed, second, NO) is None
    result = say(closed, third, YES)
    assert (result.payout_pips, result.proposed_by) == (YES, third.owner)
    assert result.approved_by == first.owner, "who said the same is the second person"
    refuse("not_closed", say, closed, second, YES)
    end_window(closed)
    tasks.settle_due()
    closed.refresh_from_db()
    assert closed.status == "settled"
    assert AuditEvent.objects.filter(action="give_verdict").count() == 3


def test_a_judge_says_one_thing_at_a_time_and_may_change_it(closed, judges):
    first, second, _ = judges
    for payout_pips in (YES, YES, NO):
        assert say(closed, first, payout_pips) is None
    assert say(closed, second, YES) is None
    assert say(closed, second, NO).payout_pips == NO


def test_nobody_else_decides_and_no_judge_alone(closed, judges, alice, operator):
    refuse("not_a_judge", say, closed, alice, YES)
    given = {"payout_pips": YES, "evidence_text": "x"}
    refuse("panel_decides", actions.do_resolve_market, closed, by=operator, **given)
    refuse("payout_sum_not_one", say, closed, judges[0], [1, 1])
    refuse("evidence_missing", actions.do_give_verdict, closed, by=judges[0].owner, payout_pips=YES)
    assert not Resolution.objects.exists()
    actions.do_remove_panel(closed, by=operator, reason="they don't answer")
    assert actions.do_resolve_market(closed, by=operator, **given).payout_pips == YES


def test_judges_decide_anew_when_a_result_is_withdrawn(closed, judges, operator):
    first, second, third = judges
    say(closed, first, YES)
    say(closed, second, YES)
    actions.do_withdraw_result(closed, by=operator, reason="look again")
    assert say(closed, third, YES) is None, "what was said before does not count any more"
    assert say(closed, first, YES).payout_pips == YES


def test_a_panel_that_could_not_decide_is_refused(shard, market, operator, alice, judges):
    users = [judge.owner for judge in judges]

    def appoint(judges, needed, by=operator):
        actions.do_set_panel(market, by=by, judges=judges, verdicts_needed=needed)

    refuse("judge_count", appoint, [], 1)
    refuse("judge_count", appoint, [users[0], users[0]], 1)
    refuse("too_few_judges", appoint, users, 4)
    refuse("too_few_judges", appoint, users, 0)
    refuse("not_an_operator", appoint, users, 2, by=alice.owner)
    refuse("no_panel", actions.do_remove_panel, market, by=operator)
    Market.objects.filter(pk=market.pk).update(visibility="group", group=make_group(users[0]))
    refuse("judge_outside", appoint, users, 2)
    appoint(users[:1], 1)
    User.objects.filter(pk=users[1].pk).update(suspended_at=timezone.now())
    Market.objects.filter(pk=market.pk).update(visibility="public", group=None)
    refuse("resolver_stopped", appoint, list(User.objects.filter(pk=users[1].pk)), 1)


def test_judges_are_notified_when_trading_ends_and_when_a_result_is_withdrawn(
    closed, judges, operator
):
    for _ in range(2):
        notify.notify_due()
    assert titles_of(judges[0]) == ["Trading has ended: give your verdict as a judge"]
    say(closed, judges[0], YES)
    say(closed, judges[1], YES)
    actions.do_withdraw_result(closed, by=operator, reason="look again")
    for _ in range(2):
        notify.notify_due()
    rows = Notification.objects.filter(user=judges[2].owner, kind="judge")
    assert [describe(row).title for row in rows] == [
        "Trading has ended: give your verdict as a judge"
    ] * 2


def test_judges_say_what_happened_on_the_markets_page(closed, judges, alice):
    page = f"/markets/{closed.slug}/"
    sites = [Client() for _ in judges]
    for site, judge in zip(sites, judges, strict=True):
        site.force_login(judge.owner, backend="accounts.backends.Backend")
    assert "2 of 3 judges: judge0, judge1, judge2" in Client().get(page).text
    assert "Your verdict as a judge" in sites[0].get(page).text
    assert "Your verdict as a judge" not in Client().get(page).text
    sent = {"winners": ["YES"], "evidence_text": "I saw it"}
    answer = sites[0].post(f"{page}result/", sent, follow=True)
    assert "Your verdict is recorded." in answer.text
    answer = sites[1].post(f"{page}result/", sent, follow=True)
    assert "The result is proposed." in answer.text


def test_a_panel_is_appointed_and_dismissed_in_the_admin_and_over_the_api(
    shard, market, operator, judges
):
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    admin = f"/admin/markets/market/{market.pk}/do"
    sent = {"judges": "judge0\njudge1", "verdicts_needed": "2"}
    assert site.get(f"{admin}/set-panel/").status_code == 200
    assert site.post(f"{admin}/set-panel/", sent).status_code == 302
    api = f"/api/v1/markets/{market.slug}"
    assert site.get(api).json()["panel"] == {
        "judges": ["judge0", "judge1"], "verdicts_needed": 2
    }  # fmt: skip
    assert site.post(f"{admin}/remove-panel/", {"reason": "x"}).status_code == 302
    body = {"judges": ["judge2"], "verdicts_needed": 1}
    put = site.put(f"{api}/panel", body, content_type="application/json")
    assert put.json()["panel"]["judges"] == ["judge2"]
    actions.do_close_market(market, by=operator)
    judge = Client()
    judge.force_login(judges[2].owner, backend="accounts.backends.Backend")
    given = judge.post(
        f"{api}/panel/verdict", {"yes": "1", "evidence_text": "x"}, content_type="application/json"
    )
    assert given.json()["status"] == "resolving", given.json()
    assert PanelJudge.objects.get().payout_pips == YES
