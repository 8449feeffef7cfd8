"""Constraints of the database, which hold for every writer."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from kernel.ids import new_uuid
from markets.models import Exchange, GroupMember, Market, Outcome, Resolution
from tests.markets.factories import make_group, make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        {"tick_pips": 0},
        {"tick_pips": 5},
        {"tick_pips": 30},
        {"tick_pips": 10_000},
        {"lot_step_lots": 0},
        {"lot_step_lots": 1_000_001},
        {"fee_kind": "flat", "fee_taker_rate": 1_000_001},
        {"fee_kind": "flat", "fee_maker_rate": 1_000_001},
        {"fee_kind": "none", "fee_taker_rate": 1},
        {"fee_kind": "tiered"},
        {"fee_unit_micros": 100},
        {"open_at": F("close_at")},
        {"visibility": "group"},
        {"visibility": "secret"},
        {"position_limit_lots": 0},
        {"position_limit_lots": 10**12 + 1},
        {"dispute_seconds": 90 * 24 * 3600 + 1},
        {"status": "settled"},
        {"settled_at": F("created_at")},
        {"status": "paused"},
        {"kind": "scalar"},
        {"approved_at": None},
        {"status": "open", "approved_at": None, "approved_by": None},
    ],
    ids=str,
)
def test_a_market_against_the_law_is_refused(values):
    market = make_market()
    with pytest.raises(IntegrityError), transaction.atomic():
        Market.objects.filter(pk=market.pk).update(**values)


@pytest.mark.parametrize("tick_pips", [10, 16, 20, 25, 100, 625, 5_000])
def test_every_divisor_of_ten_thousand_in_range_is_a_tick(tick_pips):
    market = make_market()
    Market.objects.filter(pk=market.pk).update(tick_pips=tick_pips)
    assert 10_000 % tick_pips == 0


def test_a_slug_belongs_to_one_market():
    first, second = make_market(), make_market()
    with pytest.raises(IntegrityError), transaction.atomic():
        Market.objects.filter(pk=second.pk).update(slug=first.slug)


@pytest.mark.parametrize(
    "values",
    [
        {"index": 0},
        {"code": "YES"},
        {"name": "Yes"},
        {"index": 50},
        {"payout_pips": 10_001},
    ],
    ids=str,
)
def test_an_outcome_against_the_law_is_refused(values):
    market = make_market()
    fields = {"index": 2, "code": "MAYBE", "name": "Maybe", **values}
    with pytest.raises(IntegrityError), transaction.atomic():
        Outcome.objects.create(market=market, **fields)


def test_a_user_is_in_a_group_once(alice):
    group = make_group(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        GroupMember.objects.create(group=group, user=alice)


def test_one_result_is_active_at_a_time_and_withdrawn_ones_stay(operator):
    market = make_market(status="resolving")
    first = propose(market, operator)
    with pytest.raises(IntegrityError), transaction.atomic():
        propose(market, operator)
    first.withdrawn_at = timezone.now()
    first.save()
    propose(market, operator)
    assert market.resolutions.count() == 2


def test_the_approver_of_a_result_is_a_second_person(operator):
    result = propose(make_market(status="resolving"), operator)
    with pytest.raises(IntegrityError), transaction.atomic():
        Resolution.objects.filter(pk=result.pk).update(approved_by=operator)
    Resolution.objects.filter(pk=result.pk).update(approved_by=make_user())


def test_a_result_is_not_final_before_it_was_proposed(operator):
    market = make_market(status="resolving")
    with pytest.raises(IntegrityError), transaction.atomic():
        propose(market, operator, final_at=timezone.now() - timedelta(days=1))


def test_the_house_covers_voids_only(operator):
    market = make_market(status="resolving")
    with pytest.raises(IntegrityError), transaction.atomic():
        propose(market, operator, house_cover_micros=1)
    propose(market, operator, payout_pips=None, house_cover_micros=1)


def test_a_user_disputes_a_result_once_and_a_decision_says_who_and_when(operator, alice):
    result = propose(make_market(status="resolving"), operator)
    dispute = result.disputes.create(raised_by=alice, text="no")
    with pytest.raises(IntegrityError), transaction.atomic():
        result.disputes.create(raised_by=alice, text="still no")
    with pytest.raises(IntegrityError), transaction.atomic():
        result.disputes.filter(pk=dispute.pk).update(decision="upheld")
    result.disputes.filter(pk=dispute.pk).update(
        decision="upheld", decided_by=operator, decided_at=timezone.now()
    )


def test_there_is_one_exchange():
    with pytest.raises(IntegrityError), transaction.atomic():
        Exchange.objects.create(pk=2)


def propose(market, by, **fields):
    now = timezone.now()
    fields = {"payout_pips": [10_000, 0], "proposed_at": now, "final_at": now, **fields}
    return Resolution.objects.create(id=new_uuid(), market=market, proposed_by=by, **fields)
