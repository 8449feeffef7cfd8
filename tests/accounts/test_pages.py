"""allauth's pages on our users, and the admin."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.actions import do_create_api_key, do_deposit, do_request_withdrawal, do_suspend_user
from accounts.admin_base import CheapPaginator
from accounts.models import (
    Account,
    ApiKey,
    AuditEvent,
    InviteCode,
    Policy,
    Transfer,
    User,
    WithdrawalRequest,
)
from accounts.policy import forget, get_policy
from kernel.units import MICROS_PER_CREDIT
from tests.accounts.api import assert_error
from tests.accounts.conftest import PASSWORD, main_account

pytestmark = pytest.mark.one_database

SIGN_UP = {
    "email": "Bob@example.org",
    "username": "bob",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


def find_path(pattern: str) -> str:
    """The path of the link in the first mail that was sent."""
    found = re.search(f"http://[^/]+({pattern})", str(mail.outbox[0].body))
    assert found
    return found[1]


@pytest.fixture
def desk(operator) -> Client:
    browser = Client()
    browser.force_login(operator)
    return browser


def test_sign_up_on_the_website_gives_account_grant_and_mail(client, db):
    assert client.post("/accounts/signup/", SIGN_UP).status_code == 302
    user = User.objects.get(handle="bob")
    assert user.email == "bob@example.org"
    assert main_account(user).cash_micros == 10_000 * MICROS_PER_CREDIT
    assert user.password.startswith("md5$")
    client.post(find_path(r"/\S+confirm-email\S+"))
    assert EmailAddress.objects.get(user=user).verified


@pytest.mark.parametrize(
    "change", [{"username": "admin"}, {"username": "Bob!"}, {"username": "alice"}, {"email": "x"}]
)
def test_sign_up_on_the_website_refuses_bad_names(client, alice, change):
    assert client.post("/accounts/signup/", {**SIGN_UP, **change}).status_code == 200
    assert User.objects.count() == 1


def test_sign_up_on_the_website_follows_policy(client, db):
    Policy.objects.update(sign_up="closed")
    forget()
    client.post("/accounts/signup/", SIGN_UP)
    assert not User.objects.exists()
    Policy.objects.update(sign_up="invite")
    InviteCode.objects.create(code="welcome")
    forget()
    assert client.post("/accounts/signup/", SIGN_UP).status_code == 200
    assert not User.objects.exists()
    client.post("/accounts/signup/", {**SIGN_UP, "invite_code": "welcome"})
    assert InviteCode.objects.get().uses == 1
    assert User.objects.get().handle == "bob"


def test_log_in_by_e_mail_and_log_out(client, alice):
    form = {"login": "Alice@example.org", "password": PASSWORD}
    assert client.post("/accounts/login/", form).status_code == 302
    assert client.get("/api/v1/me").json()["handle"] == "alice"
    assert AuditEvent.objects.filter(action="log_in", actor=alice).exists()
    client.post("/accounts/logout/")
    assert client.get("/api/v1/me").status_code == 401


def test_a_suspended_user_gets_the_reason_at_log_in(client, alice, operator):
    do_suspend_user(alice, by=operator, reason="test")
    response = client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    assert response.status_code == 403
    assert b"suspended" in response.content
    assert client.get("/api/v1/me").status_code == 401


def test_a_forgotten_password_is_reset_by_mail(client, alice):
    client.post("/accounts/password/reset/", {"email": alice.email})
    path = find_path(r"/accounts/password/reset/key/\S+")
    form = client.get(path, follow=True)
    new = {"password1": "another-good-password", "password2": "another-good-password"}
    client.post(form.redirect_chain[-1][0], new)
    alice.refresh_from_db()
    assert alice.check_password("another-good-password")
    assert AuditEvent.objects.filter(action="password_reset", actor=alice).exists()


def test_a_second_factor_set_up_on_the_website_is_asked_for_everywhere(
    client, api, alice, authenticator
):
    EmailAddress.objects.update(verified=True)
    form = {"login": alice.email, "password": PASSWORD}
    client.post("/accounts/login/", form)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get(reverse("mfa_add_webauthn")).status_code == 200
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    code = authenticator(secret)
    client.post(reverse("mfa_activate_totp"), {"code": code})
    assert client.get("/api/v1/me").json()["two_factor"] is True
    body = {"email": alice.email, "password": PASSWORD}
    assert_error(api.post("auth/login", body), 401, "totp_required")
    other = Client()
    assert other.post("/accounts/login/", form)["Location"] == reverse("mfa_authenticate")
    assert other.get("/api/v1/me").status_code == 401


def test_the_admins_log_in_is_the_websites_with_its_second_factor(client, db):
    response = client.get("/admin/")
    assert client.get(response["Location"])["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    "model",
    ["user", "account", "transfer", "apikey", "loginsession", "withdrawalrequest", "auditevent",
     "policy", "invitecode"],
)  # fmt: skip
def test_every_list_and_form_of_the_admin_opens(desk, alice, operator, log_in, model):
    log_in(alice)
    do_create_api_key(main_account(alice), name="k", scopes=["read"], by=alice)
    do_request_withdrawal(main_account(alice), amount_micros=1, by=alice)
    InviteCode.objects.create(code="x")
    listed = desk.get(reverse(f"admin:accounts_{model}_changelist"), {"q": "a"}, follow=True)
    assert listed.status_code == 200
    row = apps.get_model("accounts", model).objects.first()
    shown = desk.get(reverse(f"admin:accounts_{model}_change", args=[row.pk]))
    assert shown.status_code == 200
    assert ApiKey.objects.get().digest not in shown.content.decode()


@pytest.mark.parametrize("model", ["account", "transfer", "apikey", "auditevent"])
def test_money_and_history_are_read_only_even_for_superusers(desk, alice, model):
    row = {"account": Account, "transfer": Transfer, "auditevent": AuditEvent}.get(model, Account)
    paths = [reverse(f"admin:accounts_{model}_add")]
    if model != "apikey":
        pk = row.objects.first().pk
        paths += [
            reverse(f"admin:accounts_{model}_{verb}", args=[pk]) for verb in ("change", "delete")
        ]
    assert {desk.post(path, {"amount_micros": 1}).status_code for path in paths} == {403}


def test_big_tables_are_never_counted_whole(desk, operator, alice, django_assert_max_num_queries):
    for _ in range(3):
        do_deposit(main_account(alice), amount_micros=1, by=operator)
    with django_assert_max_num_queries(12) as queries:
        desk.get(reverse("admin:accounts_transfer_changelist"))
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]
    assert all("LIMIT" in sql for sql in counts)
    assert CheapPaginator(Transfer.objects.order_by("id"), 2).count == 4


def choose(browser, name, *rows):
    """Select rows of a list and an act, and confirm it on the page that asks."""
    options = rows[0]._meta
    path = reverse(f"admin:accounts_{options.model_name}_changelist")
    sent = {"action": name, "_selected_action": [str(row.pk) for row in rows]}
    browser.post(browser.post(path, sent)["Location"], {"reason": "because"})


def test_withdrawals_are_decided_by_the_lists_buttons(desk, alice, operator):
    first = do_request_withdrawal(main_account(alice), amount_micros=2, by=alice)
    second = do_request_withdrawal(main_account(alice), amount_micros=3, by=alice)
    choose(desk, "approve", first)
    choose(desk, "reject", second, first)
    statuses = dict(WithdrawalRequest.objects.values_list("pk", "status"))
    assert statuses == {first.pk: "approved", second.pk: "rejected"}
    assert Transfer.objects.get(kind="withdrawal").amount_micros == 2
    assert AuditEvent.objects.get(action="approve_withdrawal").actor == operator


def test_users_are_suspended_and_keys_revoked_by_buttons(desk, alice, operator):
    key, _ = do_create_api_key(main_account(alice), name="k", scopes=["read"], by=alice)
    choose(desk, "suspend", alice, operator)
    alice.refresh_from_db()
    operator.refresh_from_db()
    assert alice.is_suspended
    assert not operator.is_suspended
    choose(desk, "reinstate", alice)
    alice.refresh_from_db()
    assert not alice.is_suspended
    choose(desk, "revoke", key)
    assert ApiKey.objects.get().revoked_at is not None


def test_a_staff_member_needs_the_right_for_each_button(alice, make_user):
    clerk = make_user("clerk", credits=0)
    User.objects.filter(pk=clerk.pk).update(is_staff=True)
    views = Permission.objects.filter(codename__in=["view_user", "view_withdrawalrequest"])
    clerk.user_permissions.set(views)
    request = do_request_withdrawal(main_account(alice), amount_micros=2, by=alice)
    browser = Client()
    browser.force_login(clerk)
    browser.post(
        reverse("admin:accounts_withdrawalrequest_changelist"),
        {"action": "approve", "_selected_action": [str(request.pk)]},
    )
    browser.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "suspend", "_selected_action": [alice.pk]},
    )
    for row, name in ((request, "approve"), (alice, "suspend")):
        url = reverse(f"admin:accounts_{row._meta.model_name}_do", args=[row.pk, name])
        assert browser.post(url, {"reason": "because"}).status_code == 403
    alice.refresh_from_db()
    request.refresh_from_db()
    assert (request.status, alice.is_suspended) == ("requested", False)


def test_an_editor_of_users_cannot_take_over_operators_or_give_rights(alice, operator, make_user):
    clerk = make_user("clerk", credits=0)
    User.objects.filter(pk=clerk.pk).update(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="change_user"))
    browser = Client()
    browser.force_login(clerk)
    form = {"email": "new@example.org", "handle": "alice", "is_superuser": "on", "is_staff": "on"}
    browser.post(reverse("admin:accounts_user_change", args=[alice.pk]), form)
    alice.refresh_from_db()
    assert (alice.email, alice.is_superuser, alice.is_staff) == ("new@example.org", False, False)
    edit = AuditEvent.objects.get(action="edit_in_admin")
    assert (edit.before, edit.after) == (
        {"email": "alice@example.org"},
        {"email": "new@example.org"},
    )
    for path in ("change", "password_change"):
        name = "auth_user_password_change" if path == "password_change" else "accounts_user_change"
        response = browser.post(
            reverse(f"admin:{name}", args=[operator.pk]),
            {"password1": PASSWORD, "password2": PASSWORD},
        )
        assert response.status_code == 403


def test_a_password_set_by_an_operator_leaves_an_audit_event(desk, alice, operator):
    form = {"password1": "brand-new-password", "password2": "brand-new-password"}
    desk.post(
        reverse("admin:auth_user_password_change", args=[alice.pk]),
        {**form, "usable_password": "true"},
    )
    alice.refresh_from_db()
    assert alice.check_password("brand-new-password")
    event = AuditEvent.objects.get(action="set_password")
    assert (event.actor, event.subject_id) == (operator, str(alice.pk))


def test_an_operator_adds_a_user_with_an_account(desk):
    form = {
        "email": "new@example.org",
        "handle": "newcomer",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    desk.post(reverse("admin:accounts_user_add"), form)
    account = main_account(User.objects.get(handle="newcomer"))
    assert account.cash_micros == 10_000 * 10**6  # what a sign-up gets


def policy_form(browser, **changes):
    """The browser's form data, with other limits for all accounts, and with the changes."""
    path = reverse("admin:accounts_policy_change", args=[1])
    form = browser.get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values |= {name: 1 + int(name[-1]) for name in values if name.startswith("limit_")}
    return {
        name: value
        for name, value in {**values, **changes}.items()
        if value is not False and value is not None
    }


def test_an_edit_of_the_policy_is_audited_and_followed_at_once(
    desk, operator, django_capture_on_commit_callbacks
):
    assert get_policy().site_name == "predex"
    path = reverse("admin:accounts_policy_change", args=[1])
    with django_capture_on_commit_callbacks(execute=True):
        response = desk.post(path, policy_form(desk, site_name="Forecasts"))
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert get_policy().site_name == "Forecasts"
    event = AuditEvent.objects.get(action="edit_policy")
    assert event.actor == operator
    assert event.before
    assert event.before["site_name"] == "predex"
    assert set(event.after or {}) == {"site_name", "rate_limits"}


@pytest.mark.parametrize(
    "change",
    [
        {"accent_colour": "red"},
        {"accent_colour": "#2563eb;}"},
        {"logo_url": "javascript:alert(1)"},
        {"limit_user_write_0": 0},
        {"limit_user_write_1": ""},
        {"sign_up_grant_micros": 10**30},
        {"sign_up_grant_micros": -1},
        {"sign_up": "maybe"},
    ],
)
def test_a_policy_that_cannot_be_is_refused(desk, change):
    path = reverse("admin:accounts_policy_change", args=[1])
    assert desk.post(path, policy_form(desk, **change)).status_code == 200
    assert not AuditEvent.objects.filter(action="edit_policy").exists()


def test_a_new_account_is_welcomed_once_with_what_to_do_next(client, db):
    page = client.post("/accounts/signup/", SIGN_UP, follow=True).content.decode()
    assert "Welcome to predex, bob!" in page
    assert "You have 10,000.00\N{NO-BREAK SPACE}cr to trade with." in page
    assert "the link that we have sent to bob@example.org" in page
    assert "data-toast" not in page
    assert "data-welcome" not in client.get("/").content.decode()


def test_a_log_in_covers_nothing_with_a_message(client, alice):
    form = {"login": alice.email, "password": PASSWORD}
    page = client.post("/accounts/login/", form, follow=True).content.decode()
    assert "data-toast" not in page
    assert "data-welcome" not in page


def test_a_confirmed_address_leads_back_where_the_sign_up_led(client, db):
    back = "/leaderboard/?period=all#ticket"
    form = {**SIGN_UP, "email": "back@example.org", "next": back}
    assert client.post("/accounts/signup/", form)["Location"] == back
    confirmation = find_path(r"/\S+confirm-email\S+")
    assert client.post(confirmation)["Location"] == back


def test_log_in_and_sign_up_of_the_header_lead_back(client, db):
    header = client.get("/leaderboard/?period=all").content.decode()
    for entrance in ("login", "signup"):
        assert f"/accounts/{entrance}/?next=/leaderboard/%3Fperiod%3Dall" in header
    assert "next=" not in client.get("/accounts/login/").content.decode()
