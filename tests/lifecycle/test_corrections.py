"""The result of a market that was paid turns out wrong: it is reversed and settled again."""

import pytest
from django.db import transaction

from accounts import ledger
from accounts.actions import do_grant
from accounts.models import Account, Transfer
from markets.models import Correction, Outcome, Resolution
from tests.lifecycle.results import breaches, cash, refuse, set_policy, status_of
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.models import Margin, Settlement
from trading.settlement.corrections import correct_market
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db

YES, NO = [10_000, 0], [0, 10_000]


@pytest.fixture
def settled(shard, alice, bob, operator):
    """Alice bought 10 YES of Bob at 60 cents, with a fee of 2 cents each; NO was paid."""
    set_policy(two_person_rule=False)
    market = world.make_market(dispute_seconds=0, fee_kind="flat", fee_taker_rate=20_000)
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=NO, evidence_text="x")
    assert settle_market(market.pk)
    market.refresh_from_db()
    return market


def correct(market, operator, payout_pips, **options):
    correction = actions.do_correct_result(
        market, by=operator, payout_pips=payout_pips, evidence_text="it rained", **options
    )
    correct_market(market.pk, chunk=1)
    correction.refresh_from_db()
    return correction


def spend(account, credits_left):
    """Let an account have only this much, as if the rest had been withdrawn."""
    account.refresh_from_db()
    house = Account.objects.get(kind="house")
    micros = account.cash_micros - credits_left * CREDIT
    ledger.lock([account.pk, house.pk])
    ledger.post([ledger.Entry(account.pk, house.pk, micros, "fee")])


def test_a_wrong_result_is_reversed_and_the_right_one_paid(settled, alice, bob, operator):
    house = Account.objects.get(kind="house")
    assert (cash(alice), cash(bob)) == (9_993_800_000, 10_006_000_000)
    correction = correct(settled, operator, YES)
    assert (cash(alice), cash(bob)) == (10_003_800_000, 9_996_000_000)
    assert cash(house) == 200_000
    assert (correction.state, correction.number) == ("done", 2)
    assert status_of(settled) == "settled"
    assert list(Outcome.objects.filter(market=settled).values_list("payout_pips", flat=True)) == YES
    assert set(Margin.objects.values_list("account_id", "payout_micros")) == {
        (alice.pk, 10 * CREDIT),
        (bob.pk, 0),
    }
    assert Resolution.objects.get(market=settled, withdrawn_at=None).payout_pips == YES
    assert Resolution.objects.count() == 2
    moved = Transfer.objects.filter(kind="correction").order_by("id")
    assert list(moved.values_list("debit_account", "credit_account", "amount_micros")) == [
        (bob.pk, settled.escrow_account_id, 10 * CREDIT),
        (settled.escrow_account_id, alice.pk, 10 * CREDIT),
    ]
    assert not breaches()


@pytest.mark.parametrize("payout_pips", [None, [2_500, 7_500]])
def test_a_void_and_a_result_between_correct_and_are_corrected(
    settled, alice, bob, operator, payout_pips
):
    house = Account.objects.get(kind="house")
    correct(settled, operator, payout_pips)
    assert status_of(settled) == ("voided" if payout_pips is None else "settled")
    if payout_pips is None:
        assert (cash(alice), cash(bob), cash(house)) == (10_000 * CREDIT, 10_000 * CREDIT, 0)
    else:
        assert (cash(alice), cash(bob), cash(house)) == (9_996_300_000, 10_003_500_000, 200_000)
    assert not breaches()
    settled.refresh_from_db()
    assert correct(settled, operator, NO).number == 3
    assert (cash(alice), cash(bob), cash(house)) == (9_993_800_000, 10_006_000_000, 200_000)
    assert not breaches()


def test_debtors_hold_what_they_owe_before_anybody_is_paid(settled, alice, bob, operator):
    actions.do_correct_result(settled, by=operator, payout_pips=YES, evidence_text="x")
    for _ in range(3):
        correct_market(settled.pk, until=0, chunk=1)
        assert not breaches()
    bob.refresh_from_db()
    assert bob.held_micros == 10 * CREDIT
    assert not Transfer.objects.filter(kind="correction").exists()


def test_a_debtor_who_lacks_funds_stops_a_correction_until_the_house_pays(
    settled, alice, bob, operator
):
    spend(bob, 4)
    correction = correct(settled, operator, YES)
    assert correction.state == "waiting"
    row = Settlement.objects.get(account=bob)
    assert (row.difference_micros, row.held_micros, row.lacking_micros) == (
        -10 * CREDIT, 4 * CREDIT, 6 * CREDIT)  # fmt: skip
    assert cash(alice) == 9_993_800_000
    refuse("debtors_lack", actions.do_cover_correction, settled, by=operator,
           house_cover_micros=5 * CREDIT)  # fmt: skip
    house = Account.objects.get(kind="house")
    before = cash(house)
    actions.do_cover_correction(settled, by=operator, house_cover_micros=6 * CREDIT)
    assert correct_market(settled.pk)
    assert (cash(alice), cash(bob), cash(house)) == (10_003_800_000, 0, before - 6 * CREDIT)
    assert Margin.objects.get(account=bob).payout_micros == 6 * CREDIT
    assert not breaches()


def test_what_the_house_covered_returns_to_it_when_the_result_is_corrected_again(
    settled, alice, bob, operator
):
    spend(bob, 4)
    house = Account.objects.get(kind="house")
    before = cash(house)
    correct(settled, operator, YES)
    actions.do_cover_correction(settled, by=operator, house_cover_micros=6 * CREDIT)
    assert correct_market(settled.pk)
    correct(settled, operator, NO)
    assert (cash(alice), cash(bob), cash(house)) == (9_993_800_000, 4 * CREDIT, before)
    assert not breaches()


def test_a_correction_waits_and_goes_on_when_debtors_have_the_money(settled, alice, bob, operator):
    spend(bob, 4)
    assert correct(settled, operator, YES).state == "waiting"
    bob.refresh_from_db()
    do_grant(bob, amount_micros=7 * CREDIT, by=None)
    assert correct_market(settled.pk)
    assert (cash(alice), cash(bob)) == (10_003_800_000, 1 * CREDIT)
    assert Correction.objects.get().state == "done"


def test_a_correction_that_is_withdrawn_releases_what_it_held(settled, alice, bob, operator):
    spend(bob, 4)
    correct(settled, operator, YES)
    actions.do_withdraw_correction(settled, by=operator, reason="the station erred again")
    assert correct_market(settled.pk)
    bob.refresh_from_db()
    assert (bob.cash_micros, bob.held_micros) == (4 * CREDIT, 0)
    assert Correction.objects.get().state == "withdrawn"
    assert not Settlement.objects.exists()
    assert correct(settled, operator, None).number == 3


def test_a_second_person_approves_a_correction_where_the_policy_asks_for_one(
    settled, alice, operator, colleague
):
    set_policy(two_person_rule=True)
    correction = correct(settled, operator, YES)
    assert correction.state == "proposed"
    refuse("second_person_needed", actions.do_approve_correction, settled, by=operator)
    refuse("not_an_operator", actions.do_approve_correction, settled, by=alice.owner)
    actions.do_approve_correction(settled, by=colleague)
    assert correct_market(settled.pk)
    assert cash(alice) == 10_003_800_000
    assert Resolution.objects.get(withdrawn_at=None).approved_by == colleague


def test_what_can_not_be_corrected_is_refused(settled, market, alice, operator):
    said = {"by": operator, "evidence_text": "x"}
    refuse("not_final", actions.do_correct_result, market, payout_pips=YES, **said)
    refuse("same_result", actions.do_correct_result, settled, payout_pips=NO, **said)
    refuse("payout_sum_not_one", actions.do_correct_result, settled, payout_pips=[1, 2], **said)
    refuse("evidence_missing", actions.do_correct_result, settled, payout_pips=YES, by=operator)
    refuse("not_an_operator", actions.do_correct_result, settled, by=alice.owner,
           payout_pips=YES, evidence_text="x")  # fmt: skip
    actions.do_correct_result(settled, payout_pips=YES, **said)
    refuse("correction_runs", actions.do_correct_result, settled, payout_pips=None, **said)


# --- markets of every kind --------------------------------------------------------------------


def settle(market, operator, payout_pips):
    if payout_pips is None:
        actions.do_void_market(market, by=operator, reason="x")
    else:
        actions.do_resolve_market(market, by=operator, payout_pips=payout_pips, evidence_text="x")
    assert settle_market(market.pk)


def read_balances():
    """Everybody's money; the pots of markets end at nothing."""
    accounts = Account.objects.filter(kind__in=("user", "house", "maker", "escrow", "fees"))
    return dict(accounts.values_list("pk", "cash_micros"))


def assert_corrected_is_as_paid_at_once(market, operator, *, wrong, right):
    """A market corrected from one result to the other ends as if that had been paid at once."""
    with transaction.atomic():
        settle(market, operator, right)
        expected = read_balances()
        transaction.set_rollback(True)
    market.refresh_from_db()
    with transaction.atomic():
        settle(market, operator, wrong)
        assert read_balances() != expected
        actions.do_correct_result(market, by=operator, payout_pips=right, evidence_text="x")
        while not correct_market(market.pk, until=0, chunk=2):
            assert not breaches()
        assert Correction.objects.get().state == "done"
        assert read_balances() == expected
        assert not breaches()
        transaction.set_rollback(True)
    market.refresh_from_db()


def make_results(outcomes):
    split = [10_000 // outcomes] * (outcomes - 1)
    return [[10_000] + [0] * (outcomes - 1), [*split, 10_000 - sum(split)], None]


@pytest.mark.parametrize("outcomes", [2, 3])
@pytest.mark.parametrize("maker", [False, True])
def test_a_corrected_market_ends_as_if_the_right_result_had_been_paid_at_once(
    shard, alice, bob, operator, outcomes, maker
):
    set_policy(two_person_rule=False)
    fees = {"fee_kind": "quadratic", "fee_maker_rate": 10_000, "fee_taker_rate": 70_000}
    liquidity = {"maker_b_lots": 3_000} if maker else {}
    do_grant(Account.objects.get(owner=operator), amount_micros=100 * CREDIT, by=None)
    market = world.make_market(outcomes=outcomes, dispute_seconds=0, **fees, **liquidity)
    actions.do_open_market(market, by=None)
    market.refresh_from_db()
    if maker:
        actions.do_change_liquidity(market, alice, by_lots=1_701)
    run(shard, buy(market, alice, 40, 1_000), sell(market, bob, 40, 1_500))
    run(shard, buy(market, bob, 70, 700), sell(market, alice, 20, 300))
    if outcomes == 3:
        run(shard, buy(market, alice, 45, 900, outcome=1), buy(market, bob, 45, 900, outcome=2))
    actions.do_close_market(market, by=operator)
    results = make_results(outcomes)
    for wrong in results:
        for right in results:
            if wrong != right:
                assert_corrected_is_as_paid_at_once(market, operator, wrong=wrong, right=right)
