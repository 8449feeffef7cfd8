from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Account, AuditEvent
from markets.actions import (
    check_ready_to_open,
    do_approve_market,
    do_create_market,
    do_edit_exchange,
    do_edit_market,
    do_propose_market,
    do_reject_market,
    do_set_outcomes,
)
from markets.lifecycle import record_status
from markets.models import Category, Market, Tag
from markets.queries import get_exchange
from tests.markets.factories import (
    THREE_OUTCOMES,
    in_days,
    let_everyone_create,
    make_group,
    make_market,
    make_user,
    refusing,
    set_policy,
)

pytestmark = pytest.mark.django_db

LATER = [status for status in Market.Status.values if status not in ("draft", "proposed")]


def create(by, *, outcomes=None, **fields):
    fields = {"title": "Will it rain?", "close_at": in_days(30), **fields}
    return do_create_market(by=by, fields=fields, outcomes=outcomes)


# --- creating --------------------------------------------------------------------------------


def test_a_new_market_has_everything_that_belongs_to_it(operator):
    market = create(operator)
    assert (market.slug, market.status, market.kind) == ("will-it-rain", "draft", "binary")
    assert [(o.index, o.code, o.name) for o in market.outcomes.all()] == [
        (0, "YES", "Yes"),
        (1, "NO", "No"),
    ]
    assert market.stats.volume_lots == 0
    assert market.stats.last_price_pips is None
    assert market.status_changes.get().by == operator
    assert AuditEvent.objects.get(action="create_market").actor == operator
    escrow, fees = Account.objects.filter(market_id=market.pk).order_by("pk")
    assert (escrow.kind, escrow.pk) == ("escrow", market.escrow_account_id)
    assert (fees.kind, fees.pk) == ("fees", market.fees_account_id)
    assert escrow.currency == fees.currency == market.currency


def test_a_categorical_market_may_get_its_outcomes_later(operator):
    market = create(operator, kind="categorical")
    assert not market.outcomes.exists()
    with refusing("outcome_count", field="outcomes"):
        check_ready_to_open(market)


def test_a_market_is_stored_with_its_shard(operator, settings):
    settings.ENGINE_SHARDS = 3
    markets = [create(operator) for _ in range(4)]
    assert [market.shard for market in markets] == [market.pk % 3 for market in markets]


def test_equal_titles_get_different_slugs(operator):
    slugs = {create(operator).slug for _ in range(5)}
    assert len(slugs) == 5
    assert all(slug.startswith("will-it-rain") for slug in slugs)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("日本は勝つか", "market"),
        ("!!!", "market"),
        ("Ünïcödé & more", "unicode-more"),
        ("snake_case", "snake-case"),
        ("x" * 200, "x" * 70),
    ],
)
def test_every_title_has_a_slug(operator, title, slug):
    assert create(operator, title=title).slug == slug


def test_an_operator_chooses_an_unused_slug(operator):
    assert create(operator, slug="kxgold15m-26aug102130-30").slug == "kxgold15m-26aug102130-30"
    with refusing("slug_taken", 409, "slug"):
        create(operator, slug="kxgold15m-26aug102130-30")


@pytest.mark.parametrize("slug", ["Upper", "under_score", "-a", "a-", "a b", "ä", "a/b", "x" * 81])
def test_a_slug_is_plain(operator, slug):
    with refusing("bad_slug", field="slug"):
        create(operator, slug=slug)


def test_defaults_come_from_policy(operator):
    set_policy(
        default_fee_kind="quadratic",
        default_fee_taker_rate=70_000,
        default_fee_unit_micros=10_000,
        default_dispute_seconds=60,
    )
    market = create(operator)
    assert (market.fee_kind, market.fee_taker_rate, market.fee_unit_micros) == (
        "quadratic",
        70_000,
        10_000,
    )
    assert market.dispute_seconds == 60


def test_a_given_fee_kind_takes_nothing_from_policy(operator):
    set_policy(default_fee_kind="quadratic", default_fee_taker_rate=70_000)
    market = create(operator, fee_kind="flat", fee_maker_rate=5)
    assert (market.fee_maker_rate, market.fee_taker_rate) == (5, 0)
    assert create(operator, fee_kind="none").fee_taker_rate == 0


def test_only_operators_create_unless_policy_says_everyone(alice):
    with refusing("may_not_create_markets", 403):
        create(alice)
    let_everyone_create()
    assert create(alice).creator == alice


def test_staff_without_the_right_are_like_everyone(alice):
    alice.is_staff = True
    alice.save()
    with refusing("may_not_create_markets", 403):
        create(alice)
    alice.user_permissions.add(Permission.objects.get(codename="manage_markets"))
    fresh = type(alice).objects.get(pk=alice.pk)
    assert create(fresh).approved_by == alice


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "mine"),
        ("featured", True),
        ("dispute_seconds", 0),
        ("fee_kind", "none"),
        ("fee_taker_rate", 0),
    ],
)
def test_what_a_market_costs_and_where_it_shows_is_for_operators(alice, field, value):
    let_everyone_create()
    with refusing("operators_only", 403, field):
        create(alice, **{field: value})


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"close_at": in_days(-1)}, "close_in_the_past", "close_at"),
        ({"open_at": in_days(31)}, "close_before_open", "close_at"),
        ({"expected_settle_at": in_days(1)}, "settles_before_close", "expected_settle_at"),
        ({"tick_pips": 5}, "bad_tick", "tick"),
        ({"tick_pips": 30}, "bad_tick", "tick"),
        ({"tick_pips": 10_000}, "bad_tick", "tick"),
        ({"tick_pips": -100}, "bad_tick", "tick"),
        ({"lot_step_lots": 0}, "bad_lot_step", "lot_step"),
        ({"lot_step_lots": 10**18}, "bad_lot_step", "lot_step"),
        ({"fee_kind": "flat", "fee_taker_rate": 1_000_001}, "bad_fee_rate", "fee_taker_rate"),
        ({"fee_kind": "flat", "fee_maker_rate": -1}, "bad_fee_rate", "fee_maker_rate"),
        ({"fee_taker_rate": 1}, "fee_rate_without_kind", "fee_taker_rate"),
        ({"fee_unit_micros": 5}, "bad_fee_unit", "fee_unit"),
        ({"position_limit_lots": 0}, "bad_position_limit", "position_limit"),
        ({"position_limit_lots": 10**12 + 1}, "bad_position_limit", "position_limit"),
        ({"dispute_seconds": -1}, "bad_dispute_window", "dispute_seconds"),
        ({"dispute_seconds": 10**9}, "bad_dispute_window", "dispute_seconds"),
        ({"visibility": "group"}, "group_missing", "group"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_market_that_makes_no_sense_is_refused_by_name(operator, fields, code, field):
    with refusing(code, field=field):
        create(operator, **fields)
    assert not Market.objects.exists()
    assert not Account.objects.filter(market_id__isnull=False).exists()


def test_a_group_s_market_is_made_by_its_members_and_operators(operator, alice, bob):
    let_everyone_create()
    group = make_group(alice)
    assert create(alice, visibility="group", group=group).group == group
    assert create(operator, visibility="group", group=group).group == group
    with refusing("unknown_group", 400, "group"):
        create(bob, visibility="group", group=group)


def test_a_resolver_can_act(operator, alice):
    alice.suspended_at = timezone.now()
    alice.save()
    with refusing("resolver_stopped", field="resolver"):
        create(operator, resolver=alice)


# --- outcomes --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 50])
def test_two_to_fifty_outcomes_are_attached_in_order(operator, count):
    pairs = [(f"C{number}", f"Choice {number}") for number in reversed(range(count))]
    market = do_set_outcomes(create(operator, kind="categorical"), by=operator, outcomes=pairs)
    assert [(o.code, o.name) for o in market.outcomes.all()] == pairs
    assert [o.index for o in market.outcomes.all()] == list(range(count))


def test_outcomes_are_replaced_as_a_whole(operator):
    market = create(operator, kind="categorical", outcomes=THREE_OUTCOMES)
    do_set_outcomes(market, by=operator, outcomes=[("RED", "Rot"), ("NONE", "None of them")])
    assert list(market.outcomes.values_list("code", "name")) == [
        ("RED", "Rot"),
        ("NONE", "None of them"),
    ]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], "outcome_count"),
        ([("A", "a")], "outcome_count"),
        ([(f"C{number}", f"{number}") for number in range(51)], "outcome_count"),
        ([("A", "a"), ("A", "b")], "duplicate_outcome_code"),
        ([("A", "Same"), ("B", "Same")], "duplicate_outcome_name"),
        ([("A", "Same"), ("B", "  sAME ")], "duplicate_outcome_name"),
        ([("A", "two words"), ("B", "two  words")], "duplicate_outcome_name"),
        ([("A", "Ａ１"), ("B", "A1")], "duplicate_outcome_name"),  # noqa: RUF001 - wide letters
        ([("a", "a"), ("B", "b")], "bad_outcome_code"),
        ([("", "a"), ("B", "b")], "bad_outcome_code"),
        ([("A B", "a"), ("B", "b")], "bad_outcome_code"),
        ([("Ä", "a"), ("B", "b")], "bad_outcome_code"),
        ([("-A", "a"), ("B", "b")], "bad_outcome_code"),
        ([("A" * 33, "a"), ("B", "b")], "bad_outcome_code"),
    ],
    ids=str,
)
def test_wrong_outcomes_are_refused_by_name_and_the_old_ones_stay(operator, outcomes, code):
    market = create(operator, kind="categorical", outcomes=THREE_OUTCOMES)
    with refusing(code, field="outcomes"):
        do_set_outcomes(market, by=operator, outcomes=outcomes)
    assert market.outcomes.count() == 3


def test_no_outcomes_are_not_the_same_as_none_given(operator):
    with refusing("outcomes_not_binary", field="outcomes"):
        create(operator, outcomes=[])
    with refusing("outcome_count", field="outcomes"):
        create(operator, kind="categorical", outcomes=[])


def test_a_nameless_outcome_is_refused(operator):
    with refusing("blank", 400, "outcomes"):
        create(operator, kind="categorical", outcomes=[("A", " "), ("B", "b")])


def test_a_binary_market_has_yes_and_no_by_whatever_names(operator):
    market = create(operator, outcomes=[("YES", "Heads"), ("NO", "Tails")])
    assert [o.name for o in market.outcomes.all()] == ["Heads", "Tails"]
    for wrong in ([], [("NO", "No"), ("YES", "Yes")], THREE_OUTCOMES, [("YES", "Yes")]):
        with refusing("outcomes_not_binary", field="outcomes"):
            do_set_outcomes(market, by=operator, outcomes=wrong)


@pytest.mark.parametrize("status", LATER)
def test_outcomes_are_fixed_once_a_market_is_no_draft(operator, status):
    market = make_market(by=operator, status=status)
    with refusing("not_a_draft", 409):
        do_set_outcomes(market, by=operator, outcomes=[("YES", "a"), ("NO", "b")])


# --- editing ---------------------------------------------------------------------------------


def test_a_draft_is_edited_and_what_changed_is_kept(operator):
    market = create(operator)
    rain, weather = (
        Tag.objects.create(slug="rain", name="Rain"),
        Category.objects.create(slug="weather", name="Weather"),
    )
    fields = {"title": "Will it snow?", "tick_pips": 10, "tags": [rain], "category": weather}
    do_edit_market(market, by=operator, fields=fields)
    market.refresh_from_db()
    assert (market.title, market.tick_pips, market.category) == ("Will it snow?", 10, weather)
    assert list(market.tags.all()) == [rain]
    assert market.slug == "will-it-rain"
    event = AuditEvent.objects.get(action="edit_market")
    assert event.before == {
        "title": "Will it rain?",
        "tick_pips": 100,
        "tags": [],
        "category": None,
    }
    assert event.after == {
        "title": "Will it snow?",
        "tick_pips": 10,
        "tags": ["Rain"],
        "category": "Weather",
    }


def test_an_edit_is_checked_with_what_stays(operator):
    market = create(operator, open_at=in_days(10), close_at=in_days(20))
    with refusing("close_before_open", field="close_at"):
        do_edit_market(market, by=operator, fields={"close_at": in_days(5)})
    with refusing("fee_rate_without_kind", field="fee_maker_rate"):
        do_edit_market(market, by=operator, fields={"fee_maker_rate": 1})
    do_edit_market(market, by=operator, fields={"fee_kind": "flat", "fee_maker_rate": 1})
    with refusing("fee_rate_without_kind", field="fee_maker_rate"):
        do_edit_market(market, by=operator, fields={"fee_kind": "none"})


def test_a_draft_past_its_close_time_can_still_be_mended(operator):
    market = create(operator)
    Market.objects.filter(pk=market.pk).update(close_at=in_days(-1))
    do_edit_market(market, by=operator, fields={"title": "Better"})
    do_edit_market(market, by=operator, fields={"close_at": in_days(1)})
    check_ready_to_open(Market.objects.get(pk=market.pk))


def test_a_stranger_edits_nothing(operator, alice):
    market = make_market(by=operator, resolver=alice)
    with refusing("not_your_market", 403):
        do_edit_market(market, by=alice, fields={"title": "Mine"})
    with refusing("not_your_market", 403):
        do_set_outcomes(market, by=alice, outcomes=[("YES", "a"), ("NO", "b")])
    with refusing("not_your_market", 403):
        do_propose_market(market, by=alice)


def test_operators_correct_a_proposal_before_they_approve_it_and_its_creator_does_not(
    operator, alice
):
    let_everyone_create()
    market = do_propose_market(create(alice), by=alice)
    with refusing("not_a_draft", 409):
        do_edit_market(market, by=alice, fields={"title": "x"})
    with refusing("not_a_draft", 409):
        do_set_outcomes(market, by=alice, outcomes=[("YES", "Aye"), ("NO", "Nay")])
    do_edit_market(market, by=operator, fields={"title": "In May?", "tick_pips": 10})
    do_set_outcomes(market, by=operator, outcomes=[("YES", "Aye"), ("NO", "Nay")])
    market = do_approve_market(market, by=operator)
    assert (market.title, market.tick_pips, market.status) == ("In May?", 10, "draft")
    assert market.outcomes.get(index=0).name == "Aye"


@pytest.mark.parametrize("status", LATER)
def test_later_only_operators_edit_and_only_descriptive_fields(operator, alice, status):
    let_everyone_create()
    market = make_market(by=operator, status=status)
    Market.objects.filter(pk=market.pk).update(creator=alice)
    do_edit_market(market, by=operator, fields={"description": "Typo mended", "featured": True})
    for fields in ({"title": "x"}, {"tick_pips": 10}, {"description": "x", "rules": "x"}):
        with refusing("not_a_draft", 409):
            do_edit_market(market, by=operator, fields=fields)
    with refusing("not_a_draft", 409):
        do_edit_market(market, by=alice, fields={"description": "x"})
    market.refresh_from_db()
    assert (market.description, market.status) == ("Typo mended", status)


def test_an_edit_meets_the_market_as_it_is_not_as_it_was_read(operator):
    market = create(operator)
    stale = Market.objects.get(pk=market.pk)
    record_status(market, "open", by=operator)
    with refusing("not_a_draft", 409):
        do_edit_market(stale, by=operator, fields={"tick_pips": 10})


# --- approval --------------------------------------------------------------------------------


@pytest.fixture
def draft(alice):
    let_everyone_create()
    return create(alice)


def test_a_users_market_opens_only_after_approval(operator, alice, draft):
    with refusing("not_approved", 409):
        check_ready_to_open(draft)
    market = do_propose_market(draft, by=alice)
    assert market.status == "proposed"
    with refusing("not_a_draft", 409):
        check_ready_to_open(market)
    market = do_approve_market(market, by=operator)
    assert (market.status, market.approved_by) == ("draft", operator)
    check_ready_to_open(market)
    walked = market.status_changes.order_by("id").values_list("to_status", "by__handle")
    assert list(walked) == [("draft", "alice"), ("proposed", "alice"), ("draft", "olivia")]


def test_an_operator_s_market_needs_no_second_word(operator):
    market = create(operator)
    check_ready_to_open(market)
    with refusing("already_approved", 409):
        do_propose_market(market, by=operator)


def test_a_rejection_says_what_has_to_change(operator, alice, draft):
    do_propose_market(draft, by=alice)
    with refusing("blank", 400, "note"):
        do_reject_market(draft, by=operator, reason=" ")
    market = do_reject_market(draft, by=operator, reason="Which airport?")
    assert (market.status, market.approved_at) == ("draft", None)
    assert market.status_changes.order_by("id").last().reason == "Which airport?"
    do_edit_market(market, by=alice, fields={"rules": "EDDF"})
    do_propose_market(market, by=alice)


@pytest.mark.parametrize("change", ["fields", "outcomes"])
def test_a_creator_who_edits_needs_a_new_approval_but_an_operator_keeps_it(
    operator, alice, draft, change
):
    def edit(by):
        if change == "fields":
            return do_edit_market(draft, by=by, fields={"title": "Something else?"})
        return do_set_outcomes(draft, by=by, outcomes=[("YES", "a"), ("NO", "b")])

    do_propose_market(draft, by=alice)
    do_approve_market(draft, by=operator)
    assert edit(operator).approved_by == operator
    assert edit(alice).approved_by is None
    with refusing("not_approved", 409):
        check_ready_to_open(Market.objects.get(pk=draft.pk))


def test_only_operators_decide_and_only_on_what_is_proposed(operator, alice, draft):
    with refusing("not_proposed", 409):
        do_approve_market(draft, by=operator)
    with refusing("not_proposed", 409):
        do_reject_market(draft, by=operator, reason="no")
    do_propose_market(draft, by=alice)
    with refusing("not_an_operator", 403):
        do_approve_market(draft, by=alice)
    with refusing("not_an_operator", 403):
        do_reject_market(draft, by=alice, reason="no")
    with refusing("not_a_draft", 409):
        do_propose_market(draft, by=alice)


def test_an_unfinished_draft_is_not_proposed(alice):
    let_everyone_create()
    market = create(alice, kind="categorical")
    with refusing("outcome_count", field="outcomes"):
        do_propose_market(market, by=alice)
    do_set_outcomes(market, by=alice, outcomes=THREE_OUTCOMES)
    Market.objects.filter(pk=market.pk).update(close_at=in_days(-1))
    with refusing("close_in_the_past", field="close_at"):
        do_propose_market(market, by=alice)


def test_every_act_leaves_an_audit_event(operator, alice, draft):
    do_set_outcomes(draft, by=alice, outcomes=[("YES", "a"), ("NO", "b")])
    do_propose_market(draft, by=alice)
    do_reject_market(draft, by=operator, reason="no")
    do_propose_market(draft, by=alice)
    do_approve_market(draft, by=operator, reason="fine")
    events = AuditEvent.objects.filter(subject_type="market", subject_id=str(draft.pk))
    assert list(events.order_by("id").values_list("action", "actor__handle")) == [
        ("create_market", "alice"),
        ("set_outcomes", "alice"),
        ("propose_market", "alice"),
        ("reject_market", "olivia"),
        ("propose_market", "alice"),
        ("approve_market", "olivia"),
    ]


# --- the whole exchange ----------------------------------------------------------------------


def test_the_exchange_is_one_row_and_its_edits_are_audited(operator):
    exchange = get_exchange()
    assert not exchange.trading_halted
    exchange.trading_halted, exchange.announcement = True, "Back at noon"
    before = timezone.now() - timedelta(seconds=1)
    do_edit_exchange(exchange, by=operator, reason="power")
    assert get_exchange().announcement == "Back at noon"
    assert get_exchange().updated_at > before
    event = AuditEvent.objects.get(action="edit_exchange")
    assert event.before == {"trading_halted": False, "announcement": ""}
    assert event.reason == "power"


def test_making_a_user_an_operator_is_enough_to_manage(db):
    assert make_market(by=make_user(operator=True)).approved_at is not None
