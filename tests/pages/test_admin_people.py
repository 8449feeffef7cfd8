"""Users, their money and their way in: acts with reasons, audit events, and done once."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group as AuthGroup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import do_grant, do_request_deposit, do_request_withdrawal
from accounts.models import Account, AuditEvent, Policy, Transfer
from tests.markets.factories import make_group, make_market, make_user, set_policy

pytestmark = pytest.mark.django_db
CREDIT = 1_000_000


@pytest.fixture
def operator():
    return make_user("olivia", operator=True)


@pytest.fixture
def site(operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    return client


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def account(alice):
    account = Account.objects.get(owner=alice)
    do_grant(account, amount_micros=100 * CREDIT, by=None)
    account.refresh_from_db()
    return account


def url_of(row, verb):
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/{verb}/"


def ask(site, row, name, **values):
    answer = site.post(url_of(row, f"do/{name}"), values)
    row.refresh_from_db()
    return {} if answer.status_code == 302 else dict(answer.context["form"].errors)


def test_credits_are_granted_once_however_often_the_form_is_sent(site, account, operator):
    before = account.cash_micros
    form = site.get(url_of(account, "do/grant")).context["form"]
    sent = {"amount": "12.5", "reason": "Paid in cash", "key": form["key"].value()}
    for _ in range(2):
        assert ask(site, account, "grant", **sent) == {}
    assert account.cash_micros == before + 12_500_000
    event = AuditEvent.objects.get(action="grant_credits")
    assert (event.actor, event.reason) == (operator, "Paid in cash")
    other = ask(site, account, "grant", **{**sent, "amount": "13"})
    [message] = other["__all__"]
    assert message.startswith("This form was already sent with other values.")
    assert Transfer.objects.filter(kind="grant", reference=event.pk).count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1.0000001"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "much"}, "amount"),
        ({"reason": ""}, "reason"),
    ],
)
def test_a_wrong_grant_is_refused_beside_its_field(site, account, values, field):
    sent = {"amount": "1", "reason": "x", "key": "k", **values}
    answer = site.post(url_of(account, "do/grant"), sent)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert answer.context["form"]["amount"].value() == sent["amount"]


def test_withdrawals_are_approved_and_rejected_with_a_reason(site, account, alice, operator):
    ask_for = {"account": account, "amount_micros": 10 * CREDIT, "by": alice}
    first, second = (do_request_withdrawal(**ask_for) for _ in range(2))
    assert list(ask(site, first, "reject")) == ["reason"]
    assert ask(site, first, "reject", reason="Unknown bank account") == {}
    assert (first.status, first.reason) == ("rejected", "Unknown bank account")
    assert ask(site, second, "approve") == {}
    assert (second.status, second.decided_by) == ("approved", operator)
    assert ask(site, second, "approve") == {"__all__": ["This has already been decided."]}
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"approve_withdrawal", "reject_withdrawal"} <= actions


def test_many_withdrawals_are_decided_at_once_and_their_sum_is_shown(site, account, alice):
    rows = [
        do_request_withdrawal(account, amount_micros=number * CREDIT, by=alice)
        for number in (1, 2, 3)
    ]
    base = "/admin/accounts/withdrawalrequest/"
    sent = {"action": "approve", "_selected_action": [str(row.pk) for row in rows]}
    asked = site.post(base, sent)
    page = site.get(asked["Location"])
    assert "6.00" in page.content.decode()
    site.post(asked["Location"], {"reason": ""})
    assert {row.status for row in type(rows[0]).objects.all()} == {"approved"}


def test_requests_for_deposits_are_decided(site, account, alice):
    request = do_request_deposit(account, amount_micros=5 * CREDIT, by=alice)
    before = account.cash_micros
    assert ask(site, request, "approve") == {}
    account.refresh_from_db()
    assert account.cash_micros == before + 5 * CREDIT


def test_a_second_factor_is_reset_with_an_audit_event(site, alice):
    refused = ask(site, alice, "reset-mfa", reason="Lost phone")
    assert refused == {"__all__": ["This user has no second factor."]}
    for kind in ("totp", "recovery_codes"):
        Authenticator.objects.create(user=alice, type=kind, data={})
    assert ask(site, alice, "reset-mfa", reason="Lost phone") == {}
    assert not Authenticator.objects.filter(user=alice).exists()
    event = AuditEvent.objects.get(action="reset_mfa")
    assert (event.reason, event.before) == ("Lost phone", {"factors": ["recovery_codes", "totp"]})


def test_all_sessions_end(site, alice):
    theirs = Client()
    theirs.force_login(alice, backend="accounts.backends.Backend")
    session = theirs.session
    UserSession.objects.create(
        user=alice, session_key=session.session_key, ip="127.0.0.1", user_agent="x"
    )
    assert theirs.get("/admin/").status_code == 302 or "_auth_user_id" in theirs.session
    assert ask(site, alice, "end-sessions", reason="Stolen laptop") == {}
    assert "_auth_user_id" not in Client(cookies=theirs.cookies).session
    assert not type(session)(session.session_key).exists(session.session_key)
    assert AuditEvent.objects.get(action="end_sessions").after["browsers"] == 1


def test_a_suspended_user_is_reinstated(site, alice):
    assert ask(site, alice, "suspend", reason="Spam") == {}
    offered = site.get(url_of(alice, "change")).context["offered"]
    assert {one["name"] for one in offered} == {"reinstate", "end-sessions", "reset-mfa"}
    assert ask(site, alice, "reinstate", reason="A mistake") == {}
    assert not alice.is_suspended


def test_the_policy_is_written_in_words_and_credits(site):
    url = "/admin/accounts/policy/1/change/"
    assert site.get("/admin/accounts/policy/", follow=True).redirect_chain[-1][0] == url
    form = site.get(url).context["adminform"].form
    assert form["sign_up_grant_micros"].value() == "10000"
    assert form["default_dispute_seconds"].value() == "1h"
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    sent |= {
        "sign_up_grant_micros": "2500.5", "default_dispute_seconds": "2d",
        "default_fee_kind": "quadratic", "default_fee_taker_rate": "0.07",
        "limit_user_write_0": "60", "reason": "A new season",
    }  # fmt: skip
    sent = {name: value for name, value in sent.items() if value is not False}
    answer = site.post(url, sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    policy = Policy.objects.get()
    assert (policy.sign_up_grant_micros, policy.default_dispute_seconds) == (2_500_500_000, 172_800)
    assert policy.default_fee_taker_rate == 70_000
    assert policy.rate_limits["user"] == {"read": [100, 500], "write": [60, 300]}
    event = AuditEvent.objects.get(action="edit_policy")
    assert event.reason == "A new season"
    assert set(event.after) == {
        "sign_up_grant_micros", "default_dispute_seconds", "default_fee_kind",
        "default_fee_taker_rate", "rate_limits",
    }  # fmt: skip
    wrong = site.post(url, {**sent, "sign_up_grant_micros": "lots", "limit_user_write_0": "0"})
    errors = wrong.context["adminform"].form.errors
    assert set(errors) == {"sign_up_grant_micros", "limit_user_write_0"}


def test_the_site_s_name_colour_and_logo_are_the_policy_s(site):
    set_policy(site_name="Oracle & Sons", accent_colour="#0f766e", logo_url="/static/x.svg")
    page = site.get("/admin/").content.decode()
    assert "Oracle &amp; Sons" in page
    assert "/static/x.svg" in page
    assert "oklch(53.0% 0.086" in page


def test_the_audit_log_is_searched_by_who_what_and_request(site, alice, operator):
    ask(site, alice, "suspend", reason="Spam")
    event = AuditEvent.objects.get(action="suspend_user")
    for term in ("olivia", "alice", f"user:{alice.pk}", event.request_id, event.pk.hex):
        page = site.get("/admin/accounts/auditevent/", {"q": term})
        assert event in page.context["cl"].result_list, term
    filtered = site.get("/admin/accounts/auditevent/?action=suspend_user")
    assert list(filtered.context["cl"].result_list) == [event]
    assert site.get(url_of(event, "change")).status_code == 200


def test_big_lists_neither_count_nor_scan(site, account):
    for path, term in (
        ("accounts/transfer", "alice"),
        ("accounts/auditevent", "alice"),
        ("trading/order", "alice"),
        ("trading/trade", "alice"),
        ("trading/journalrow", "x"),
    ):
        for query in ({}, {"q": term}):
            with CaptureQueriesContext(connection) as queries:
                assert site.get(f"/admin/{path}/", query).status_code == 200
            table = path.replace("/", "_")
            statements = [one["sql"] for one in queries if f'FROM "{table}"' in one["sql"]]
            assert all("LIMIT" in sql for sql in statements if "COUNT(" in sql), statements
            assert not any("DISTINCT" in sql for sql in statements), statements


def test_amounts_in_the_admin_are_read_in_its_language(site, account):
    site.cookies["django_language"] = "de"
    before = account.cash_micros
    sent = {"reason": "x", "key": "k"}
    assert list(ask(site, account, "grant", **sent, amount="1.234")) == ["amount"]
    assert ask(site, account, "grant", **sent, amount="1.234,5") == {}
    assert account.cash_micros == before + 1_234_500_000
    url = "/admin/accounts/policy/1/change/"
    form = site.get(url).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in shown.items() if value not in (None, False)}
    sent |= {"default_fee_kind": "quadratic", "default_fee_taker_rate": "0,07"}
    assert site.post(url, sent).status_code == 302
    assert Policy.objects.get().default_fee_taker_rate == 70_000
    wrong = site.post(url, {**sent, "limit_user_write_0": "1.000"})
    assert list(wrong.context["adminform"].form.errors) == ["limit_user_write_0"]


# --- to many -------------------------------------------------------------------------------------

GRANT = "/admin/accounts/account/grant/"


def cash_of(*users):
    return [Account.objects.get(owner=user).cash_micros for user in users]


def confirm(site, page):
    form = page.context["confirm"]
    return site.post(GRANT, {name: form[name].value() for name in form.fields})


def test_credits_are_granted_to_a_list_a_group_and_a_file_after_a_preview_exactly_once(site, alice):
    bob, carol, dora = (make_user(name) for name in ("bob", "carol", "dora"))
    group = make_group(carol)
    file = SimpleUploadedFile("grants.csv", "\ufeffHandle;Amount\r\ndora;0,5\r\n".encode())
    wrong = site.post(GRANT, {"people": "bob", "file": file, "amount": "1", "reason": "x"})
    assert wrong.status_code == 422
    assert [row.error for row in wrong.context["rows"]] == ["", "Enter a number, like 0.55 or 10."]
    file = SimpleUploadedFile("grants.csv", b"handle,amount\ndora,0.5\n")
    page = site.post(GRANT, {
        "people": "@Alice\nbob, 2.5", "group": group.pk, "file": file, "amount": "10",
        "reason": "A new season",
    })  # fmt: skip
    shown = [(row.handle, row.amount_micros, row.error) for row in page.context["rows"]]
    assert shown == [
        ("alice", 10 * CREDIT, ""), ("bob", 2_500_000, ""), ("dora", 500_000, ""),
        ("carol", 10 * CREDIT, ""),
    ]  # fmt: skip
    assert "23.00" in page.content.decode()
    assert cash_of(alice, bob, carol, dora) == [0, 0, 0, 0]
    for _ in range(2):  # a double click
        assert confirm(site, page).status_code == 302
    assert cash_of(alice, bob, carol, dora) == [10 * CREDIT, 2_500_000, 10 * CREDIT, 500_000]
    events = AuditEvent.objects.filter(action="grant_credits", reason="A new season")
    assert events.count() == Transfer.objects.filter(kind="grant").count() == 4


def test_a_list_with_a_wrong_line_grants_nothing_and_says_which(site, alice, operator):
    set_policy(two_person_rule=True)
    closed, _bob = make_user("clara"), make_user("bob")
    Account.objects.filter(owner=closed).update(closed_at=timezone.now())
    people = "alice, 1\nnobody, 1\nalice, 1\nclara, 1\nolivia, 1\nalice, -1\nalice\nbob"
    page = site.post(GRANT, {"people": people, "reason": "x"})
    assert page.status_code == 422
    assert [row.error for row in page.context["rows"]] == [
        "", "There is no user “nobody”.", "This user is listed twice.", "This account is closed.",
        "The two-person rule requires a different person for this step.", "This user is listed "
        "twice.",
        "This user is listed twice.", "Enter an amount above 0.",
    ]  # fmt: skip
    assert page.context["form"]["people"].value() == people
    assert site.post(GRANT, {"reason": "x", "amount": "1"}).status_code == 422
    assert cash_of(alice) == [0]


def test_what_changed_between_preview_and_grant_grants_nothing(site, alice):
    bob = make_user("bob")
    page = site.post(GRANT, {"people": "alice\nbob", "amount": "1", "reason": "x"})
    Account.objects.filter(owner=bob).update(closed_at=timezone.now())
    assert confirm(site, page).status_code == 422
    assert cash_of(alice, bob) == [0, 0]


def test_selected_accounts_are_granted_as_much_each_and_once(site, alice):
    bob = make_user("bob")
    keys = [str(Account.objects.get(owner=user).pk) for user in (alice, bob)]
    url = site.post("/admin/accounts/account/", {"action": "grant", "_selected_action": keys})[
        "Location"
    ]
    key = site.get(url).context["form"]["key"].value()
    for _ in range(2):
        site.post(url, {"amount": "3", "reason": "x", "key": key})
    assert cash_of(alice, bob) == [3 * CREDIT, 3 * CREDIT]


def test_a_user_s_page_shows_the_balance_to_who_may_see_accounts(site, account, alice):
    page = site.get(url_of(alice, "change"))
    [(name, said)] = page.context["facts"]
    assert str(name) == "Account 1"
    assert "100.00 cr available, 0.00 cr held" in said.replace("\N{NO-BREAK SPACE}", " ")
    moderator = make_user("mona")
    moderator.is_staff = True
    moderator.save()
    moderator.groups.add(AuthGroup.objects.get(name="moderator"))
    client = Client()
    client.force_login(moderator, backend="accounts.backends.Backend")
    assert client.get(url_of(alice, "change")).context["facts"] == []


def test_the_list_of_accounts_is_people_s_until_others_are_asked_for(site, account):
    make_market(status="open")
    escrow = Account.objects.get(kind="escrow")

    def kinds(**query):
        page = site.get("/admin/accounts/account/", query)
        return {row.kind for row in page.context["cl"].result_list}

    assert kinds() == {"user"}
    assert kinds(whose="market") == {"escrow", "fees"}
    assert kinds(whose="exchange") == {"issuer", "house"}
    assert kinds(whose="all") == {"user", "escrow", "fees", "issuer", "house"}
    assert kinds(q=str(escrow.pk)) == {"escrow"}
    assert site.get(url_of(escrow, "change")).status_code == 200
