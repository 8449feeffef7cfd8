"""A scalar market from its first order to its payment: proposed and settled by a number."""

import pytest
from django.test import Client
from django.utils import translation

from markets.lifecycle import scalar_payout
from markets.models import Market, Resolution
from tests.lifecycle.results import cash, end_window, refuse, status_of
from tests.lifecycle.test_resolvers import close as close_in_time
from tests.lifecycle.test_resolvers import serving
from tests.trading import world
from trading import actions, tasks
from trading.models import Notification
from trading.notifications import notify
from trading.notifications.sentences import describe
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market
from trading.verify import check_everything

pytestmark = pytest.mark.django_db
MILLION = 1_000_000
POINTS = {
    "kind": "scalar", "low_millionths": 1_000 * MILLION, "high_millionths": 2_000 * MILLION,
    "number_unit": "points", "dispute_seconds": 0,
}  # fmt: skip


@pytest.fixture
def points(shard, operator):
    """A market about 1,000 to 2,000 points that is open."""
    market = world.make_market(**POINTS)
    world.open_market(shard, market)
    market.refresh_from_db()
    return market


def trade(shard, market, alice, bob, *, price=24, lots=1_000):
    """Alice buys 10 Higher at this price, bob the same Lower."""
    world.run(shard, world.sell(market, bob, price, lots), world.buy(market, alice, price, lots))


def pay(market):
    end_window(market)
    settle_market(market.pk)
    market.refresh_from_db()


def assert_verified():
    breaches = [finding for finding in check_everything() if finding.examples]
    assert not breaches, breaches


@pytest.mark.parametrize(
    ("number", "alice_pays", "bob_pays"),
    [("1500", 5_000, 5_000), ("1240.06", 2_400, 7_600), ("3000", 10_000, 0), ("0", 0, 10_000)],
)
def test_a_market_is_settled_exactly_by_its_number(
    shard, points, operator, alice, bob, number, alice_pays, bob_pays
):
    trade(shard, points, alice, bob)
    actions.do_close_market(points, by=operator)
    result = actions.do_resolve_market(
        points,
        by=operator,
        payout_pips=[alice_pays, bob_pays],
        number=number,
        evidence_text="The league's page.",
    )
    assert (result.payout_pips, result.number) == ([alice_pays, bob_pays], number)
    before = cash(alice), cash(bob)
    pay(points)
    assert status_of(points) == Market.Status.SETTLED
    assert cash(alice) - before[0] == alice_pays * 1_000
    assert cash(bob) - before[1] == bob_pays * 1_000
    assert points.settled_number == number
    assert [row.payout_pips for row in points.outcomes.all()] == [alice_pays, bob_pays]
    assert_verified()


def test_no_payout_but_that_of_a_number_can_be_proposed(shard, points, operator):
    actions.do_close_market(points, by=operator)
    for vector, number in (([5_000, 5_000], ""), ([5_000, 5_000], "1501"), ([10_000, 0], "")):
        refuse("number_missing", actions.do_resolve_market, points, by=operator,
               payout_pips=vector, number=number, evidence_text="x")  # fmt: skip
    assert status_of(points) == Market.Status.CLOSED


def test_a_proposal_by_number_is_disputed_withdrawn_and_made_again(shard, operator, alice, bob):
    points = world.make_market(**{**POINTS, "dispute_seconds": 3_600})
    world.open_market(shard, points)
    trade(shard, points, alice, bob)
    actions.do_close_market(points, by=operator)
    propose(points, operator, "1400")
    actions.do_dispute_result(points, by=bob.owner, text="It was 1,300.")
    actions.do_decide_dispute(
        points, by=operator, raised_by=bob.owner.handle, uphold=True, note="Right."
    )
    propose(points, operator, "1300")
    pay(points)
    assert points.settled_number == "1300"
    assert cash(alice) == 10_000 * MILLION + (3_000 - 2_400) * 1_000


def propose(market, by, number):
    return actions.do_resolve_market(
        market,
        by=by,
        payout_pips=scalar_payout(market, number),
        number=number,
        evidence_text="The league's page.",
    )


def test_a_panel_gives_its_verdicts_in_numbers(points, operator, alice, bob):
    judges = [alice.owner, bob.owner]
    actions.do_set_panel(points, by=operator, judges=judges, verdicts_needed=2)
    actions.do_close_market(points, by=operator)
    for judge in judges:
        result = actions.do_give_verdict(
            points, by=judge, payout_pips=[3_000, 7_000], number="1300", evidence_text="Seen."
        )
    assert (result.number, result.payout_pips) == ("1300", [3_000, 7_000])


@pytest.mark.parametrize(
    ("value", "number", "yes_pips"),
    [(1240.06, "1240.06", 2_400), ("1240.1", "1240.1", 2_401), (1e3, "1000", 0)],
)
def test_a_resolver_proposes_the_observed_number(
    points, operator, settings, value, number, yes_pips
):
    settings.RESOLVER_TRUSTED_HOSTS = ["127.0.0.1"]
    with serving({"/points": {"points": value}}) as site:
        fields = {"kind": "number", "url": f"{site}/points", "value_path": "points"}
        actions.do_set_resolver(points, by=operator, fields=fields)
        close_in_time(points, operator)
        tasks.resolve_due()
    result = Resolution.objects.get(market=points)
    assert (result.number, result.payout_pips) == (number, [yes_pips, 10_000 - yes_pips])
    assert result.reading["value"] == str(value) or result.reading["value"] == number


@pytest.mark.parametrize("value", ["much", None, True, "1e999999999", "NaN"])
def test_what_is_no_number_waits_for_a_person(points, operator, settings, value):
    settings.RESOLVER_TRUSTED_HOSTS = ["127.0.0.1"]
    with serving({"/points": {"points": value}}) as site:
        fields = {
            "kind": "number", "url": f"{site}/points", "value_path": "points",
            "patience_seconds": 0,
        }  # fmt: skip
        actions.do_set_resolver(points, by=operator, fields=fields)
        close_in_time(points, operator)
        tasks.resolve_due()
    assert not Resolution.objects.filter(market=points).exists()
    points.automatic_resolver.refresh_from_db()
    assert points.automatic_resolver.state == "person"


def test_another_scalar_market_of_the_same_range_decides_by_its_number(shard, points, operator):
    source = world.make_market(**POINTS)
    other = world.make_market(**{**POINTS, "high_millionths": 3_000 * MILLION})
    world.open_market(shard, source)
    refuse("source_unfit", actions.do_set_resolver, points, by=operator,
           fields={"kind": "market", "source": other})  # fmt: skip
    actions.do_set_resolver(points, by=operator, fields={"kind": "market", "source": source})
    actions.do_close_market(source, by=operator)
    propose(source, operator, "1733.3")
    pay(source)
    close_in_time(points, operator)
    tasks.resolve_due()
    assert Resolution.objects.get(market=points).number == "1733.3"


def test_kinds_of_resolvers_belong_to_their_kinds_of_markets(points, market, operator):
    number = {"kind": "number", "url": "https://example.org", "value_path": "a"}
    refuse("market_not_scalar", actions.do_set_resolver, market, by=operator, fields=number)
    threshold = {**number, "kind": "threshold", "threshold": "1"}
    refuse("market_not_binary", actions.do_set_resolver, points, by=operator, fields=threshold)


def test_notifications_say_numbers_in_both_languages(shard, points, operator, alice, bob):
    trade(shard, points, alice, bob)
    Market.objects.filter(pk=points.pk).update(dispute_seconds=3_600)
    points.refresh_from_db()
    actions.do_close_market(points, by=operator)
    propose(points, operator, "1240.5")
    notify.notify_due()
    row = Notification.objects.get(user=bob.owner, kind="result")
    assert describe(row).title == "Result proposed: 1,240.5\xa0points"
    with translation.override("de"):
        assert "1.240,5\xa0points" in describe(row).title


def test_the_api_resolves_by_a_number_and_shows_it(shard, points, operator, alice, bob):
    trade(shard, points, alice, bob)
    actions.do_close_market(points, by=operator)
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")

    def post(**body):
        return client.post(
            f"/api/v1/markets/{points.slug}/resolve",
            {"evidence_text": "Seen.", **body},
            content_type="application/json",
        )

    for wrong in ({"yes": "0.5"}, {"winners": ["YES"]}, {"number": "much"}, {"payout": ["1", "0"]}):
        assert post(**wrong).status_code in (400, 422), wrong
    both = post(number="1240", yes="0.24")
    assert (both.status_code, both.json()["code"]) == (400, "payout_unclear")
    answer = post(number="1240.06")
    assert answer.status_code == 200, answer.json()
    result = answer.json()["result"]
    assert (result["number"], result["payout"]) == ("1240.06", ["0.2400", "0.7600"])
    pay(points)
    shown = client.get(f"/api/v1/markets/{points.slug}").json()
    assert (shown["settled_number"], shown["result"]["number"]) == ("1240.06", "1240.06")


def test_the_admin_proposes_a_number_as_typed_in_its_language(points, operator):
    actions.do_close_market(points, by=operator)
    client = Client(headers={"accept-language": "de"})
    client.force_login(operator, backend="accounts.backends.Backend")
    url = f"/admin/markets/market/{points.pk}/do/resolve/"
    form = {"evidence_text": "Gesehen.", "evidence_url": ""}
    assert client.post(url, {**form, "number": "viel"}).status_code == 422
    assert not Resolution.objects.filter(market=points).exists()
    assert client.post(url, {**form, "number": "1.240,5"}).status_code == 302
    assert Resolution.objects.get(market=points).number == "1240.5"


def test_a_finer_tick_must_be_a_number_too(shard, operator):
    odd = world.make_market(**{**POINTS, "low_millionths": 0, "high_millionths": 100})
    world.open_market(shard, odd)
    odd.refresh_from_db()
    actions.do_halt_market(odd, by=operator, reason="x")
    refuse("bad_tick", actions.do_refine_tick, odd, by=operator, tick_pips=50, reason="x")


def test_a_number_that_was_wrong_is_corrected_over_the_api_and_in_the_admin(
    shard, points, operator, alice, bob
):
    trade(shard, points, alice, bob)
    actions.do_close_market(points, by=operator)
    actions.do_resolve_market(
        points, by=operator, payout_pips=[2_400, 7_600], number="1240.06", evidence_text="x"
    )
    pay(points)
    before = cash(alice), cash(bob)
    site = Client()
    site.force_login(operator, backend="accounts.backends.Backend")
    path = f"/api/v1/markets/{points.slug}/correction"
    for body, code in (
        ({"number": "1240.06"}, "same_result"),
        ({"payout": ["0.5", "0.5"]}, "number_missing"),
        ({"number": "1500", "void": True}, "payout_unclear"),
    ):
        sent = {**body, "evidence_text": "Recounted."}
        assert site.post(path, sent, content_type="application/json").json()["code"] == code
    sent = {"number": "1500", "evidence_text": "Recounted."}
    shown = site.post(path, sent, content_type="application/json").json()
    assert (shown["observed"], shown["payout"]) == ("1500", ["0.5000", "0.5000"])
    page = Client().get(f"/markets/{points.slug}/").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Operators are correcting this result to: 1,500 points." in page
    assert correct_market(points.pk)
    points = Market.objects.get(pk=points.pk)
    assert (cash(alice) - before[0], cash(bob) - before[1]) == (2_600_000, -2_600_000)
    assert points.settled_number == "1500"
    notify.notify_due()
    notify.notify_due()
    news = Notification.objects.get(user=alice.owner_id, kind="corrected")
    assert describe(news).detail == f"{points.title} · 1,500\N{NO-BREAK SPACE}points"
    url = f"/admin/markets/market/{points.pk}/do/correct/"
    assert site.get(url).status_code == 200
    assert site.post(url, {"number": "1000", "evidence_text": "Again."}).status_code == 302
    assert correct_market(points.pk)
    assert Market.objects.get(pk=points.pk).settled_number == "1000"
    assert_verified()


def test_a_scalar_market_may_have_an_automated_maker(shard, operator, alice):
    house = {"maker_b_lots": 10_000, "maker_funded_by_house": True}
    points = world.make_market(**{**POINTS, **house})
    world.open_market(shard, points)
    points.refresh_from_db()
    [bought] = world.run(shard, world.buy(points, alice, 60, 1_000))
    assert bought.reason is None
    actions.do_close_market(points, by=operator)
    before = cash(alice)
    propose(points, operator, "1750")
    pay(points)
    assert cash(alice) - before == 7_500 * 1_000
    assert_verified()
