"""Everything wrong is a named error of one shape, never a 500, and changes nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, AuditEvent
from markets.models import Market, Outcome
from tests.accounts.api import assert_error
from tests.markets.factories import api_of, make_market
from web import limits

pytestmark = pytest.mark.django_db

NEW = {"title": "Will it rain?", "close_at": "2099-01-01T00:00:00Z"}
HUGE = 10**18
RED_AND_BLUE = [{"code": "RED", "name": "Red"}, {"code": "BLUE", "name": "Blue"}]


@pytest.fixture
def api(operator):
    return api_of(operator)


def count_all():
    return [model.objects.count() for model in (Market, Outcome, Account, AuditEvent)]


WRONG_FIELDS = [
    ("title", "", "blank"),
    ("title", "   ", "blank"),
    ("title", 5, "wrong_type"),
    ("title", None, "wrong_type"),
    ("title", ["x"], "wrong_type"),
    ("title", "x" * 201, "too_long"),
    ("title", "a\x00b", "invalid_value"),
    ("title", "two\nlines", "invalid_value"),
    ("title", "turn\u202earound", "invalid_value"),
    ("title", "\ud800", "invalid_value"),
    ("description", "a\x00b", "invalid_value"),
    ("description", "x" * 20_001, "too_long"),
    ("kind", "vector", "invalid_choice"),
    ("kind", True, "wrong_type"),
    ("slug", 7, "wrong_type"),
    ("slug", "Not a slug", "bad_slug"),
    ("slug", "a\x00b", "invalid_value"),
    ("category", "unknown", "unknown_category"),
    ("category", "a\x00b", "invalid_value"),
    ("category", "\ud800", "invalid_value"),
    ("category", {}, "wrong_type"),
    ("tags", "rain", "wrong_type"),
    ("tags", None, "wrong_type"),
    ("event", "unknown", "unknown_event"),
    ("group", "unknown", "unknown_group"),
    ("resolver", "nobody", "unknown_user"),
    ("visibility", "secret", "invalid_choice"),
    ("close_at", "tomorrow", "invalid_time"),
    ("close_at", "2099-01-01", "invalid_time"),
    ("close_at", "2099-01-01T00:00:00", "invalid_time"),
    ("close_at", "2099-13-01T00:00:00Z", "invalid_time"),
    ("close_at", "２０９９-01-01T00:00:00Z", "invalid_time"),  # noqa: RUF001 - wide digits
    ("close_at", "9999-12-31T23:59:59-10:00", "invalid_time"),
    ("close_at", 4_070_908_800, "invalid_time"),
    ("close_at", None, "wrong_type"),
    ("close_at", "2001-01-01T00:00:00Z", "close_in_the_past"),
    ("open_at", "0001-01-01T00:00:00+10:00", "invalid_time"),
    ("tick", "0.0001", "bad_tick"),
    ("tick", "0.03", "bad_tick"),
    ("tick", "1", "bad_tick"),
    ("tick", "0", "bad_tick"),
    ("tick", "-0.01", "bad_tick"),
    ("tick", HUGE, "number_too_large"),
    ("tick", "0.00001", "too_many_decimals"),
    ("tick", "1e-2", "not_a_number"),
    ("tick", "NaN", "not_a_number"),
    ("tick", "Infinity", "not_a_number"),
    ("tick", "٠.٠١", "not_a_number"),  # noqa: RUF001 - Arabic digits
    ("tick", " 0.01", "not_a_number"),
    ("tick", "+0.01", "not_a_number"),
    ("tick", "0_1", "not_a_number"),
    ("tick", "", "not_a_number"),
    ("tick", None, "wrong_type"),
    ("tick", True, "not_a_number"),
    ("tick", [], "not_a_number"),
    ("lot_step", "0", "bad_lot_step"),
    ("lot_step", "0.001", "too_many_decimals"),
    ("lot_step", "10000.01", "bad_lot_step"),
    ("fee_kind", "tiered", "invalid_choice"),
    ("fee_taker_rate", "0.07", "fee_rate_without_kind"),
    ("fee_taker_rate", "-0.07", "bad_fee_rate"),
    ("fee_taker_rate", "1.000001", "bad_fee_rate"),
    ("fee_taker_rate", "0.0000001", "too_many_decimals"),
    ("fee_unit", "0.1", "bad_fee_unit"),
    ("position_limit", "0", "bad_position_limit"),
    ("position_limit", "-1", "bad_position_limit"),
    ("position_limit", "10000000001", "bad_position_limit"),
    ("position_limit", HUGE, "number_too_large"),
    ("dispute_seconds", "60", "wrong_type"),
    ("dispute_seconds", 1.5, "wrong_type"),
    ("dispute_seconds", True, "wrong_type"),
    ("dispute_seconds", -1, "bad_dispute_window"),
    ("dispute_seconds", 10**8, "bad_dispute_window"),
    ("dispute_seconds", HUGE, "too_large"),
    ("strict_refund", "yes", "wrong_type"),
    ("strict_refund", 1, "wrong_type"),
    ("matches_across_outcomes", "yes", "wrong_type"),
    ("featured", None, "wrong_type"),
    ("outcomes", {}, "wrong_type"),
    ("outcomes", None, "wrong_type"),
    ("outcomes", RED_AND_BLUE, "outcomes_not_binary"),
    ("id", 1, "unknown_field"),
    ("status", "open", "unknown_field"),
    ("creator", "alice", "unknown_field"),
    ("approved", True, "unknown_field"),
    ("tick_pips", 100, "unknown_field"),
    ("shard", 0, "unknown_field"),
    ("x" * 500, 1, "unknown_field"),
]


@pytest.mark.parametrize(("field", "value", "code"), WRONG_FIELDS, ids=str)
def test_a_wrong_field_is_named_and_nothing_is_created(api, field, value, code):
    before = count_all()
    response = api.post("markets", {**NEW, field: value})
    assert response.status_code in {400, 422}
    assert_error(response, response.status_code, code, field[:60])
    assert count_all() == before


NOT_IN_AN_EDIT = {"kind", "slug", "outcomes", "id", "status", "creator", "approved", "shard"}


@pytest.mark.parametrize(("field", "value", "code"), WRONG_FIELDS, ids=str)
def test_a_wrong_edit_is_named_and_nothing_is_changed(api, field, value, code):
    market = make_market()
    before = Market.objects.filter(pk=market.pk).values().get()
    code = "unknown_field" if field in NOT_IN_AN_EDIT else code
    response = api.patch(f"markets/{market.slug}", {field: value})
    assert response.status_code in {400, 422}
    assert_error(response, response.status_code, code, field[:60])
    assert Market.objects.filter(pk=market.pk).values().get() == before


@pytest.mark.parametrize("missing", ["title", "close_at"])
def test_a_missing_field_is_named(api, missing):
    body = {name: value for name, value in NEW.items() if name != missing}
    assert_error(api.post("markets", body), 400, "missing_field", missing)


@pytest.mark.parametrize(
    ("outcomes", "status", "code", "field"),
    [
        ([], 422, "outcome_count", "outcomes"),
        (RED_AND_BLUE[:1], 422, "outcome_count", "outcomes"),
        ([{"code": f"C{n}", "name": f"{n}"} for n in range(51)], 422, "outcome_count", "outcomes"),
        (RED_AND_BLUE * 2, 422, "duplicate_outcome_code", "outcomes"),
        (
            [*RED_AND_BLUE, {"code": "R2", "name": "RED"}],
            422,
            "duplicate_outcome_name",
            "outcomes",
        ),
        ([{"code": "red", "name": "r"}, *RED_AND_BLUE], 422, "bad_outcome_code", "outcomes"),
        (["RED", "BLUE"], 400, "wrong_type", "outcomes.0"),
        ([*RED_AND_BLUE, {"code": "X"}], 400, "missing_field", "outcomes.2.name"),
        ([{"code": 1, "name": "a"}], 400, "wrong_type", "outcomes.0.code"),
        ([{"code": "A", "name": "a", "payout": 1}], 400, "unknown_field", "outcomes.0.payout"),
        ([{"code": "A", "name": "a\x00"}], 400, "invalid_value", "outcomes.0.name"),
        ([{"code": "A", "name": ""}], 400, "blank", "outcomes.0.name"),
        ([None], 400, "wrong_type", "outcomes.0"),
        ("RED,BLUE", 400, "wrong_type", "outcomes"),
        (7, 400, "wrong_type", "outcomes"),
    ],
    ids=str,
)
def test_wrong_outcomes_are_named_and_change_nothing(api, outcomes, status, code, field):
    market = make_market(kind="categorical", outcomes=[("A", "a"), ("B", "b")])
    before = count_all()
    response = api.call("put", f"markets/{market.slug}/outcomes", {"outcomes": outcomes}, {})
    assert_error(response, status, code, field)
    assert count_all() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "bad_json"),
        ('{"title": NaN}', "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ('{"dispute_seconds": ' + "9" * 5_000 + "}", "bad_json"),
        ("[]", "wrong_type"),
        ('"text"', "wrong_type"),
        ("7", "wrong_type"),
        ("null", "wrong_type"),
    ],
    ids=range(9),
)
def test_a_body_that_is_no_object_is_refused(api, body, code):
    before = count_all()
    assert_error(api.post("markets", body), 400, code)
    assert count_all() == before


def test_a_body_over_the_limit_is_refused(api, settings):
    big = {**NEW, "description": "x" * settings.BODY_BYTES_MAX}
    assert_error(api.post("markets", big), 413, "body_too_large")


def test_another_content_type_is_refused(api):
    response = api.client.post("/api/v1/markets", {"title": "x"})  # a form
    assert_error(response, 415, "wrong_content_type")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("status=paused", "invalid_choice", "status"),
        ("status=", "blank", "status"),
        ("status=open,", "invalid_choice", "status"),
        ("sort=price", "invalid_choice", "sort"),
        ("limit=0", "too_small", "limit"),
        ("limit=201", "too_large", "limit"),
        ("limit=ten", "wrong_type", "limit"),
        ("limit=１０", "wrong_type", "limit"),  # noqa: RUF001 - wide digits
        ("cursor=abc", "bad_cursor", "cursor"),
        ("cursor=%00", "invalid_value", "cursor"),
        ("cursor=" + "a" * 601, "too_long", "cursor"),
        ("q=" + "x" * 201, "too_long", "q"),
        ("q=%00", "invalid_value", "q"),
        ("tag=a%00b", "invalid_value", "tag"),
        ("category=", "blank", "category"),
        ("offset=10", "unknown_field", "offset"),
        ("sort=newest&sort=volume", "repeated_field", "sort"),
    ],
)
def test_a_wrong_query_is_named(query, code, field):
    assert_error(api_of().get(f"markets?{query}"), 400, code, field)


@pytest.mark.parametrize(
    "slug", ["unknown", "UPPER", "a%00b", "%F0%9F%99%82", "..", "a b", "x" * 500, "1", "-", "%2e"]
)
def test_an_impossible_slug_is_an_unknown_one(operator, slug):
    assert_error(api_of().get(f"markets/{slug}"), 404, "not_found")
    for verb in ("propose", "approve", "reject"):
        assert_error(api_of(operator).post(f"markets/{slug}/{verb}"), 404, "not_found")


@pytest.mark.parametrize(
    ("verb", "body", "code", "field"),
    [
        ("propose", {"force": True}, "unknown_field", "force"),
        ("approve", {"note": 5}, "wrong_type", "note"),
        ("approve", {"note": "x" * 501}, "too_long", "note"),
        ("reject", {}, "missing_field", "note"),
        ("reject", {"note": " "}, "blank", "note"),
        ("reject", {"note": "no", "by": "alice"}, "unknown_field", "by"),
    ],
)
def test_a_wrong_decision_is_named_and_decides_nothing(api, verb, body, code, field):
    market = make_market(status="proposed")
    assert_error(api.post(f"markets/{market.slug}/{verb}", body), 400, code, field)
    market.refresh_from_db()
    assert market.status == "proposed"


def test_a_method_that_is_not_there_is_named(api):
    market = make_market()
    assert_error(api.delete(f"markets/{market.slug}"), 405, "method_not_allowed")
    assert_error(api.post("tags"), 405, "method_not_allowed")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELD_NAMES = sorted({field for field, _, _ in WRONG_FIELDS if len(field) < 60})


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.dictionaries(st.sampled_from(FIELD_NAMES), ANYTHING, max_size=4),
    is_whole=st.booleans(),
)
def test_whatever_is_sent_is_answered_with_a_named_error_or_a_market(api, body, is_whole):
    limits.reset()
    response = api.post("markets", {**NEW, **body} if is_whole else body)
    assert response.status_code in {201, 400, 409, 422}, response.content
    if response.status_code != 201:
        assert_error(response, response.status_code, response.json()["code"],
                     response.json()["field"])  # fmt: skip
