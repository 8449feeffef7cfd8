"""Who gained most: figures as recorded days have them, who is ranked, ties, one's own place."""

from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import (
    do_deposit,
    do_move_funds,
    do_open_subaccount,
    do_suspend_user,
)
from accounts.models import Account, User
from kernel import cache
from markets.models import Group, GroupMember
from tests.pages.trading import browser_of, shard
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.models import DailyEquity
from trading.readmodels import equity, leaderboard, projections
from trading.readmodels.leaderboard import get_leaderboard, get_leaderboard_of, read_board
from trading.readmodels.performance import read_performance
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = pytest.mark.django_db


def today():
    return timezone.now().astimezone(UTC).date()


def record(account, days_ago, *, equity, deposited):
    DailyEquity.objects.create(
        account=account,
        day=today() - timedelta(days=days_ago),
        cash_micros=equity * CREDIT,
        equity_micros=equity * CREDIT,
        deposited_micros=deposited * CREDIT,
    )


def profits(period, by="profit"):
    board = read_board(period, by)
    return {
        account_id: (profit / CREDIT, worth / CREDIT)
        for account_id, profit, worth in zip(
            board.account_ids, board.profits_micros, board.equities_micros, strict=True
        )
    }


@pytest.fixture
def traders(shard):
    """Three accounts in a binary, a categorical (with complete sets) and a settled market."""
    accounts = [world.make_account() for _ in range(3)]
    one, two, three = accounts
    binary, settled = world.make_market(dispute_seconds=0), world.make_market(dispute_seconds=0)
    choice = world.make_market(outcomes=4)
    for market in (binary, settled, choice):
        world.open_market(shard, market)
    for market in (binary, settled):
        run(
            shard,
            sell(market, two, 61, 700),
            buy(market, one, 63, 500),
            buy(market, three, 63, 100),
        )
        run(shard, buy(market, two, 55, 100), sell(market, three, 60, 100))
    for outcome, price in enumerate((30, 35, 20, 25)):
        run(
            shard,
            sell(choice, two, price, 300, outcome=outcome),
            buy(choice, one, price, 300 if outcome else 250, outcome=outcome),
        )
    run(shard, buy(choice, three, 31, 50, outcome=0), sell(choice, three, 36, 7, outcome=1))
    operator = world.make_user("opera", staff=True)
    actions.do_close_market(settled, by=operator)
    actions.do_resolve_market(settled, by=operator, payout_pips=[0, 10_000], evidence_text="x")
    assert settle_market(settled.pk)
    for market in (binary, choice):
        projections.project_market(market.pk)
    return accounts


def test_live_figures_are_those_that_the_end_of_the_day_records(traders):
    ranked = read_board("all", "equity")
    assert set(ranked.account_ids) >= {account.pk for account in traders}
    assert any(ranked.profits_micros)
    recorded = {row.account_id: row for row in equity.compute_day(today())}
    for account_id, profit, worth in zip(
        ranked.account_ids, ranked.profits_micros, ranked.equities_micros, strict=True
    ):
        row = recorded[account_id]
        assert worth == row.equity_micros
        assert profit == row.equity_micros - row.deposited_micros


def test_deposits_are_no_profit(shard):
    account = world.make_trader(100)
    operator = world.make_user("opera", staff=True)
    record(account, 3, equity=90, deposited=100)
    record(account, 1, equity=95, deposited=100)
    # What make_account granted is older than the recorded days in this story, so it is in `last`.
    DailyEquity.objects.filter(account=account).update(deposited_micros=0)
    do_deposit(account, amount_micros=50 * CREDIT, by=operator)
    assert profits("day")[account.pk] == (150 - 95 - 150, 150)


def test_periods_start_at_midnights_that_are_recorded(shard):
    account = world.make_trader(100)
    for days_ago, worth in ((31, 10), (30, 20), (8, 30), (7, 40), (2, 50), (1, 60)):
        record(account, days_ago, equity=worth, deposited=0)
    granted = 100
    assert profits("day")[account.pk] == (100 - 60 - granted, 100)
    assert profits("week")[account.pk] == (100 - 40 - granted, 100)
    assert profits("month")[account.pk] == (100 - 20 - granted, 100)
    assert profits("all")[account.pk] == (100 - granted, 100)
    DailyEquity.objects.filter(day=today() - timedelta(days=1)).delete()
    assert profits("day")[account.pk] == (100 - 50 - granted, 100)


def test_a_newcomer_starts_with_nothing(shard):
    old, new = world.make_trader(100), world.make_trader(70)
    record(old, 8, equity=100, deposited=0)
    assert profits("week")[new.pk] == (0, 70)


def test_who_never_traded_has_no_place_above_who_lost(shard):
    newcomer, quoting, winner, loser = (world.make_account(100) for _ in range(4))
    market = world.make_market()
    world.open_market(shard, market)
    run(shard, sell(market, loser, 60, 1_000), buy(market, winner, 60, 1_000))
    run(shard, buy(market, quoting, 70, 100), sell(market, loser, 90, 100))
    projections.project_market(market.pk)
    for by in leaderboard.ORDERS:
        board = get_leaderboard("all", by, user=newcomer.owner)
        assert [place.user for place in board.places] == [winner.owner, loser.owner], by
        assert (board.own, board.ranked) == (None, 2)
    page = browser_of(newcomer).get("/leaderboard/").content.decode()
    assert "You will be ranked after your first trade." in page
    members = User.objects.filter(pk__in=(newcomer.owner_id, loser.owner_id))
    assert [p.user for p in get_leaderboard_of(members, "all", "profit").places] == [loser.owner]


def test_only_users_who_want_it_and_may_trade_are_ranked(shard):
    shown = world.make_trader(1)
    hidden, suspended, gone, bot, closed = (world.make_trader(5) for _ in range(5))
    User.objects.filter(pk=hidden.owner_id).update(on_leaderboards=False)
    do_suspend_user(suspended.owner, by=world.make_user("boss", staff=True), reason="x")
    User.objects.filter(pk=gone.owner_id).update(is_active=False)
    Account.objects.filter(pk=bot.pk).update(kind="system")
    Account.objects.filter(pk=closed.pk).update(closed_at=timezone.now())
    others = {hidden.pk, suspended.pk, gone.pk, bot.pk, closed.pk}
    assert shown.pk in profits("all")
    assert not others & profits("all").keys()
    assert get_leaderboard("all", "equity", user=hidden.owner).own is None


def test_who_opts_out_vanishes_from_a_board_that_is_kept(shard):
    first, second = world.make_trader(9), world.make_trader(8)
    assert [place.user for place in get_leaderboard("all", "equity").places][:2] == [
        first.owner,
        second.owner,
    ]
    User.objects.filter(pk=first.owner_id).update(on_leaderboards=False)
    places = get_leaderboard("all", "equity").places
    assert (places[0].user, places[0].rank) == (second.owner, 2)


def test_equal_figures_share_a_place_and_the_older_account_comes_first(shard):
    accounts = [world.make_trader(credits) for credits in (3, 5, 5, 2)]
    places = get_leaderboard("all", "equity").places
    order = [(place.rank, place.user.pk) for place in places]
    owners = [account.owner_id for account in accounts]
    assert order == [(1, owners[1]), (1, owners[2]), (3, owners[0]), (4, owners[3])]


def test_the_viewers_own_place_is_shown_below_the_top(shard, monkeypatch):
    monkeypatch.setattr(leaderboard, "PLACES_SHOWN", 2)
    accounts = [world.make_trader(credits) for credits in (9, 8, 7, 6)]
    board = get_leaderboard("all", "equity", user=accounts[3].owner)
    assert [place.rank for place in board.places] == [1, 2]
    assert (board.own.rank, board.own.equity_micros, board.ranked) == (4, 6 * CREDIT, 4)
    assert get_leaderboard("all", "equity", user=accounts[0].owner).own == board.places[0]
    assert get_leaderboard("all", "equity").own is None


def test_a_group_has_a_board_of_its_members_alone(shard):
    accounts = [world.make_trader(credits) for credits in (9, 8, 7)]
    group = Group.objects.create(slug="insiders", name="Insiders")
    for account in accounts[1:]:
        GroupMember.objects.create(group=group, user=account.owner)
    members = User.objects.filter(pk__in=GroupMember.objects.filter(group=group).values("user"))
    board = get_leaderboard_of(members, "all", "equity", user=accounts[2].owner)
    assert [(place.rank, place.user) for place in board.places] == [
        (1, accounts[1].owner),
        (2, accounts[2].owner),
    ]
    assert board.own == board.places[1]
    assert get_leaderboard_of(members.none(), "all", "profit").places == []


def test_the_page_shows_places_and_mine(shard):
    accounts = [world.make_trader(credits, name) for credits, name in ((9, "ann"), (8, "ben"))]
    User.objects.filter(handle="ann").update(display_name="<b>Ann</b>")
    page = browser_of(accounts[1]).get("/leaderboard/?period=all&by=equity").content.decode()
    assert "&lt;b&gt;Ann" in page
    assert 'href="/@ben/"' in page
    assert page.count('aria-current="true"') >= 3
    for query in ("", "?period=day", "?period=nonsense&by=nonsense"):
        assert Client().get(f"/leaderboard/{query}").status_code == 200


def test_the_page_costs_as_many_queries_with_one_as_with_many(shard):
    account = world.make_trader(5)
    browser = browser_of(account)
    counts = []
    for _ in range(2):
        browser.get("/leaderboard/")
        cache.forget_all()
        with CaptureQueriesContext(connection) as captured:
            browser.get("/leaderboard/")
        counts.append(len(captured))
        for _ in range(8):
            world.make_trader(3)
    assert counts[0] == counts[1] <= 12


def test_an_owner_is_ranked_once_with_all_accounts_together(shard):
    main, bob = world.make_trader(credits=1_000), world.make_account(credits=1_000)
    sub = do_open_subaccount(main.owner, by=main.owner)
    do_move_funds(main, sub, amount_micros=300 * CREDIT)
    market = world.make_market()
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1_000), buy(market, sub, 60, 1_000))
    run(shard, sell(market, bob, 80, 100), buy(market, bob, 78, 100))
    projections.project_market(market.pk)
    found = profits("all")
    assert sorted(found) == sorted([main.pk, bob.pk])
    assert found[main.pk] == (1.9, 1_001.9)  # 10 contracts from 0.60 to 0.79
    assert found[bob.pk] == (-1.9, 998.1)
    board = get_leaderboard("all", "profit", user=main.owner)
    assert (board.own.rank, board.own.user) == (1, main.owner)


def test_credits_that_an_owner_moves_are_no_profit_of_either_account(shard):
    main = world.make_trader(credits=1_000)
    sub = do_open_subaccount(main.owner, by=main.owner)
    do_move_funds(main, sub, amount_micros=300 * CREDIT)
    for account, worth in ((main, 700), (sub, 300)):
        account.refresh_from_db()
        performance = read_performance(account, [])
        assert performance.equity_micros == worth * CREDIT
        assert performance.profit_micros == 0
    day = {row.account_id: row for row in equity.compute_day(today())}
    assert day[main.pk].deposited_micros == 700 * CREDIT
    assert day[sub.pk].deposited_micros == 300 * CREDIT
    assert profits("all")[main.pk] == (0, 1_000)
