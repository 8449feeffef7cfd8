"""Accounts' equity at the end of each day, computed at any later time."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.actions import do_decide_withdrawal, do_request_withdrawal
from accounts.models import Account, Transfer
from kernel.clock import from_datetime
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.models import DailyEquity, Trade
from trading.readmodels import equity, projections
from trading.readmodels.marks import compute_mark
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db

TODAY = timezone.now().date()
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def yesterday(monkeypatch, shard):
    """Everything that the fixtures and the test do happens yesterday at noon."""
    noon = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, 12, tzinfo=UTC)
    move_clock(monkeypatch, noon)
    return noon


def move_clock(monkeypatch, moment):
    us = from_datetime(moment)
    world.set_clock(monkeypatch, lambda: us)
    monkeypatch.setattr("accounts.ledger.now_us", lambda: us)
    monkeypatch.setattr("kernel.ids.time.time_ns", lambda: us * 1_000)
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


@pytest.fixture
def people(yesterday, shard, operator):
    """A market where Alice bought 10 of Bob at 60, quoted 50 to 56 since; each got 10,000."""
    market = world.make_market(close_at=yesterday + timedelta(days=30), dispute_seconds=0)
    world.open_market(shard, market)
    alice, bob = world.make_account(), world.make_account()
    Account.objects.filter(pk__in=(alice.pk, bob.pk)).update(created_at=yesterday)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    run(shard, buy(market, bob, 50, 100), sell(market, alice, 56, 100))
    projections.project_market(market.pk)
    return market, alice, bob


def rows_of(day):
    rows = DailyEquity.objects.filter(day=day)
    return {row.account_id: (row.cash_micros, row.equity_micros, row.deposited_micros)
            for row in rows}  # fmt: skip


def test_a_day_ends_with_cash_marked_positions_and_what_was_deposited(people):
    _, alice, bob = people
    equity.record_day(YESTERDAY)
    rows = rows_of(YESTERDAY)
    deposited = 10_000 * CREDIT
    assert rows[alice.pk] == (deposited - 6 * CREDIT, deposited - 6 * CREDIT + 5_300_000, deposited)
    assert rows[bob.pk] == (deposited - 4 * CREDIT, deposited - 4 * CREDIT + 4_700_000, deposited)


def test_what_happens_later_does_not_change_the_day(
    people, shard, operator, monkeypatch, yesterday
):
    market, alice, _ = people
    before = {row.account_id: row.equity_micros for row in equity.compute_day(YESTERDAY)}
    move_clock(monkeypatch, yesterday + timedelta(days=1))
    run(shard, buy(market, world.make_account(), 56, 100))
    alice.refresh_from_db()
    request = do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    do_decide_withdrawal(request, approve=True, by=operator)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="x")
    assert settle_market(market.pk)
    projections.project_market(market.pk)
    after = {row.account_id: row.equity_micros for row in equity.compute_day(YESTERDAY)}
    assert after == before
    assert Trade.objects.filter(created_at_us__gte=from_datetime(yesterday) + 1).exists()
    today = {row.account_id: row for row in equity.compute_day(TODAY)}
    assert today[alice.pk].equity_micros == Account.objects.get(pk=alice.pk).cash_micros
    assert today[alice.pk].deposited_micros == 9_999 * CREDIT


def test_each_day_that_is_over_is_recorded_once(people, monkeypatch, yesterday):
    assert equity.record_days() == 0
    move_clock(monkeypatch, yesterday + timedelta(days=2))
    assert equity.record_days() == 2
    assert equity.record_days() == 0
    assert set(DailyEquity.objects.values_list("day", flat=True)) == {YESTERDAY, TODAY}
    _, alice, bob = people
    for account in (alice, bob):
        assert rows_of(YESTERDAY)[account.pk] == rows_of(TODAY)[account.pk]


def test_rebuild_corrects_a_day(people, capsys):
    equity.record_day(YESTERDAY)
    before = rows_of(YESTERDAY)
    _, alice, bob = people
    DailyEquity.objects.filter(account=alice).update(cash_micros=1)
    DailyEquity.objects.filter(account=bob).delete()
    with pytest.raises(SystemExit):
        call_command("rebuild")
    assert "2 rows differed" in capsys.readouterr().out
    assert rows_of(YESTERDAY) == before
    call_command("rebuild")


def test_all_accounts_together_are_worth_what_was_deposited(people):
    """In a binary market each contract is worth 1, whatever its mark."""
    equity.record_day(YESTERDAY)
    rows = rows_of(YESTERDAY).values()
    assert sum(row[1] for row in rows) == sum(row[2] for row in rows)
    assert Transfer.objects.filter(kind="grant").exists()


@pytest.mark.parametrize(
    ("net_lots", "marks", "binary", "worth"),
    [
        ((100,), [(50, 56, 60)], True, 530_000),
        ((-100,), [(50, 56, 60)], True, 470_000),
        ((100,), [(10, 90, 60)], True, 600_000),
        ((-100, 0, 0), [(20, 30, None), None, None], False, 750_000),
        ((100, 100, 100), [None, None, None], False, 0),
        ((100, 0, 0), [(20, 20, None), (30, 30, None), None], False, 200_000),
    ],
)
def test_a_holding_is_worth_its_outcomes_marks(net_lots, marks, binary, worth):
    cents = [mark and compute_mark(*(price and price * 100 for price in mark)) for mark in marks]
    assert equity.value(net_lots, cents, binary=binary) == worth


def test_days_begin_with_the_first_account(db):
    assert equity.record_days() == 0
    account = world.make_account()
    Account.objects.filter(pk=account.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert equity.record_days() in (2, 3)
    assert min(DailyEquity.objects.values_list("day", flat=True)) == date.fromordinal(
        timezone.now().date().toordinal() - 3
    )
