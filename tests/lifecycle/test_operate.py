"""Operators' calls need a key with the scope `operate`; one that trades is not enough."""

import pytest
from django.test import Client

from markets.models import Market
from tests.accounts.api import Api
from tests.markets.factories import api_with_key, let_everyone_create

pytestmark = pytest.mark.django_db

REASON = {"reason": "because"}
NEW = {"title": "Will it rain?", "close_at": "2030-01-01T00:00Z"}


def walk(caller, slug):
    """The answers to what an operator does to a market, from draft to void, and to the exchange."""
    path = f"markets/{slug}"
    yes = {"yes": "1", "evidence_text": "seen"}
    calls = [
        ("post", f"{path}/open", {}),
        ("post", f"{path}/halt", REASON),
        ("put", f"{path}/tick", {"tick": "0.005", **REASON}),
        ("post", f"{path}/resume", {}),
        ("put", f"{path}/close-time", {"close_at": "2031-01-01T00:00Z", **REASON}),
        ("post", f"{path}/close", {}),
        ("post", f"{path}/resolve", yes),
        ("post", f"{path}/void", REASON),
        ("patch", "exchange", {"announcement": "back at noon"}),
        ("post", "operator/users/alice/cancel-orders", REASON),
    ]
    return [caller.call(method, called, body, {}) for method, called, body in calls]


@pytest.fixture
def draft(draft, alice):
    Market.objects.filter(pk=draft.pk).update(dispute_seconds=3600)
    return draft


@pytest.fixture
def resolving(draft, operator):
    """Its result was proposed by the operator, with a key that operates."""
    caller = api_with_key(operator, "operate")
    for verb in ("open", "close"):
        caller.post(f"markets/{draft.slug}/{verb}")
    caller.post(f"markets/{draft.slug}/resolve", {"yes": "1", "evidence_text": "seen"})
    return f"markets/{draft.slug}/resolution"


def test_a_result_of_an_operator_is_theirs_to_withdraw_only_as_one(operator, resolving):
    for verb in ("approve", "withdraw"):
        answer = api_with_key(operator, "trade").post(f"{resolving}/{verb}", REASON)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    answer = api_with_key(operator, "operate").post(f"{resolving}/withdraw", REASON)
    assert answer.json()["status"] == "closed"


def test_an_operator_s_key_that_trades_does_nothing_of_it(operator, draft):
    for answer in walk(api_with_key(operator, "read", "trade"), draft.slug):
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), answer.json()
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_one_that_operates_does_all_of_it(operator, draft):
    answers = walk(api_with_key(operator, "operate"), draft.slug)
    assert {answer.status_code for answer in answers} == {200}, [a.json() for a in answers]


def test_a_browser_without_the_second_factor_does_nothing_of_it(operator, draft, settings):
    settings.ADMIN_REQUIRE_MFA = True
    browser = Client()
    browser.force_login(operator)
    for answer in walk(Api(browser), draft.slug):
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), answer.json()


def test_with_a_key_that_trades_an_operator_is_a_user_like_others(operator, draft, shard, settings):
    let_everyone_create()
    caller = api_with_key(operator, "read", "trade")
    made = caller.post("markets", NEW)
    assert (made.status_code, made.json()["approved"]) == (201, False)
    slug = made.json()["slug"]
    assert caller.patch(f"markets/{slug}", {"title": "Will it snow?"}).status_code == 200
    assert caller.post(f"markets/{slug}/propose").json()["status"] == "proposed"
    assert caller.post(f"markets/{slug}/approve").json()["code"] == "missing_scope"
