import itertools
import threading

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import AppendOnlyError
from markets.lifecycle import (
    LEGAL,
    IllegalStatusChangeError,
    PayoutError,
    binary_payout,
    check_payout_vector,
    check_status_change,
    equal_payout,
    record_status,
)
from markets.models import Market, StatusChange
from tests.markets.factories import STEPS_TO, make_market, make_user

STATUSES = Market.Status.values
DESIGNED = {
    ("draft", "proposed"),
    ("proposed", "draft"),
    ("draft", "open"),
    ("open", "halted"),
    ("halted", "open"),
    ("open", "closed"),
    ("halted", "closed"),
    ("closed", "resolving"),
    ("resolving", "closed"),
    ("resolving", "settled"),
    ("open", "voided"),
    ("halted", "voided"),
    ("closed", "voided"),
    ("resolving", "voided"),
    ("settled", "settled"),
    ("settled", "voided"),
    ("voided", "settled"),
}
"""The last three: the result that was paid is corrected."""


# --- the table -------------------------------------------------------------------------------


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES))
def test_a_step_is_legal_exactly_when_it_is_designed(from_status, to_status):
    if (from_status, to_status) in DESIGNED:
        check_status_change(from_status, to_status)
        return
    with pytest.raises(IllegalStatusChangeError) as refusal:
        check_status_change(from_status, to_status)
    assert (refusal.value.status, refusal.value.code) == (409, "illegal_status_change")


def test_the_table_names_every_status_and_a_final_one_leads_to_final_ones_only():
    assert set(LEGAL) == set(STATUSES)
    assert LEGAL["settled"] | LEGAL["voided"] == {"settled", "voided"}


@given(st.lists(st.sampled_from(STATUSES), max_size=30))
def test_no_walk_reaches_a_hidden_status_after_opening_or_settles_without_resolving(wishes):
    walked = ["draft"]
    for wish in wishes:
        if wish in LEGAL[walked[-1]]:
            walked.append(wish)
    if "open" in walked:
        assert not {"draft", "proposed"} & set(walked[walked.index("open") :])
    for before, after in itertools.pairwise(walked):
        assert after != "settled" or before in ("resolving", "settled", "voided")


# --- one change ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_reached_by_legal_steps_each_recorded(status):
    market = make_market(status=status)
    changes = list(market.status_changes.order_by("id").values_list("from_status", "to_status"))
    walked = ["draft", *STEPS_TO[status]]
    assert changes == [("", "draft"), *itertools.pairwise(walked)]


@pytest.mark.django_db
def test_a_change_records_who_when_and_why():
    resolver = make_user("rita")
    market = make_market(status="open")
    change = record_status(market, "halted", by=resolver, reason="news")
    market.refresh_from_db()
    assert (change.by, change.reason, change.from_status) == (resolver, "news", "open")
    assert change.created_at == market.updated_at
    assert market.status == "halted"


@pytest.mark.django_db
def test_the_exchange_itself_may_be_the_one_who_changes():
    change = record_status(make_market(status="open"), "closed", by=None, reason="close time")
    assert change.by is None


@pytest.mark.django_db
def test_an_illegal_change_changes_and_records_nothing():
    market = make_market(status="closed")
    count = StatusChange.objects.count()
    with pytest.raises(IllegalStatusChangeError):
        record_status(market, "open", by=None)
    market.refresh_from_db()
    assert (market.status, StatusChange.objects.count()) == ("closed", count)


@pytest.mark.django_db
def test_a_narrowed_change_refuses_what_the_table_would_allow():
    market = make_market(status="draft")
    with pytest.raises(IllegalStatusChangeError):
        record_status(market, "open", by=None, only_from={"halted"})
    assert market.status == "draft"


@pytest.mark.django_db
def test_a_stale_instance_decides_nothing_and_is_brought_up_to_date():
    market = make_market(status="open")
    stale = Market.objects.get(pk=market.pk)
    record_status(market, "closed", by=None)
    with pytest.raises(IllegalStatusChangeError):
        record_status(stale, "halted", by=None)
    record_status(stale, "resolving", by=None)
    assert stale.status == "resolving"


@pytest.mark.django_db
@pytest.mark.parametrize("final", ["settled", "voided"])
def test_a_final_status_has_a_time(final):
    market = make_market(status=final)
    market.refresh_from_db()
    assert market.settled_at == market.updated_at


@pytest.mark.django_db
def test_history_is_never_edited():
    change = make_market().status_changes.get()
    change.reason = "something else"
    with pytest.raises(AppendOnlyError):
        change.save()
    with pytest.raises(AppendOnlyError):
        StatusChange.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_of_racing_changes_exactly_one_wins():
    market = make_market(status="open")
    racers = 6
    start = threading.Barrier(racers)
    results = []

    def race():
        start.wait()
        try:
            record_status(Market(pk=market.pk), "closed", by=None)
            results.append("won")
        except IllegalStatusChangeError:
            results.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["lost"] * (racers - 1) + ["won"]
    assert market.status_changes.filter(to_status="closed").count() == 1


# --- what a result may pay -------------------------------------------------------------------


@given(st.data(), st.integers(2, 50))
def test_equal_payout_is_always_a_valid_vector_that_differs_by_a_pip_at_most(data, outcome_count):
    winners = data.draw(st.sets(st.integers(0, outcome_count - 1), min_size=1))
    payout_pips = equal_payout(winners, outcome_count=outcome_count)
    check_payout_vector(payout_pips, outcome_count=outcome_count)
    shares = [payout_pips[index] for index in sorted(winners)]
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)
    assert all(payout_pips[i] == 0 for i in range(outcome_count) if i not in winners)


@given(st.lists(st.integers(-20_000, 20_000), max_size=6), st.integers(2, 6))
def test_a_vector_is_accepted_exactly_when_it_pays_one_credit(payout_pips, outcome_count):
    is_right = (
        len(payout_pips) == outcome_count and min(payout_pips) >= 0 and sum(payout_pips) == 10_000
    )
    try:
        check_payout_vector(payout_pips, outcome_count=outcome_count)
        assert is_right
    except PayoutError:
        assert not is_right


@given(st.integers(-1_000, 11_000))
def test_a_binary_pays_v_and_the_rest(yes_pips):
    if not 0 <= yes_pips <= 10_000:
        with pytest.raises(PayoutError):
            binary_payout(yes_pips)
        return
    assert binary_payout(yes_pips) == [yes_pips, 10_000 - yes_pips]


def test_a_third_each_gives_the_remaining_pip_to_the_first_in_outcome_order():
    assert equal_payout({3, 0, 2}, outcome_count=4) == [3334, 0, 3333, 3333]
    assert equal_payout({1}, outcome_count=2) == [0, 10_000]
    assert equal_payout(range(7), outcome_count=7) == [1429, 1429, 1429, 1429, 1428, 1428, 1428]


@pytest.mark.parametrize(
    ("payout_pips", "code"),
    [
        (None, "payout_not_a_list"),
        ("10000", "payout_not_a_list"),
        ({0: 10_000}, "payout_not_a_list"),
        ([10_000], "payout_wrong_length"),
        ([10_000, 0, 0], "payout_wrong_length"),
        ([0.5, 0.5], "payout_not_whole_pips"),
        ([True, 9_999], "payout_not_whole_pips"),
        (["5000", "5000"], "payout_not_whole_pips"),
        ([None, 10_000], "payout_not_whole_pips"),
        ([10_001, -1], "payout_negative"),
        ([5_000, 4_999], "payout_sum_not_one"),
        ([0, 0], "payout_sum_not_one"),
        ([10**30, 10**30], "payout_sum_not_one"),
    ],
)
def test_a_wrong_vector_is_refused_by_name(payout_pips, code):
    with pytest.raises(PayoutError) as refusal:
        check_payout_vector(payout_pips, outcome_count=2)
    assert refusal.value.code == code


@pytest.mark.parametrize("winners", [[], [-1], [2], [0, 5]])
def test_winners_are_outcomes_of_the_market(winners):
    with pytest.raises(PayoutError):
        equal_payout(winners, outcome_count=2)
