"""A result is proposed, disputed, approved, withdrawn, paid out; or the market is voided."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.actions import do_close_account, do_decide_withdrawal, do_request_withdrawal
from accounts.models import Account, AuditEvent, Transfer, User
from kernel.errors import RefusedError
from kernel.ids import new_id
from markets.actions import do_edit_market
from markets.models import Market, Outcome, Resolution, StatusChange
from tests.lifecycle.results import cash, end_window, refuse, set_policy, status_of
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading import actions
from trading.engine.commands import Place
from trading.engine.types import BUY, SELL
from trading.models import Margin
from trading.pipeline.messages import Task
from trading.settlement.payments import list_due, settle_market

pytestmark = pytest.mark.django_db

YES, NO = [10_000, 0], [0, 10_000]


@pytest.fixture
def closed(shard, market, alice, bob, operator):
    """Alice bought 10 YES of Bob at 60 cents; then the market closed."""
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    actions.do_close_market(market, by=operator)
    return market


# --- proposing and paying ---------------------------------------------------------------------


def test_a_result_pays_winners_their_contracts_and_sellers_their_collateral(
    closed, alice, bob, operator
):
    result = actions.do_resolve_market(closed, by=operator, payout_pips=YES, evidence_text="seen")
    assert status_of(closed) == "resolving"
    assert settle_market(closed.pk)
    assert status_of(closed) == "settled"
    assert cash(alice) == 10_000 * CREDIT - 6 * CREDIT + 10 * CREDIT
    assert cash(bob) == 10_000 * CREDIT - 4 * CREDIT
    paid = Transfer.objects.get(kind="settlement")
    assert (paid.credit_account_id, paid.amount_micros) == (alice.pk, 10 * CREDIT)
    assert (paid.reference, paid.market_id) == (result.pk, closed.pk)
    assert list(Outcome.objects.filter(market=closed).values_list("payout_pips", flat=True)) == YES
    assert set(Margin.objects.values_list("account_id", "payout_micros")) == {
        (alice.pk, 10 * CREDIT),
        (bob.pk, 0),
    }


def test_settling_a_settled_market_again_changes_nothing(closed, operator):
    actions.do_resolve_market(closed, by=operator, payout_pips=[2_500, 7_500], evidence_text="x")
    assert settle_market(closed.pk)
    before = list(Account.objects.order_by("pk").values()), Transfer.objects.count()
    assert settle_market(closed.pk)
    assert (list(Account.objects.order_by("pk").values()), Transfer.objects.count()) == before


def test_fees_become_the_houses_when_the_result_is_final(shard, alice, bob, operator):
    market = world.make_market(dispute_seconds=0, fee_kind="flat", fee_taker_rate=20_000)
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    house = Account.objects.get(kind="house")
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=NO, evidence_text="x")
    assert cash(house) == 0
    assert settle_market(market.pk)
    assert cash(house) == 200_000
    assert Transfer.objects.get(kind="fee_income").amount_micros == 200_000


def test_suspended_and_closed_accounts_are_paid_too(closed, alice, bob, operator):
    User.objects.filter(pk=alice.owner_id).update(suspended_at=timezone.now())
    do_close_account(bob, by=operator)
    actions.do_resolve_market(closed, by=operator, payout_pips=[7_000, 3_000], evidence_text="x")
    assert settle_market(closed.pk)
    assert cash(alice) == 10_000 * CREDIT + CREDIT
    assert cash(bob) == 10_000 * CREDIT - CREDIT


def test_a_market_without_a_trade_settles_too(shard, market, operator):
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=YES, evidence_text="x")
    assert settle_market(market.pk)
    assert status_of(market) == "settled"


def test_strict_refund_sets_gains_free_when_the_result_is_final(shard, alice, bob, operator):
    market = world.make_market(dispute_seconds=0, strict_refund=True)
    world.open_market(shard, market)
    carol = world.make_account()
    run(
        shard,
        sell(market, bob, 40, 1000),
        buy(market, alice, 40, 1000),
        buy(market, carol, 60, 1000),
        sell(market, alice, 60, 1000),
    )
    alice.refresh_from_db()
    assert alice.held_micros == 2 * CREDIT
    actions.do_close_market(market, by=operator)
    alice.refresh_from_db()
    assert alice.held_micros == 2 * CREDIT
    actions.do_resolve_market(market, by=operator, payout_pips=NO, evidence_text="x")
    assert settle_market(market.pk)
    alice.refresh_from_db()
    assert (alice.held_micros, alice.cash_micros) == (0, 10_002 * CREDIT)


@pytest.mark.parametrize(
    ("payout_pips", "code"),
    [
        ([10_000], "payout_wrong_length"),
        ([10_000, 0, 0], "payout_wrong_length"),
        ([9_999, 0], "payout_sum_not_one"),
        ([10_001, 0], "payout_sum_not_one"),
        ([10_001, -1], "payout_negative"),
    ],
)
def test_a_payout_that_is_not_exactly_one_credit_is_refused(closed, operator, payout_pips, code):
    refuse(
        code,
        actions.do_resolve_market,
        closed,
        by=operator,
        payout_pips=payout_pips,
        evidence_text="x",
    )
    assert status_of(closed) == "closed"
    assert not Resolution.objects.exists()


def test_a_result_needs_evidence_and_a_closed_market(shard, market, operator):
    propose = {"by": operator, "payout_pips": YES}
    refuse("not_closed", actions.do_resolve_market, market, evidence_text="x", **propose)
    actions.do_close_market(market, by=operator)
    refuse("evidence_missing", actions.do_resolve_market, market, evidence_text=" ", **propose)
    actions.do_resolve_market(market, evidence_url="https://example.org/result", **propose)
    refuse("not_closed", actions.do_resolve_market, market, evidence_text="x", **propose)


def test_the_resolver_may_resolve_where_policy_lets_resolvers(closed, alice, bob, operator):
    propose = {"payout_pips": YES, "evidence_text": "x"}
    refuse("may_not_resolve", actions.do_resolve_market, closed, by=alice.owner, **propose)
    Market.objects.filter(pk=closed.pk).update(resolver=alice.owner)
    set_policy(who_may_resolve="operators")
    refuse("may_not_resolve", actions.do_resolve_market, closed, by=alice.owner, **propose)
    set_policy(who_may_resolve="resolvers")
    actions.do_resolve_market(closed, by=alice.owner, **propose)
    assert AuditEvent.objects.get(action="resolve_market").actor == alice.owner


def test_a_reason_that_is_too_long_is_refused_and_a_long_evidence_kept_whole(
    shard, market, alice, operator
):
    long = "x" * 501
    refuse("too_long", actions.do_halt_market, market, by=operator, reason=long)
    refuse("too_long", actions.do_close_market, market, by=operator, reason=long)
    refuse("too_long", actions.do_void_market, market, by=operator, reason=long)
    assert status_of(market) == "open"
    actions.do_close_market(market, by=operator, reason=long[1:])
    Market.objects.filter(pk=market.pk).update(dispute_seconds=3_600)
    result = actions.do_resolve_market(market, by=operator, payout_pips=YES, evidence_text=long)
    assert result.evidence_text == long
    assert market.status_changes.get(to_status="resolving").reason == long[2:] + "…"
    refuse("too_long", actions.do_withdraw_result, market, by=operator, reason=long)
    assert status_of(market) == "resolving"


# --- the dispute window -----------------------------------------------------------------------


@pytest.fixture
def proposed(closed, operator):
    """YES is proposed; the window is an hour."""
    Market.objects.filter(pk=closed.pk).update(dispute_seconds=3_600)
    actions.do_resolve_market(closed, by=operator, payout_pips=YES, evidence_text="seen")
    return closed


def test_nothing_is_paid_before_the_dispute_window_is_over(proposed, alice):
    assert not list_due().exists()
    assert not settle_market(proposed.pk)
    assert not Margin.objects.filter(payout_micros__isnull=False).exists()
    end_window(proposed)
    assert settle_market(proposed.pk)


def test_an_undecided_dispute_keeps_a_result_from_being_paid(proposed, bob, colleague):
    actions.do_dispute_result(proposed, by=bob.owner, text="it was no")
    end_window(proposed)
    assert not settle_market(proposed.pk)
    actions.do_decide_dispute(
        proposed, by=colleague, raised_by=bob.owner.handle, uphold=False, note="it was yes"
    )
    assert settle_market(proposed.pk)


def test_an_upheld_dispute_withdraws_the_result_and_another_can_follow(
    proposed, alice, bob, operator, colleague
):
    actions.do_dispute_result(proposed, by=bob.owner, text="it was no")
    actions.do_decide_dispute(
        proposed, by=colleague, raised_by=bob.owner.handle, uphold=True, note="right"
    )
    assert status_of(proposed) == "closed"
    withdrawn = Resolution.objects.get()
    assert (withdrawn.withdrawn_by, withdrawn.withdrawn_reason) == (colleague, "right")
    end_window(proposed)
    assert not settle_market(proposed.pk)
    actions.do_resolve_market(proposed, by=operator, payout_pips=NO, evidence_text="corrected")
    end_window(proposed)
    assert settle_market(proposed.pk)
    assert cash(bob) == 10_006 * CREDIT
    assert cash(alice) == 9_994 * CREDIT


def test_only_those_concerned_dispute_once_and_in_time(proposed, alice, operator):
    stranger = world.make_account().owner
    refuse("not_concerned", actions.do_dispute_result, proposed, by=stranger, text="hm")
    actions.do_dispute_result(proposed, by=alice.owner, text="hm")
    refuse("already_disputed", actions.do_dispute_result, proposed, by=alice.owner, text="hm")
    end_window(proposed)
    refuse("dispute_window_over", actions.do_dispute_result, proposed, by=operator, text="hm")


def test_deciding_a_dispute_needs_the_right_and_another_person(proposed, bob, operator):
    actions.do_dispute_result(proposed, by=operator, text="a typing error")
    actions.do_dispute_result(proposed, by=bob.owner, text="no")
    decide = {"uphold": False, "note": "x"}
    refuse("own_dispute", actions.do_decide_dispute, proposed, by=operator,
           raised_by=operator.handle, **decide)  # fmt: skip
    refuse("not_an_operator", actions.do_decide_dispute, proposed, by=bob.owner,
           raised_by=operator.handle, **decide)  # fmt: skip
    actions.do_decide_dispute(proposed, by=operator, raised_by=bob.owner.handle, **decide)
    refuse("already_decided", actions.do_decide_dispute, proposed, by=operator,
           raised_by=bob.owner.handle, **decide)  # fmt: skip


def test_a_result_can_be_withdrawn_until_the_first_payment(proposed, operator, colleague, bob):
    refuse("not_an_operator", actions.do_withdraw_result, proposed, by=bob.owner, reason="x")
    actions.do_withdraw_result(proposed, by=operator, reason="too early")
    assert status_of(proposed) == "closed"
    actions.do_resolve_market(proposed, by=operator, payout_pips=YES, evidence_text="seen")
    Margin.objects.filter(account=bob).update(payout_micros=0)
    refuse("already_paid", actions.do_withdraw_result, proposed, by=colleague, reason="x")
    refuse("already_paid", actions.do_void_market, proposed, by=colleague, reason="x")
    actions.do_dispute_result(proposed, by=bob.owner, text="no")
    refuse("already_paid", actions.do_decide_dispute, proposed, by=colleague,
           raised_by=bob.owner.handle, uphold=True, note="x")  # fmt: skip


# --- two persons ------------------------------------------------------------------------------


@pytest.fixture
def two_persons(db):
    set_policy(two_person_rule=True)


def test_by_the_two_person_rule_a_result_waits_for_a_second_person(
    two_persons, closed, operator, colleague, alice
):
    actions.do_resolve_market(closed, by=operator, payout_pips=YES, evidence_text="seen")
    assert not settle_market(closed.pk)
    refuse("second_person_needed", actions.do_approve_result, closed, by=operator)
    refuse("may_not_resolve", actions.do_approve_result, closed, by=alice.owner)
    actions.do_approve_result(closed, by=colleague)
    refuse("already_approved", actions.do_approve_result, closed, by=colleague)
    assert settle_market(closed.pk)
    assert Resolution.objects.get().approved_by == colleague


def test_without_the_rule_the_proposer_s_approval_pays_at_once_with_a_reason(
    proposed, operator, alice, bob
):
    approve = actions.do_approve_result
    refuse("blank", approve, proposed, by=operator, reason=" ")
    actions.do_dispute_result(proposed, by=bob.owner, text="no")
    refuse("dispute_undecided", approve, proposed, by=operator, reason="seen by all")
    actions.do_decide_dispute(
        proposed, by=operator, raised_by=bob.owner.handle, uphold=False, note="it was"
    )
    approve(proposed, by=operator, reason="seen by all")
    assert AuditEvent.objects.get(action="pay_result").reason == "seen by all"
    assert settle_market(proposed.pk)
    refuse("not_resolving", approve, proposed, by=operator, reason="again")


def test_a_window_is_ended_by_operators_only_and_by_the_rule_after_a_second_person(
    two_persons, proposed, operator, colleague, alice
):
    Market.objects.filter(pk=proposed.pk).update(resolver=alice.owner)
    proposed.refresh_from_db()
    pay = actions.do_pay_result
    refuse("not_an_operator", pay, proposed, by=alice.owner, reason="x")
    refuse("second_person_needed", pay, proposed, by=operator, reason="x")
    refuse("second_person_needed", pay, proposed, by=colleague, reason="x")
    actions.do_approve_result(proposed, by=colleague)
    assert not settle_market(proposed.pk)
    pay(proposed, by=operator, reason="x")
    assert settle_market(proposed.pk)


def test_by_the_two_person_rule_a_void_waits_too(two_persons, closed, operator, colleague):
    actions.do_void_market(closed, by=operator, reason="x")
    assert not settle_market(closed.pk)
    actions.do_approve_result(closed, by=colleague)
    assert settle_market(closed.pk)
    assert status_of(closed) == "voided"


def test_by_the_two_person_rule_the_proposer_decides_no_dispute(
    two_persons, proposed, operator, colleague, bob
):
    actions.do_dispute_result(proposed, by=bob.owner, text="no")
    decide = {"raised_by": bob.owner.handle, "uphold": False, "note": "x"}
    refuse("second_person_needed", actions.do_decide_dispute, proposed, by=operator, **decide)
    actions.do_decide_dispute(proposed, by=colleague, **decide)


# --- voiding ----------------------------------------------------------------------------------


def test_voiding_an_open_market_closes_it_and_gives_everything_back(
    shard, market, alice, bob, operator
):
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    run(shard, buy(market, alice, 30, 1000))
    actions.do_void_market(market, by=operator, reason="the event was called off")
    assert settle_market(market.pk)
    assert (cash(alice), cash(bob)) == (10_000 * CREDIT, 10_000 * CREDIT)
    steps = StatusChange.objects.filter(market=market).order_by("id")
    assert list(steps.values_list("to_status", flat=True)) == [
        "draft", "open", "closed", "resolving", "voided"
    ]  # fmt: skip
    assert steps.last().reason == "the event was called off"


def test_a_void_returns_fees(shard, alice, bob, operator):
    market = world.make_market(dispute_seconds=0, fee_kind="flat", fee_taker_rate=20_000)
    world.open_market(shard, market)
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    actions.do_void_market(market, by=operator, reason="x")
    assert settle_market(market.pk)
    assert (cash(alice), cash(bob)) == (10_000 * CREDIT, 10_000 * CREDIT)
    assert Transfer.objects.get(kind="fee_refund").amount_micros == 200_000


@pytest.fixture
def gone(shard, market, alice, bob, operator):
    """Alice bought 10 at 40, sold them at 60, and withdrew everything with her gain of 2."""
    carol = world.make_account()
    run(
        shard,
        sell(market, bob, 40, 1000),
        buy(market, alice, 40, 1000),
        buy(market, carol, 60, 1000),
        sell(market, alice, 60, 1000),
    )
    alice.refresh_from_db()
    request = do_request_withdrawal(alice, amount_micros=10_002 * CREDIT, by=alice.owner)
    do_decide_withdrawal(request, approve=True, by=operator)
    return market


def test_a_void_that_costs_the_house_names_the_amount_and_waits_for_its_confirmation(
    gone, alice, operator
):
    void = {"by": operator, "reason": "x"}
    with pytest.raises(RefusedError) as refusal:
        actions.do_void_market(gone, **void)
    assert (refusal.value.code, refusal.value.status) == ("house_cover_needed", 409)
    assert "2.000000" in refusal.value.message
    assert status_of(gone) == "open"
    actions.do_void_market(gone, house_cover_micros=2 * CREDIT, **void)
    assert settle_market(gone.pk)
    house = Account.objects.get(kind="house")
    assert house.cash_micros == -2 * CREDIT
    assert cash(alice) == 0
    cover = Transfer.objects.get(kind="house_cover")
    assert (cover.debit_account_id, cover.amount_micros) == (house.pk, 2 * CREDIT)


def test_gains_that_go_away_after_the_confirmation_make_the_void_wait_for_another(
    shard, market, alice, bob, operator
):
    carol = world.make_account()
    run(
        shard,
        sell(market, bob, 40, 1000),
        buy(market, alice, 40, 1000),
        buy(market, carol, 60, 1000),
        sell(market, alice, 60, 1000),
    )
    actions.do_void_market(market, by=operator, reason="x")
    alice.refresh_from_db()
    request = do_request_withdrawal(alice, amount_micros=10_001 * CREDIT, by=alice.owner)
    do_decide_withdrawal(request, approve=True, by=operator)
    assert not settle_market(market.pk)
    assert not Margin.objects.filter(payout_micros__isnull=False).exists()
    refuse("house_cover_needed", actions.do_void_market, market, by=operator, reason="x")
    actions.do_void_market(market, by=operator, reason="x", house_cover_micros=CREDIT)
    assert settle_market(market.pk)
    assert cash(alice) == 0
    assert Resolution.objects.count() == 1


def test_asking_again_for_a_void_changes_nothing(closed, operator):
    first = actions.do_void_market(closed, by=operator, reason="x")
    assert actions.do_void_market(closed, by=operator, reason="x").pk == first.pk
    assert settle_market(closed.pk)
    refuse("not_trading", actions.do_void_market, closed, by=operator, reason="x")


def give_role(user, role):
    user.is_superuser = False
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return User.objects.get(pk=user.pk)


def test_a_resolver_voids_an_open_market_without_the_right_to_close_it(market, colleague):
    resolver = give_role(colleague, "resolver")
    refuse("not_an_operator", actions.do_close_market, market, by=resolver)
    actions.do_void_market(market, by=resolver, reason="the question was unclear")
    assert settle_market(market.pk)


def test_an_operator_does_not_become_the_resolver_of_a_market_that_trades(market, colleague):
    manager = give_role(colleague, "operator")
    edit = {"by": manager, "fields": {"resolver": manager}}
    refuse("not_an_operator", do_edit_market, market, **edit)
    actions.do_close_market(market, by=manager)
    refuse("not_an_operator", do_edit_market, market, **edit)
    Market.objects.filter(pk=market.pk).update(resolver=manager)  # named so when it was a draft
    market.refresh_from_db()
    refuse("may_not_resolve", actions.do_resolve_market, market, by=manager, payout_pips=YES,
           evidence_text="x")  # fmt: skip


def test_a_void_takes_the_place_of_a_proposed_result(proposed, alice, operator):
    actions.do_void_market(proposed, by=operator, reason="x")
    assert settle_market(proposed.pk)
    assert status_of(proposed) == "voided"
    assert cash(alice) == 10_000 * CREDIT


def test_only_operators_with_the_right_void(closed, alice, draft, operator):
    Market.objects.filter(pk=closed.pk).update(resolver=alice.owner)
    refuse("not_an_operator", actions.do_void_market, closed, by=alice.owner, reason="x")
    other = world.make_market()
    refuse("not_trading", actions.do_void_market, other, by=operator, reason="x")
    refuse("amount_negative", actions.do_void_market, closed, by=operator, reason="x",
           house_cover_micros=-1)  # fmt: skip


def test_a_house_that_trades_pays_its_gains_back_without_a_confirmation(
    shard, market, alice, bob, operator
):
    house = Account.objects.get(kind="house")
    for side, cents in ((BUY, 40), (SELL, 60)):
        run(shard, world.place(market, bob, -side, cents, 1000))
        order = Place(new_id(), house.pk, 0, 0, side, cents * 100, 1000, fee_free=True)
        run(shard, Task(0, market.pk, order))
    assert cash(house) == 2 * CREDIT
    actions.do_void_market(market, by=operator, reason="x")
    assert settle_market(market.pk)
    assert (cash(house), cash(bob)) == (0, 10_000 * CREDIT)
    assert not Transfer.objects.filter(kind="house_cover").exists()
