"""Bonds of disputes: taken, returned or lost, each once."""

import pytest

from accounts.models import Account, Transfer
from markets.models import Market
from tests.lifecycle.results import breaches, cash, end_window, refuse, set_policy
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def bonded(shard, market, alice, bob, operator):
    """YES is proposed, the window is an hour, and a dispute costs a bond of 25 credits."""
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    actions.do_close_market(market, by=operator)
    Market.objects.filter(pk=market.pk).update(
        dispute_seconds=3_600, dispute_bond_micros=25 * CREDIT
    )
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="seen")
    market.refresh_from_db()
    return market


def bonds():
    kinds = ("bond", "bond_return", "bond_loss")
    rows = Transfer.objects.filter(kind__in=kinds).order_by("id")
    return list(rows.values_list("kind", "amount_micros"))


def test_a_bond_is_taken_with_a_dispute_and_returned_when_it_is_upheld(
    bonded, alice, bob, operator, colleague
):
    before = cash(bob)
    dispute = actions.do_dispute_result(bonded, by=bob.owner, text="it did not")
    assert cash(bob) == before - 25 * CREDIT
    assert (dispute.bond_fate, dispute.bond_account_id) == ("held", bob.pk)
    assert not breaches()
    verdict = {"by": colleague, "raised_by": "bob", "uphold": True, "note": "right"}
    actions.do_decide_dispute(bonded, **verdict)
    refuse("not_resolving", actions.do_decide_dispute, bonded, **verdict)
    assert cash(bob) == before
    assert bonds() == [("bond", 25 * CREDIT), ("bond_return", 25 * CREDIT)]
    assert not breaches()


def test_the_bond_of_a_dismissed_dispute_is_the_houses(bonded, bob, colleague):
    house, before = Account.objects.get(kind="house"), cash(bob)
    actions.do_dispute_result(bonded, by=bob.owner, text="it did not")
    verdict = {"by": colleague, "raised_by": "bob", "uphold": False, "note": "wrong"}
    actions.do_decide_dispute(bonded, **verdict)
    refuse("already_decided", actions.do_decide_dispute, bonded, **verdict)
    assert (cash(bob), cash(house)) == (before - 25 * CREDIT, 25 * CREDIT)
    assert bonds() == [("bond", 25 * CREDIT), ("bond_loss", 25 * CREDIT)]
    end_window(bonded)
    settle_market(bonded.pk)
    settle_market(bonded.pk)
    assert len(bonds()) == 2
    assert not breaches()


@pytest.mark.parametrize("end", ["withdrawn", "voided", "another upheld"])
def test_a_bond_returns_when_the_result_goes_before_the_dispute_is_decided(
    bonded, alice, bob, operator, colleague, end
):
    before = cash(bob)
    actions.do_dispute_result(bonded, by=bob.owner, text="it did not")
    if end == "withdrawn":
        actions.do_withdraw_result(bonded, by=operator, reason="a typing error")
    elif end == "voided":
        actions.do_void_market(bonded, by=colleague, reason="the station burnt down")
    else:
        actions.do_dispute_result(bonded, by=alice.owner, text="nor did it")
        actions.do_decide_dispute(bonded, by=colleague, raised_by="alice", uphold=True, note="yes")
    assert cash(bob) == before
    assert not breaches()


def test_who_can_not_pay_the_bond_can_not_dispute(bonded, operator):
    Market.objects.filter(pk=bonded.pk).update(dispute_bond_micros=10**15)
    set_policy(sign_up_grant_micros=0)
    before = cash(Account.objects.get(owner=operator))
    refuse("bond_not_covered", actions.do_dispute_result, bonded, by=operator, text="hm")
    assert not bonded.resolutions.get().disputes.exists()
    assert cash(Account.objects.get(owner=operator)) == before
    assert not bonds()
