"""The calls that open, halt, close, resolve and void markets, over HTTP."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from markets.models import Exchange, Market
from tests.contract import check_answer
from tests.markets.factories import set_policy
from tests.trading import world
from tests.trading.world import CREDIT, buy, run, sell
from trading.pipeline.gateway import TimedOut
from trading.settlement.payments import settle_market

pytestmark = pytest.mark.django_db

JSON = "application/json"


class Caller:
    """A logged-in user's calls to `/api/v1/`: (status, JSON)."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def get(self, path: str) -> tuple[int, Any]:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = b"" if method == "GET" else _encode(body or {})
        path = f"/api/v1/{path}"
        answer = self.client.generic(method, path, sent, content_type=JSON, headers=headers)
        check_answer(method, answer.wsgi_request.path, answer.status_code, answer.content)
        return answer.status_code, answer.json()

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return self.send("POST", path, body, **headers)


def _encode(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.fixture
def site(operator) -> Caller:
    return Caller(operator)


@pytest.fixture
def visitor(alice) -> Caller:
    return Caller(alice.owner)


@pytest.fixture
def traded(shard, market, alice, bob):
    run(shard, sell(market, bob, 60, 1000), buy(market, alice, 60, 1000))
    return market


@pytest.fixture
def closed(traded, site):
    assert site.post(f"markets/{traded.slug}/close")[0] == 200
    return traded


def test_a_market_is_opened_halted_resumed_and_closed(site, draft):
    path = f"markets/{draft.slug}"
    for verb, status in (
        ("open", "open"), ("halt", "halted"), ("resume", "open"), ("close", "closed")
    ):  # fmt: skip
        code, body = site.post(f"{path}/{verb}", {"reason": f"to be {status}"})
        assert (code, body.get("status")) == (200, status), body
    _, history = site.get(f"{path}/history")
    assert [row["reason"] for row in history["results"]][1:] == [
        "to be open", "to be halted", "to be open", "to be closed"
    ]  # fmt: skip
    assert {row["by"] for row in history["results"][1:]} == {"opera"}


def test_what_does_not_fit_the_status_is_a_409_of_the_one_shape(site, draft):
    code, body = site.post(f"markets/{draft.slug}/close")
    assert code == 409
    assert set(body) == {"code", "message", "field", "request_id"}
    assert body["code"] == "illegal_status_change"


def test_a_market_with_a_proposed_result_is_not_closed_again(site, closed):
    Market.objects.filter(pk=closed.pk).update(dispute_seconds=600)
    site.post(f"markets/{closed.slug}/resolve", {"yes": "1", "evidence_text": "seen"})
    code, body = site.post(f"markets/{closed.slug}/close")
    assert (code, body["code"]) == (409, "illegal_status_change")
    assert site.get(f"markets/{closed.slug}/resolution")[1]["status"] == "resolving"


def test_close_time_and_tick_of_a_live_market(site, market):
    path = f"markets/{market.slug}"
    body = {"close_at": "2099-01-01T00:00:00Z", "reason": "later"}
    code, shown = site.send("PUT", f"{path}/close-time", body)
    assert (code, shown["close_at"]) == (200, "2099-01-01T00:00:00.000000Z")
    site.post(f"{path}/halt", {"reason": "x"})
    code, shown = site.send("PUT", f"{path}/tick", {"tick": "0.001", "reason": "finer"})
    assert (code, shown["tick"]) == (200, "0.0010")
    code, refusal = site.send("PUT", f"{path}/tick", {"tick": "0.05", "reason": "coarser"})
    assert (code, refusal["code"], refusal["field"]) == (422, "bad_tick", "tick")


@pytest.mark.parametrize(
    ("said", "payout"),
    [
        ({"payout": ["1", "0"]}, ["1.0000", "0.0000"]),
        ({"payout": [0.25, 0.75]}, ["0.2500", "0.7500"]),
        ({"yes": "0.4"}, ["0.4000", "0.6000"]),
        ({"winners": ["NO"]}, ["0.0000", "1.0000"]),
        ({"winners": ["YES", "NO"]}, ["0.5000", "0.5000"]),
    ],
)
def test_a_result_is_said_in_one_of_three_ways(site, closed, said, payout):
    body = {**said, "evidence_text": "seen", "evidence_url": "https://example.org/a"}
    code, shown = site.post(f"markets/{closed.slug}/resolve", body)
    assert (code, shown["status"]) == (200, "resolving")
    assert shown["result"]["payout"] == payout
    assert shown["result"]["evidence_url"] == "https://example.org/a"
    assert settle_market(closed.pk)
    _, shown = site.get(f"markets/{closed.slug}")
    assert [outcome["payout"] for outcome in shown["outcomes"]] == payout


def test_a_third_each_gives_the_first_outcome_the_odd_pip(site, shard, operator):
    market = world.make_market(outcomes=4, dispute_seconds=0)
    world.open_market(shard, market)
    site.post(f"markets/{market.slug}/close")
    body = {"winners": ["O3", "O1", "O0"], "evidence_text": "a tie"}
    _, shown = site.post(f"markets/{market.slug}/resolve", body)
    assert shown["result"]["payout"] == ["0.3334", "0.3333", "0.0000", "0.3333"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "payout_unclear"),
        ({"yes": "1", "winners": ["YES"]}, 400, "payout_unclear"),
        ({"winners": ["MAYBE"]}, 400, "outcome_unknown"),
        ({"winners": []}, 422, "payout_without_winner"),
        ({"payout": ["0.5", "0.4999"]}, 422, "payout_sum_not_one"),
        ({"payout": ["1"]}, 422, "payout_wrong_length"),
        ({"payout": ["1.5", "-0.5"]}, 422, "payout_negative"),
        ({"yes": "1.00001"}, 400, None),
        ({"yes": "NaN"}, 400, None),
        ({"yes": True}, 400, None),
        ({"yes": "1", "more": 1}, 400, "unknown_field"),
        ({"payout": "1,0"}, 400, None),
        ({"yes": "1", "evidence_url": "javascript:alert(1)"}, 400, None),
    ],
)
def test_a_bad_result_is_refused_by_name_and_changes_nothing(site, closed, body, status, code):
    evidence = {} if body == {} else {"evidence_text": "seen"}
    answered, refusal = site.post(f"markets/{closed.slug}/resolve", {**evidence, **body})
    assert answered == status
    assert code in (None, refusal["code"])
    assert Market.objects.get(pk=closed.pk).status == "closed"


def test_resolving_again_under_the_same_key_gets_the_first_answer(site, closed):
    path, body = f"markets/{closed.slug}/resolve", {"yes": "1", "evidence_text": "seen"}
    key = {"Idempotency-Key": "resolve-1"}
    first = site.post(path, body, **key)
    assert first[0] == 200
    assert settle_market(closed.pk)
    assert site.post(path, body, **key) == first
    code, refusal = site.post(path, {**body, "yes": "0"}, **key)
    assert (code, refusal["code"]) == (409, "idempotency_key_reused")


def test_a_dispute_is_raised_decided_and_shown(site, visitor, closed, colleague):
    Market.objects.filter(pk=closed.pk).update(dispute_seconds=600)
    path = f"markets/{closed.slug}"
    site.post(f"{path}/resolve", {"yes": "1", "evidence_text": "seen"})
    code, shown = visitor.post(f"{path}/dispute", {"text": "it was no"})
    assert (code, shown["disputes"][0]["by"], shown["disputes"][0]["decision"]) == (
        200, "alice", ""
    )  # fmt: skip
    assert visitor.post(f"{path}/disputes/alice", {"decision": "upheld", "note": "x"})[0] == 403
    code, shown = Caller(colleague).post(
        f"{path}/disputes/alice", {"decision": "upheld", "note": "right"}
    )
    assert (code, shown["status"], shown["result"]) == (200, "closed", None)
    assert shown["disputes"][0]["decision"] == "upheld"
    assert site.post(f"{path}/disputes/nobody", {"decision": "upheld", "note": "x"})[0] == 409
    assert site.get(f"{path}/resolution")[1] == shown


def test_a_result_is_approved_and_withdrawn(site, closed, colleague):
    Market.objects.filter(pk=closed.pk).update(dispute_seconds=600)
    path = f"markets/{closed.slug}/resolution"
    site.post(f"markets/{closed.slug}/resolve", {"yes": "1", "evidence_text": "seen"})
    set_policy(two_person_rule=True)
    assert site.post(f"{path}/approve")[1]["code"] == "second_person_needed"
    assert Caller(colleague).post(f"{path}/approve")[1]["result"]["approved_by"] == "operb"
    code, shown = site.post(f"{path}/withdraw", {"reason": "too early"})
    assert (code, shown["status"], shown["result"]) == (200, "closed", None)


def test_a_lone_operator_pays_at_once_with_a_reason(site, closed):
    Market.objects.filter(pk=closed.pk).update(dispute_seconds=600)
    path = f"markets/{closed.slug}/resolution"
    site.post(f"markets/{closed.slug}/resolve", {"yes": "1", "evidence_text": "seen"})
    for verb, status in (("approve", 400), ("pay", 400)):
        code, body = site.post(f"{path}/{verb}")
        assert (code, body["field"]) == (status, "reason")
    assert site.post(f"{path}/pay", {"reason": "everybody saw it"})[0] == 200
    assert site.post(f"{path}/pay", {"reason": "x"})[1]["code"] == "dispute_window_over"
    assert settle_market(closed.pk)


def test_a_void_names_what_the_house_would_pay_and_takes_the_confirmation(
    site, shard, traded, alice, bob
):
    carol = world.make_account()
    run(shard, buy(traded, carol, 80, 1000), sell(traded, alice, 80, 1000))
    Account.objects.filter(pk=alice.pk).update(cash_micros=CREDIT // 2)
    path = f"markets/{traded.slug}/void"
    code, refusal = site.post(path, {"reason": "called off"})
    assert (code, refusal["code"], refusal["field"]) == (409, "house_cover_needed", "house_cover")
    assert "1.500000" in refusal["message"]
    code, shown = site.post(path, {"reason": "called off", "house_cover": "1.5"})
    assert (code, shown["status"]) == (200, "resolving")
    assert (shown["result"]["payout"], shown["result"]["house_cover"]) == (None, "1.500000")
    assert settle_market(traded.pk)
    assert site.get(f"markets/{traded.slug}/resolution")[1]["status"] == "voided"


BODIES = {
    "open": {},
    "halt": {"reason": "x"},
    "resume": {},
    "close": {},
    "resolve": {"yes": "1", "evidence_text": "x"},
    "void": {"reason": "x"},
    "dispute": {"text": "x"},
    "disputes/alice": {"decision": "upheld", "note": "x"},
    "resolution/approve": {},
    "resolution/pay": {"reason": "x"},
    "resolution/withdraw": {"reason": "x"},
}


@pytest.mark.parametrize("verb", BODIES)
def test_strangers_and_visitors_change_nothing(visitor, market, verb):
    body = BODIES[verb]
    assert visitor.post(f"markets/{market.slug}/{verb}", body)[0] in (403, 409)
    answer = Client().post(
        f"/api/v1/markets/{market.slug}/{verb}", _encode(body), content_type=JSON
    )
    assert answer.status_code == 401
    assert Market.objects.get(pk=market.pk).status == "open"


@pytest.mark.parametrize("verb", BODIES)
def test_a_market_that_is_hidden_or_missing_is_the_same_404(visitor, shard, draft, verb):
    for slug in (draft.slug, "no-such", "NO_SUCH!"):
        code, body = visitor.post(f"markets/{slug}/{verb}", BODIES[verb])
        assert (code, body["code"]) == (404, "not_found")
    assert visitor.get(f"markets/{draft.slug}/resolution")[0] == 404


def test_an_engine_that_is_silent_is_a_504(site, draft, monkeypatch):
    def send_sync(tasks):
        raise TimedOut

    monkeypatch.setattr("trading.actions.engine.send_sync", send_sync)
    code, body = site.post(f"markets/{draft.slug}/open")
    assert (code, body["code"]) == (504, "timed_out")


def test_operators_halt_the_whole_exchange_and_everyone_sees_it(site, visitor):
    code, shown = site.send(
        "PATCH", "exchange", {"trading_halted": True, "announcement": "back at noon"}
    )
    assert (code, shown["trading_halted"]) == (200, True)
    anybody = Client().get("/api/v1/exchange").json()
    assert (anybody["trading_halted"], anybody["announcement"]) == (True, "back at noon")
    assert visitor.send("PATCH", "exchange", {"trading_halted": False})[0] == 403
    assert Exchange.objects.get().trading_halted
    assert site.send("PATCH", "exchange", {"trading_halted": "no"})[0] == 400


def test_in_maintenance_only_the_exchange_itself_can_be_changed(site, market):
    site.send("PATCH", "exchange", {"maintenance": True})
    assert site.post(f"markets/{market.slug}/halt", {"reason": "x"})[0] == 503
    assert site.send("PATCH", "exchange", {"maintenance": False})[0] == 200
    assert site.post(f"markets/{market.slug}/halt", {"reason": "x"})[0] == 200


def test_an_operator_cancels_somebodys_orders(site, visitor, shard, market, alice):
    run(shard, buy(market, alice, 40, 1000))
    path, body = "operator/users/alice/cancel-orders", {"reason": "spoofing"}
    assert visitor.post(path, body)[0] == 403
    assert site.post(path, body) == (200, {"cancelled": 1})
    assert site.post(path, body) == (200, {"cancelled": 0})
