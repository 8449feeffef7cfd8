"""Every invalid request gets JSON of one shape, never a 500, and changes nothing."""

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Transfer, WithdrawalRequest
from tests.accounts.api import Api, assert_error


@pytest.fixture
def program(alice, log_in) -> Api:
    return log_in(alice)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"amount": 1',
        b"\xff\xfe",
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b"[" * 100_000,
        b'{"amount": ' + b"9" * 10_000 + b"}",
        b"{'amount': 1}",
        b"\x00",
        "{\u201camount\u201d: 1}".encode(),
    ],
)
def test_bodies_that_are_no_json_are_refused(program, body):
    assert_error(program.post("withdrawals", body), 400, "bad_json")


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "true", "1.5"])
def test_bodies_that_are_no_object_are_refused(program, body):
    assert program.post("withdrawals", body).json()["code"] in {"wrong_type", "missing_field"}


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("NaN", "not_a_number"),
        ("1e3", "not_a_number"),
        ("\u0661", "not_a_number"),
        ("\uff11", "not_a_number"),
        (" 1", "not_a_number"),
        ("1\x00", "not_a_number"),
        ("\ud800", "not_a_number"),
        ("", "not_a_number"),
        ({}, "not_a_number"),
        (10**18, "number_too_large"),
        (10**400, "number_too_large"),
        ("1.0000001", "too_many_decimals"),
        (-5, "amount_not_positive"),
        (0, "amount_not_positive"),
    ],
)
def test_amounts_that_are_none_are_refused(program, amount, code):
    assert_error(program.post("withdrawals", {"amount": amount}), 400, code, "amount")
    assert not WithdrawalRequest.objects.exists()


def test_plain_json_numbers_are_read_exactly(program):
    body = '{"amount": 0.100001}'
    assert program.post("withdrawals", body).json()["amount"] == "0.100001"
    assert_error(program.post("withdrawals", '{"amount": 1e0}'), 400, "not_a_number", "amount")


def test_missing_and_unknown_fields_are_named(program):
    assert_error(program.post("withdrawals", {}), 400, "missing_field", "amount")
    body = {"amount": "1", "amuont": "2"}
    assert_error(program.post("withdrawals", body), 400, "unknown_field", "amuont")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", 5, None, ["x"], {"a": 1}, True])
def test_texts_that_no_database_can_hold_are_refused(program, text):
    response = program.post("withdrawals", {"amount": "1", "note": text})
    assert response.status_code == 400
    assert response.json()["field"] == "note"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "", "multipart/form-data"]
)
def test_other_content_types_are_refused(program, content_type):
    response = program.client.post(
        "/api/v1/withdrawals",
        data=b'{"amount": "1"}',
        content_type=content_type,
        headers={"Authorization": f"Bearer {program.bearer}"},
    )
    assert_error(response, 415, "wrong_content_type")


def test_a_body_over_the_limit_is_refused(program, settings):
    settings.BODY_BYTES_MAX = 1_000
    assert_error(program.post("withdrawals", {"note": "x" * 2_000}), 413, "body_too_large")


def test_wrong_methods_and_paths_are_answered_in_the_same_shape(program, api):
    response = program.call("put", "withdrawals", {}, {})
    assert_error(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]
    assert_error(program.get("nothing"), 404, "not_found")
    assert_error(api.get("me%00"), 404, "not_found")
    assert_error(program.delete("keys/not-an-id"), 404, "not_found")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "too_small", "limit"),
        ("limit=201", "too_large", "limit"),
        ("limit=99999999999999999999", "wrong_type", "limit"),
        ("limit=\u0661", "wrong_type", "limit"),
        ("limit=1.5", "wrong_type", "limit"),
        ("cursor=nonsense", "bad_cursor", "cursor"),
        ("cursor=%00", "invalid_value", "cursor"),
        ("cursor=" + "A" * 700, "too_long", "cursor"),
        ("kind=bribe", "invalid_choice", "kind"),
        ("page=2", "unknown_field", "page"),
        ("limit=1&limit=2", "repeated_field", "limit"),
        ("format=xml", "unknown_field", "format"),
    ],
)
def test_bad_queries_are_refused(program, query, code, field):
    assert_error(program.get(f"ledger?{query}"), 400, code, field)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = ["auth/register", "auth/login", "auth/refresh", "auth/logout", "keys", "withdrawals"]
FIELDS = [
    "email",
    "password",
    "handle",
    "totp",
    "refresh",
    "name",
    "scopes",
    "expires_at",
    "amount",
]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(PATHS), body=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_body_breaks_the_api(program, path, body):
    import json

    from web import limits

    limits.reset()
    answer = Api(Client(), bearer=program.bearer).post(path, json.dumps(body))
    assert answer.status_code in {201, 204, 400, 401, 403, 409, 422}
    if answer.status_code >= 400:
        assert set(answer.json()) == {"code", "message", "field", "request_id"}
    assert Transfer.objects.filter(kind="withdrawal").count() == 0
