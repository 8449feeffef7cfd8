"""Public profiles: visibility, the track record and its scores, shared positions."""

import re

import pytest
from django.test import Client

from accounts.actions import do_suspend_user
from accounts.models import User
from markets.models import Market
from tests.pages.trading import browser_of, shard
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.readmodels import projections
from trading.readmodels.track_record import (
    Forecast,
    build_track_record,
    list_forecasts,
    read_track_record,
)
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def alice(shard):
    return world.make_account(1_000, "alice")


@pytest.fixture
def bob(shard):
    return world.make_account(1_000, "bob")


def settle(market, *payout_pips):
    operator = User.objects.filter(is_staff=True).first() or world.make_user("opera", staff=True)
    actions.do_close_market(market, by=operator)
    if payout_pips:
        actions.do_resolve_market(
            market, by=operator, payout_pips=list(payout_pips), evidence_text="x"
        )
    else:
        actions.do_void_market(market, by=operator, reason="unclear")
    assert settle_market(market.pk)


def open_market(shard, **fields):
    market = world.make_market(dispute_seconds=0, **fields)
    world.open_market(shard, market)
    return market


def ppm(*pairs):
    return [Forecast(probability * 10_000, happened * 10_000) for probability, happened in pairs]


# --- who is shown --------------------------------------------------------------------------------


def test_a_profile_is_public(alice):
    User.objects.filter(pk=alice.owner_id).update(display_name="<i>Alice</i>", bio="<b>Hello</b>")
    page = Client().get("/@alice/").content.decode()
    assert "&lt;i&gt;Alice" in page
    assert "&lt;b&gt;Hello" in page
    assert alice.owner.email not in page


@pytest.mark.parametrize("why", ["unknown", "hidden", "suspended", "gone"])
def test_unknown_hidden_suspended_and_deleted_users_are_the_same_404(alice, bob, why):
    person = User.objects.filter(pk=alice.owner_id)
    if why == "hidden":
        person.update(public_profile=False)
    if why == "suspended":
        do_suspend_user(alice.owner, by=world.make_user("boss", staff=True), reason="x")
    if why == "gone":
        person.update(is_active=False)
    handle = "nobody" if why == "unknown" else "alice"
    for client in (Client(), browser_of(bob)):
        response = client.get(f"/@{handle}/")
        assert response.status_code == 404
        assert handle not in re.sub(r"<a .*?</a>|<input.*?>", "", response.content.decode())


def test_a_hidden_profile_is_shown_to_its_owner_with_a_note(alice):
    User.objects.filter(pk=alice.owner_id).update(public_profile=False)
    assert "Only you see this page" in browser_of(alice).get("/@alice/").content.decode()
    User.objects.filter(pk=alice.owner_id).update(public_profile=True)
    assert "Only you see" not in browser_of(alice).get("/@alice/").content.decode()


def test_positions_are_shown_only_if_they_are_shared_and_the_market_is_listed(shard, alice, bob):
    listed, unlisted = (
        open_market(shard, title=title, visibility=visibility)
        for title, visibility in (("Known to all?", "public"), ("Known to few?", "unlisted"))
    )
    for market in (listed, unlisted):
        run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
        projections.project_market(market.pk)
    assert "Known to" not in Client().get("/@alice/").content.decode()
    User.objects.filter(pk=alice.owner_id).update(shares_positions=True)
    page = Client().get("/@alice/").content.decode()
    assert "Known to all?" in page
    assert "Known to few?" not in page


def test_created_markets_are_those_that_lists_show(shard, alice):
    for title, status in (("Mine and open?", "open"), ("Mine and a draft?", "draft")):
        market = world.make_market(title=title)
        Market.objects.filter(pk=market.pk).update(creator=alice.owner, status=status)
    page = Client().get("/@alice/").content.decode()
    assert "Mine and open?" in page
    assert "Mine and a draft?" not in page
    assert "Mine and a draft?" not in browser_of(alice).get("/@alice/").content.decode()


# --- the track record ----------------------------------------------------------------------------


def test_the_worked_example_of_the_page(shard, alice, bob):
    carol = world.make_account(1_000)
    market = open_market(shard)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    run(shard, buy(market, alice, 70, 500), sell(market, carol, 70, 500))
    settle(market, 10_000, 0)
    assert list_forecasts(carol.pk) == ppm((30, 0))
    assert read_track_record(carol.pk).brier == pytest.approx(0.09)
    market = open_market(shard)
    run(shard, sell(market, bob, 60, 1000), buy(market, carol, 60, 1000))
    settle(market, 10_000, 0)
    record = read_track_record(carol.pk)
    assert record.brier == pytest.approx((0.09 + 0.16) / 2)
    assert record.profit_micros == -1_500_000 + 4_000_000
    assert (record.markets, record.forecasts) == (2, 2)


def test_the_price_is_the_average_of_what_is_held(shard, alice, bob):
    market = open_market(shard)
    run(shard, sell(market, bob, 40, 1000), buy(market, alice, 40, 1000))
    run(shard, sell(market, bob, 60, 3000), buy(market, alice, 60, 3000))
    settle(market, 2_500, 7_500)
    assert list_forecasts(alice.pk) == ppm((55, 25))
    assert list_forecasts(bob.pk) == ppm((45, 75))


def test_choices_are_forecast_one_by_one_without_complete_sets(shard, alice, bob):
    market = open_market(shard, outcomes=3)
    for outcome, price in enumerate((50, 30, 20)):
        run(
            shard,
            sell(market, bob, price, 500, outcome=outcome),
            buy(market, alice, price, 500, outcome=outcome),
        )
    run(shard, sell(market, bob, 50, 1000, outcome=0), buy(market, alice, 50, 1000, outcome=0))
    settle(market, 0, 10_000, 0)
    assert list_forecasts(alice.pk) == ppm((50, 0))
    assert list_forecasts(bob.pk) == ppm((50, 100))


def test_voided_markets_and_positions_left_early_are_no_forecasts(shard, alice, bob):
    voided, left = open_market(shard), open_market(shard)
    for market in (voided, left):
        run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    run(shard, buy(left, bob, 65, 1000), sell(left, alice, 65, 1000))
    settle(voided)
    settle(left, 10_000, 0)
    record = read_track_record(alice.pk)
    assert (record.markets, record.forecasts, record.brier) == (2, 0, None)
    assert record.profit_micros == 500_000
    assert "\N{EN DASH}" in Client().get("/@alice/").content.decode()


def test_open_markets_do_not_count(shard, alice, bob):
    market = open_market(shard)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    assert read_track_record(alice.pk).markets == 0
    assert (
        "None of their markets has been resolved yet." in Client().get("/@alice/").content.decode()
    )


def test_bins_hold_ten_points_each_with_exact_edges():
    pairs = [(1, 0), (9, 100), (10, 0), (20, 100), (29, 100), (90, 100), (99, 0)]
    record = build_track_record(ppm(*pairs), markets=7, profit_micros=0)
    assert [one.forecasts for one in record.bins] == [2, 1, 2, 0, 0, 0, 0, 0, 0, 2]
    assert record.bins[0].mean_probability == pytest.approx(0.05)
    assert record.bins[0].share_happened == pytest.approx(0.5)
    assert record.bins[3].mean_probability is None
    mirrored = build_track_record(
        [one.mirror() for one in ppm((90, 0), (10, 0))], markets=1, profit_micros=0
    )
    assert [one.forecasts for one in mirrored.bins] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_brier_is_0_when_right_1_when_wrong_and_a_quarter_at_half():
    for pairs, score in (([(100, 100)], 0), ([(0, 100)], 1), ([(50, 0), (50, 100)], 0.25)):
        assert build_track_record(ppm(*pairs), markets=1, profit_micros=0).brier == score


def test_the_plot_has_a_dot_for_each_bin_and_a_table(shard, alice, bob):
    market = open_market(shard)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    settle(market, 10_000, 0)
    page = Client().get("/@alice/").content.decode()
    assert page.count("<circle ") == 1
    assert "60\N{EN DASH}70%" in page
    assert "0.160" in page


def test_a_profile_costs_as_many_queries_with_one_market_as_with_many(
    shard, alice, bob, django_assert_max_num_queries
):
    User.objects.update(shares_positions=True)
    counts = []
    for markets in (1, 3):
        for _ in range(markets):
            market, still_open = open_market(shard), open_market(shard, outcomes=4)
            Market.objects.filter(pk=market.pk).update(creator=alice.owner)
            for one in (market, still_open):
                run(shard, sell(one, bob, 60, 100), buy(one, alice, 60, 100))
            projections.project_market(still_open.pk)
            settle(market, 10_000, 0)
        browser = Client()
        browser.get("/@alice/")
        with django_assert_max_num_queries(20) as captured:
            browser.get("/@alice/")
        counts.append(len(captured))
    assert counts[0] == counts[1]
