"""Export of a user's data, and deletion of a user."""

import csv
import io
import json
import zipfile

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts import own_data
from accounts.actions import (
    check_delete_user,
    do_create_api_key,
    do_create_user,
    do_decide_withdrawal,
    do_delete_user,
    do_request_withdrawal,
)
from accounts.models import ApiKey, AuditEvent, Transfer, User
from kernel.errors import RefusedError
from markets.actions import do_comment
from tests.accounts.api import assert_error
from tests.accounts.conftest import PASSWORD, main_account
from tests.pages.trading import shard
from tests.trading.world import CREDIT, buy, make_account, make_market, open_market, run, sell
from trading import actions
from trading.api.own_data import cancel_orders
from trading.models import Order
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("shard"),
    # Archives are sent for ASGI; Django's test client asks for them synchronously.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]


def open_browser(user):
    client = Client(headers={"User-Agent": "Firefox"})
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def reauthenticate(client):
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.fixture
def market(shard):
    market = make_market(title="Rain?", dispute_seconds=0)
    open_market(shard, market)
    market.refresh_from_db()
    return market


@pytest.fixture
def trader(shard, market, alice):
    """Alice after a trade of 3 and with 2 still asked for, a comment and a key."""
    other = make_account()
    run(shard, sell(market, other, 40, 300), buy(market, main_account(alice), 40, 500))
    do_comment(market, by=alice, text="=1+1 looks likely")
    do_create_api_key(main_account(alice), name="bot", scopes=["read"], by=alice)
    return alice


def read_export(client):
    response = client.post(reverse("account_export"))
    assert response["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response)))
    assert archive.testzip() is None
    return archive


def read_table(archive, name):
    as_csv = list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode(), newline="")))
    as_json = json.loads(archive.read(f"{name}.json"))
    assert len(as_csv) == len(as_json), name
    return as_csv, as_json


def test_an_export_asks_who_it_is_first(alice):
    client = open_browser(alice)
    response = client.post(reverse("account_export"))
    assert response["Location"].startswith("/accounts/reauthenticate/?next=")
    assert client.get(reverse("account_privacy")).status_code == 200


@pytest.mark.parametrize("chunk", [1, 1_000])
def test_an_export_has_everything_exactly_whatever_the_chunks(trader, market, monkeypatch, chunk):
    monkeypatch.setattr(own_data, "CHUNK_ROWS", chunk)
    monkeypatch.setattr("trading.api.own_data.CHUNK_ROWS", chunk)
    archive = read_export(reauthenticate(open_browser(trader)))
    profile = json.loads(archive.read("profile.json"))
    assert (profile["handle"], profile["email"]) == ("alice", "alice@example.org")
    assert profile["accounts"][0]["cash"] == "98.800000"
    assert profile["accounts"][0]["held"] == "0.800000"
    _, [order] = read_table(archive, "orders")
    assert (order["market"], order["quantity"], order["filled"]) == (market.slug, "5.00", "3.00")
    _, [fill] = read_table(archive, "fills")
    assert (fill["price"], fill["quantity"], fill["role"]) == ("0.4000", "3.00", "taker")
    _, [position] = read_table(archive, "positions")
    assert (position["bought_less_sold"], position["cost"]) == ("3.00", "1.200000")
    transfers, as_json = read_table(archive, "transfers")
    assert sorted(row["amount"] for row in transfers) == ["-1.200000", "100.000000"]
    assert {row["market"] for row in as_json} == {None, market.slug}
    comments, [said] = read_table(archive, "comments")
    assert said["text"] == "=1+1 looks likely"
    assert comments[0]["text"] == "'=1+1 looks likely"
    _, [key] = read_table(archive, "api_keys")
    assert (key["name"], key["scopes"]) == ("bot", ["read"])
    _, events = read_table(archive, "audit_events")
    assert "create_api_key" in {event["action"] for event in events}
    for name in ("withdrawals", "deposits", "groups", "created_markets", "program_log_ins"):
        assert read_table(archive, name) == ([], [])
    _, [browser] = read_table(archive, "browser_log_ins")
    assert browser["user_agent"] == "Firefox"


def test_an_export_has_no_secret_and_nothing_of_others(trader):
    key = ApiKey.objects.get()
    client = reauthenticate(open_browser(trader))
    Authenticator.objects.create(user=trader, type="totp", data={"secret": "THESECRET"})
    archive = read_export(client)
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    trader.refresh_from_db()
    for secret in (key.digest, "THESECRET", trader.password):
        assert secret not in everything
    assert "user" not in {row["kind"] for row in read_table(archive, "transfers")[1]}
    assert AuditEvent.objects.filter(action="export_data", actor=trader).exists()


def test_exports_are_limited(alice, settings):
    settings.ATTEMPT_LIMITS = {**settings.ATTEMPT_LIMITS, "export": {"account": (1, 60)}}
    client = reauthenticate(open_browser(alice))
    read_export(client)
    assert client.post(reverse("account_export")).status_code == 429


def test_deletion_asks_for_the_password_and_the_handle(alice):
    client = open_browser(alice)
    path = reverse("account_delete")
    assert client.get(path)["Location"].startswith("/accounts/reauthenticate/?next=")
    reauthenticate(client)
    assert client.get(path).status_code == 200
    refused = client.post(path, {"handle": "bob"})
    assert refused.status_code == 422
    assert 'id="id_handle_error"' in refused.content.decode()
    alice.refresh_from_db()
    assert not alice.is_deleted


@pytest.mark.usefixtures("all_holds")
def test_a_deleted_user_leaves_nothing_personal(trader, market):
    SocialAccount.objects.create(user=trader, provider="sso", uid="a-1")
    User.objects.filter(pk=trader.pk).update(display_name="Alice A.", bio="It is me")
    client = reauthenticate(open_browser(trader))
    other = open_browser(trader)
    response = client.post(reverse("account_delete"), {"handle": "alice"})
    assert b"The account is deleted" in response.content
    for browser in (client, other):
        assert browser.get(reverse("account")).status_code == 302
    trader.refresh_from_db()
    assert trader.handle == f"deleted_{trader.pk}"
    assert "alice" not in trader.email
    assert (trader.display_name, trader.bio, trader.is_active) == ("", "", False)
    assert (trader.public_profile, trader.on_leaderboards) == (False, False)
    assert trader.is_deleted
    for model in (EmailAddress, Authenticator, SocialAccount, UserSession):
        assert not model.objects.filter(user=trader).exists()
    key = ApiKey.objects.get()
    assert (key.name, key.revoked_at is None) == ("", False)
    assert AuditEvent.objects.get(action="delete_user").actor == trader
    page = Client().get(reverse("market", args=[market.slug])).content.decode()
    assert "Alice" not in page
    assert "looks likely" in page


def test_log_in_fails_after_deletion_at_every_entry_point(alice, api, with_key):
    program = with_key(alice)
    email = alice.email
    do_delete_user(alice)
    form = {"login": email, "password": PASSWORD}
    client = Client()
    assert client.post("/accounts/login/", form).status_code == 200
    assert client.get("/api/v1/me").status_code == 401
    assert_error(
        api.post("auth/login", {"email": email, "password": PASSWORD}), 401, "invalid_credentials"
    )
    assert program.get("me").status_code == 401


def test_the_handle_cannot_be_taken_again_but_the_address_can(alice, client):
    do_delete_user(alice)
    with pytest.raises(RefusedError, match="taken"):
        do_create_user(email="x@example.org", handle="alice", password=PASSWORD, by=None)
    form = {"email": "alice@example.org", "password1": PASSWORD, "password2": PASSWORD}
    taken = client.post("/accounts/signup/", {**form, "username": "alice"})
    assert 'id="id_username_error"' in taken.content.decode()
    opaque = client.post("/accounts/signup/", {**form, "username": "deleted_7"})
    assert 'id="id_username_error"' in opaque.content.decode()
    assert client.post("/accounts/signup/", {**form, "username": "alice2"}).status_code == 302


@pytest.mark.usefixtures("all_holds")
def test_open_orders_are_cancelled_and_positions_still_paid(trader, market):
    do_delete_user(trader)
    order = Order.objects.get(account__owner=trader)
    assert (order.get_status_display(), order.reason) == ("cancelled", "cancelled_by_owner")
    account = main_account(trader)
    assert account.closed_at is not None
    assert (account.cash_micros, account.held_micros) == (98_800_000, 0)
    operator = User.objects.get(is_superuser=True)
    actions.do_close_market(market, by=operator)
    actions.do_resolve_market(market, by=operator, payout_pips=[10_000, 0], evidence_text="wet")
    settle_market(market.pk)
    account.refresh_from_db()
    assert account.cash_micros == 98_800_000 + 3 * CREDIT
    assert Transfer.objects.filter(credit_account=account, kind="settlement").exists()


@pytest.mark.usefixtures("all_holds")
def test_an_order_that_comes_in_between_does_not_stop_the_deletion(trader, monkeypatch):
    """A program keeps placing orders until the account is closed; these are then cancelled."""
    closed = []

    def cancel(account_id, *, by=None, reason=""):
        closed.append(main_account(trader).closed_at is not None)
        if closed[-1]:
            cancel_orders(account_id, by, reason)

    monkeypatch.setattr("accounts.registry.cancel_orders", cancel)
    do_delete_user(trader)
    assert closed == [False, True]
    trader.refresh_from_db()
    assert trader.is_deleted
    order = Order.objects.get(account__owner=trader)
    assert (order.get_status_display(), order.reason) == ("cancelled", "cancelled_by_owner")
    assert main_account(trader).held_micros == 0


def test_a_waiting_withdrawal_stops_the_deletion_and_the_page_says_so(alice):
    do_request_withdrawal(main_account(alice), amount_micros=5, by=alice, note="my bank")
    page = reauthenticate(open_browser(alice)).get(reverse("account_delete")).content.decode()
    assert "A withdrawal is still pending." in page
    assert "Delete for good" not in page


def test_the_last_operator_with_every_right_cannot_leave(operator, make_user):
    with pytest.raises(RefusedError, match="only operator"):
        check_delete_user(operator)
    make_user("otto", credits=0, is_operator=True)
    do_delete_user(operator)
    operator.refresh_from_db()
    assert (operator.is_staff, operator.is_superuser) == (False, False)


def test_a_note_to_the_operators_is_wiped(alice, operator):
    request = do_request_withdrawal(main_account(alice), amount_micros=5, by=alice, note="my bank")
    do_decide_withdrawal(request, approve=True, by=operator)
    do_delete_user(alice)
    request.refresh_from_db()
    assert (request.note, request.status) == ("", "approved")


def test_the_database_itself_keeps_a_deleted_user_opaque(alice):
    do_delete_user(alice)
    for change in ({"display_name": "Alice"}, {"handle": "alice"}, {"is_active": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=alice.pk).update(**change)


def test_a_program_deletes_its_user_with_the_password(alice, log_in):
    program = log_in(alice)
    wrong = program.call("delete", "me", {"password": "wrong"}, {})
    assert_error(wrong, 403, "wrong_password", "password")
    assert program.call("delete", "me", {"password": PASSWORD}, {}).status_code == 204
    alice.refresh_from_db()
    assert alice.is_deleted
    assert program.post("auth/refresh", {"refresh": program.refresh}).status_code == 401


def test_a_key_cannot_delete_its_user(alice, with_key):
    program = with_key(alice, "read", "trade")
    response = program.call("delete", "me", {"password": PASSWORD}, {})
    assert_error(response, 403, "missing_scope")
