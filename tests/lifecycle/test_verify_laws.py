"""Each invariant, broken on a day of trading, is reported; unbroken, none is."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings

from accounts.actions import do_move_funds, do_open_subaccount, do_request_withdrawal
from accounts.models import Account
from markets.models import Market
from tests.lifecycle.breaches import find_broken
from tests.lifecycle.conftest import answer_with
from tests.lifecycle.corruptions import CORRUPTIONS, in_sql
from tests.trading import world
from tests.trading.world import CREDIT, buy, cancel, run, sell
from trading import actions
from trading.engine.commands import Amend
from trading.engine.types import Stp, Tif
from trading.models import VerifyRun
from trading.pipeline.messages import Task
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market
from trading.verify import check_everything, journals

FEES = {"fee_kind": "quadratic", "fee_maker_rate": 10_000, "fee_taker_rate": 70_000}


@pytest.fixture(scope="module")
def traded(django_db_setup, django_db_blocker):
    """The id of an open market on a day of trading, which all tests here begin with.

    The day is in a transaction of its own, in which each test has a savepoint.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        with (
            override_settings(EMAIL_VERIFICATION_REQUIRED=False),
            pytest.MonkeyPatch.context() as patch,
        ):
            market = make_trading_day(patch)
        yield market.pk
        transaction.set_rollback(True)


@pytest.fixture
def trading_day(traded, db):
    return Market.objects.get(pk=traded)


def make_trading_day(patch):
    """Markets in every status: orders, trades, receipts, a withdrawal, a correction, a bond.

    Credits were moved between accounts of one owner.
    """
    shard, operator = world.own_shard(), world.make_user("opera", staff=True)
    alice, bob = world.make_account(name="alice"), world.make_account(name="bob")
    answer_with(shard, patch)
    live, settled, voided, paying = markets = [
        world.make_market(dispute_seconds=0, **FEES),
        world.make_market(dispute_seconds=0, outcomes=3, **FEES),
        world.make_market(dispute_seconds=0, **FEES),
        world.make_market(dispute_seconds=0, outcomes=3),
    ]
    for market in markets:
        world.open_market(shard, market)
        trade_in(shard, market, alice, bob)
    for market in markets[1:]:
        actions.do_close_market(market, by=operator)
    actions.do_resolve_market(settled, by=operator, payout_pips=[1, 0, 9_999], evidence_text="x")
    assert settle_market(settled.pk)
    actions.do_correct_result(settled, by=operator, payout_pips=[1, 9_999, 0], evidence_text="x")
    assert correct_market(settled.pk)
    actions.do_void_market(voided, by=operator, reason="x", house_cover_micros=10**9)
    assert settle_market(voided.pk)
    Market.objects.filter(pk=paying.pk).update(dispute_seconds=3600, dispute_bond_micros=CREDIT)
    actions.do_resolve_market(paying, by=operator, payout_pips=[5_000, 5_000, 0], evidence_text="x")
    actions.do_dispute_result(paying, by=bob.owner, text="x")
    do_request_withdrawal(alice, amount_micros=CREDIT, by=alice.owner)
    carol = world.make_account(name="carol")
    sub = do_open_subaccount(carol.owner, by=carol.owner)
    do_move_funds(carol, sub, amount_micros=CREDIT)
    made = world.make_market(maker_b_lots=10_000, maker_funded_by_house=True)
    world.open_market(shard, made)
    run(shard, buy(made, alice, 60, 400))
    return live


def trade_in(shard, market, alice, bob):
    named = f"in{market.pk}"
    run(
        shard,
        sell(market, bob, 60, 1000, key=f"order:{named}", client_order_id=named),
        buy(market, alice, 60, 400, key=f"order:{named}", client_order_id=named),
        buy(market, alice, 30, 500),
        buy(market, alice, 0, 100, key=f"order:bad{named}"),
    )
    [first] = run(shard, buy(market, alice, 20, 500))
    amend = Amend(first.order.order_id, alice.pk, price_pips=2_500, quantity_lots=700)
    run(shard, Task(0, market.pk, amend, key=f"request:{named}", body_hash=b"a"))
    run(shard, cancel(market, alice, first.order.order_id))
    run(shard, sell(market, alice, 30, 100, stp=Stp.DECREMENT, tif=Tif.IOC))
    if market.kind == "categorical":
        run(shard, buy(market, alice, 45, 200, outcome=1), buy(market, bob, 60, 300, outcome=2))


def test_an_exchange_as_it_should_be_has_no_breach(trading_day):
    findings = check_everything()
    assert [finding for finding in findings if finding.breaches] == []
    assert {finding.invariant for finding in findings} == set("abcdefghijk")
    unchecked = [finding.what for finding in findings if not finding.checked]
    assert unchecked == []


@pytest.mark.parametrize(("what", "corrupt"), CORRUPTIONS)
def test_a_broken_law_is_reported(trading_day, what, corrupt):
    corrupt(trading_day)
    assert what in find_broken()
    if connection.vendor == "sqlite":
        in_sql("PRAGMA ignore_check_constraints = OFF")(trading_day)


def test_a_fill_beyond_its_limit_is_reported(trading_day, monkeypatch):
    """The engine would not replay it, so the check is shown another limit."""
    monkeypatch.setattr(journals, "find_limit_breaches", lambda market, entry: ["worse"])
    assert find_broken() == {"no fill is worse than its limit"}


def test_every_check_has_a_corruption_that_it_finds(trading_day):
    whats = {finding.what for finding in check_everything()}
    shown = {what for what, _ in CORRUPTIONS} | {"no fill is worse than its limit"}
    assert whats == shown


def test_the_command_prints_a_table_and_fails_on_a_breach(trading_day, capsys):
    call_command("verify")
    printed = capsys.readouterr().out
    assert "a. a balance is the sum of its transfers" in printed
    assert "0 breaches" in printed
    Account.objects.filter(kind="issuer").update(cash_micros=0)
    with pytest.raises(SystemExit) as ended:
        call_command("verify")
    assert ended.value.code == 1
    assert "credits are what was issued less what was withdrawn: CREDIT" in capsys.readouterr().out
    kept = VerifyRun.objects.order_by("pk").values_list("breaches", flat=True)
    assert (kept[0], kept[1] > 0) == (0, True)


def test_verify_changes_nothing(trading_day):
    check_everything()
    assert not VerifyRun.objects.exists()
