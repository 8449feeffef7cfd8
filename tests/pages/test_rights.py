"""The table of roles in docs/operators.md, over every act of the admin and every call of the API.

`DOES` maps the table's texts to actions and calls. A new action or call is in none of them, and
fails until it is assigned to a role.
"""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from accounts.actions import do_request_deposit, do_request_withdrawal
from accounts.models import User
from markets.actions import do_propose_market
from markets.models import Market
from tests.exchange import ROOT
from tests.lifecycle.results import end_window
from tests.markets.factories import let_everyone_create, set_policy
from tests.pages.trading import shard
from tests.trading import world
from tests.trading.world import buy, run, sell
from trading import actions
from trading.roles import ROLES
from trading.settlement.payments import settle_market

__all__ = ["shard"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

LATER = (timezone.now() + timedelta(days=9)).isoformat()
WHY = {"reason": "x"}
NEW = {"title": "New?", "close_at": LATER}
# Call: its body. {draft}, {proposal}, {open}, {halted}, {resolving} and {settled} are of others.
BODIES = {
    "POST markets": NEW,
    "PATCH markets/{draft}": {"title": "Better?"},
    "PUT markets/{draft}/outcomes": {
        "outcomes": [{"code": "YES", "name": "Aye"}, {"code": "NO", "name": "Nay"}]
    },
    "POST markets/{draft}/propose": {},
    "POST markets/{proposal}/approve": {},
    "POST markets/{proposal}/reject": {"note": "x"},
    "POST markets/{proposal}/approve-and-open": {},
    "POST market-groups": {**NEW, "answers": ["Ann", "Bo"]},
    "POST markets/{open}/clarifications": {"text": "x"},
    "POST markets/{open}/resolver/approve": {},
    "PUT markets/{open}/resolver": {
        "kind": "threshold",
        "url": "https://example.org/",
        "value_path": "x",
        "threshold": "1",
    },
    "DELETE markets/{open}/resolver": "",
    "PUT markets/{open}/panel": {"judges": ["alice"], "verdicts_needed": 1},
    "DELETE markets/{open}/panel": "",
    "POST markets/{open}/clone": {"close_at": LATER},
    "POST markets/{draft}/open": {},
    "POST markets/{open}/halt": WHY,
    "POST markets/{halted}/resume": {},
    "POST markets/{open}/close": {},
    "PUT markets/{open}/close-time": {**WHY, "close_at": LATER},
    "PUT markets/{halted}/tick": {**WHY, "tick": "0.005"},
    "POST markets/{open}/withdraw-outcome": {**WHY, "outcome": "YES"},
    "PUT markets/{open}/discount": {"maker_percent": 50},
    "DELETE markets/{open}/discount": "",
    "PATCH exchange": {"announcement": "x"},
    "POST markets/{closed}/resolve": {"yes": "1", "evidence_text": "x"},
    "POST markets/{resolving}/resolution/approve": {},
    "POST markets/{resolving}/resolution/pay": WHY,
    "POST markets/{resolving}/resolution/withdraw": WHY,
    "POST markets/{resolving}/disputes/{trader}": {"decision": "dismissed", "note": "x"},
    "POST markets/{open}/void": WHY,
    "POST markets/{settled}/correction": {"yes": "0", "evidence_text": "x"},
    "POST markets/{settled}/correction/approve": {},
    "POST markets/{settled}/correction/cover": {"house_cover": "1"},
    "POST markets/{settled}/correction/withdraw": WHY,
    "POST operator/deposits": {"handle": "alice", "amount": "1", **WHY},
    "POST operator/withdrawals/{withdrawal}": {"approve": True},
    "POST operator/deposit-requests/{deposit}": {"approve": True},
    "POST operator/users/{trader}/suspend": WHY,
    "POST operator/users/{trader}/reinstate": WHY,
    "POST operator/users/{trader}/cancel-orders": WHY,
}
# Role: what the table says it does -> the acts, and the calls.
DOES = {
    "operator": {
        "creates, imports, clones, corrects, approves, edits and clarifies markets": (
            "market/approve market/reject market/clarify market/clone",
            ["POST markets", "PATCH markets/{draft}", "PUT markets/{draft}/outcomes",
             "POST markets/{draft}/propose", "POST markets/{proposal}/approve",
             "POST markets/{proposal}/reject", "POST markets/{open}/clarifications",
             "POST markets/{open}/clone", "POST market-groups"],
        ),
        "opens, halts, clears, resumes, closes, moves the close time, refines the tick, features": (
            "market/approve-and-open market/open market/halt market/resume market/close"
            " market/close-time market/clear market/tick market/feature market/unfeature",
            ["POST markets/{proposal}/approve-and-open", "POST markets/{draft}/open",
             "POST markets/{open}/halt", "POST markets/{halted}/resume",
             "POST markets/{open}/close", "PUT markets/{open}/close-time",
             "PUT markets/{halted}/tick"],
        ),
        "discounts fees": (
            "market/set-discount market/end-discount",
            ["PUT markets/{open}/discount", "DELETE markets/{open}/discount"],
        ),
        "categories, tags, events, series and their schedules, private groups": (
            "seriesschedule/pause seriesschedule/resume", []
        ),
        "halts the exchange, maintenance, announcement": (
            "exchange/announce exchange/halt exchange/resume exchange/start-maintenance"
            " exchange/end-maintenance",
            ["PATCH exchange"],
        ),
    },
    "resolver": {
        "proposes, approves, pays early and withdraws results": (
            "market/resolve market/approve-result market/pay-result market/withdraw-result"
            " resolution/approve resolution/pay resolution/withdraw",
            ["POST markets/{closed}/resolve", "POST markets/{resolving}/resolution/approve",
             "POST markets/{resolving}/resolution/pay",
             "POST markets/{resolving}/resolution/withdraw"],
        ),
        "sets and approves automatic resolvers, appoints panels": (
            "market/set-panel market/remove-panel market/set-resolver"
            " market/approve-resolver market/remove-resolver",
            ["PUT markets/{open}/resolver", "POST markets/{open}/resolver/approve",
             "DELETE markets/{open}/resolver", "PUT markets/{open}/panel",
             "DELETE markets/{open}/panel"],
        ),
        "withdraws outcomes": (
            "market/withdraw-outcome", ["POST markets/{open}/withdraw-outcome"]
        ),
        "decides disputes": (
            "dispute/uphold dispute/dismiss", ["POST markets/{resolving}/disputes/{trader}"]
        ),
        "voids markets, those that trade too": ("market/void", ["POST markets/{open}/void"]),
        "corrects results that were paid": (
            "market/correct market/approve-correction market/cover-correction"
            " market/withdraw-correction",
            ["POST markets/{settled}/correction", "POST markets/{settled}/correction/approve",
             "POST markets/{settled}/correction/cover",
             "POST markets/{settled}/correction/withdraw"],
        ),
    },
    "finance": {
        "grants credits, to one or to many": ("account/grant", ["POST operator/deposits"]),
        "decides withdrawals and deposit requests": (
            "withdrawalrequest/approve withdrawalrequest/reject depositrequest/approve"
            " depositrequest/reject",
            ["POST operator/withdrawals/{withdrawal}", "POST operator/deposit-requests/{deposit}"],
        ),
    },
    "moderator": {
        "suspends and reinstates users, cancels their orders, ends sessions,"
        " resets second factors, revokes keys": (
            "user/suspend user/reinstate user/end-sessions user/reset-mfa apikey/revoke"
            " loginsession/end",
            ["POST operator/users/{trader}/suspend", "POST operator/users/{trader}/reinstate",
             "POST operator/users/{trader}/cancel-orders"],
        ),
        "makes invitation codes": ("", []),
        "hides comments": ("comment/hide comment/show", []),
    },
}  # fmt: skip
# Acts on the page of an account, which moderators don't see and finance has no right to.
SUPERUSER_ACTS = {"account/close", "account/cancel-orders"}
# Calls on one's own account, which need no role.
OWN_CALLS = re.compile(
    r"(auth|me|keys|withdrawals|deposits|orders|order-groups|standing-orders|positions)\b.*"
    r"|(webhooks|subaccounts)\b.*"
    r"|markets/<str:slug>/(dispute|liquidity|panel/verdict)"
)
REFUSED = {"not_an_operator", "may_not_resolve", "not_your_market", "may_not_create_markets"}


def who_may(kind):
    """Return act (kind 0) or call (kind 1) -> role."""
    found = {}
    for role, phrases in DOES.items():
        for behind in phrases.values():
            names = behind[kind].split() if kind == 0 else behind[kind]
            found |= dict.fromkeys(names, role)
    return found


def make_operator(role):
    user = world.make_user(f"in_{role}", staff=True)
    User.objects.filter(pk=user.pk).update(is_superuser=False)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(User.objects.get(pk=user.pk), backend="accounts.backends.Backend")
    return client


def read_table():
    text = (ROOT / "docs" / "operators.md").read_text()
    return dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE))


def test_the_table_of_the_docs_is_the_one_that_is_tested():
    said = {role: "; ".join(phrases) for role, phrases in DOES.items()}
    table = read_table()
    assert {role: table[role] for role in ROLES} == said


def test_every_act_and_every_call_is_somebodys():
    acts = {
        f"{model._meta.model_name}/{name}"
        for model, pages in admin.site._registry.items()
        for name in getattr(pages, "acts", ())
    }
    assert acts == who_may(0).keys() | SUPERUSER_ACTS
    known = {re.sub(r"{[a-z]+}", "<>", call) for call in who_may(1)}
    for resolver in get_resolver().url_patterns:
        if str(resolver.pattern) == "api/v1/":
            for pattern in resolver.url_patterns:
                route = str(pattern.pattern)
                if OWN_CALLS.fullmatch(route):
                    continue
                for verb in ("post", "put", "patch", "delete"):
                    if hasattr(pattern.callback.cls, verb):
                        assert f"{verb.upper()} {re.sub('<[^>]+>', '<>', route)}" in known
    assert who_may(1).keys() == BODIES.keys()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_is_its_own_in_the_admin_and_nothing_else(role):
    site, owners = make_operator(role), who_may(0)
    for model, pages in admin.site._registry.items():
        for name in getattr(pages, "acts", ()):
            act = f"{model._meta.model_name}/{name}"
            url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/1/do/{name}/"
            may = site.post(url, {}).status_code != 403  # there may be no such row
            assert may == (owners.get(act) == role), act
    may_grant = site.get("/admin/accounts/account/grant/").status_code != 403
    assert may_grant == (role == "finance")


@pytest.fixture
def names(shard):
    """Markets of others in each status, a trader with a dispute and requests."""
    let_everyone_create()
    alice, bob = world.make_account(name="alice"), world.make_account(name="bob")
    chief = world.make_user("chief", staff=True)
    markets = {}
    for name in ("draft", "proposal", "open", "halted", "closed", "resolving", "settled"):
        market = markets[name] = world.make_market(dispute_seconds=3_600)
        if name in ("draft", "proposal"):
            continue
        actions.do_open_market(market, by=chief)
        run(shard, sell(market, bob, 60, 100), buy(market, alice, 60, 100))
        if name == "halted":
            actions.do_halt_market(market, by=chief, reason="x")
        if name in ("closed", "resolving", "settled"):
            actions.do_close_market(market, by=chief)
    Market.objects.filter(pk=markets["proposal"].pk).update(
        creator=alice.owner, approved_at=None, approved_by=None
    )
    markets["proposal"].refresh_from_db()
    do_propose_market(markets["proposal"], by=alice.owner)
    for name in ("resolving", "settled"):
        actions.do_resolve_market(
            markets[name], by=chief, payout_pips=[10_000, 0], evidence_text="x"
        )
    end_window(markets["settled"])
    assert settle_market(markets["settled"].pk)
    actions.do_dispute_result(markets["resolving"], by=alice.owner, text="x")
    asked = {"amount_micros": 10**6, "by": alice.owner}
    return {
        **{name: market.slug for name, market in markets.items()},
        "trader": "alice",
        "withdrawal": do_request_withdrawal(alice, **asked).pk.hex,
        "deposit": do_request_deposit(alice, **asked).pk.hex,
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_is_its_own_over_the_api_and_nothing_else(role, names):
    site, owners = make_operator(role), who_may(1)
    set_policy(who_may_create="operators")
    for call, body in BODIES.items():
        verb, path = call.format(**names).split()
        answer = getattr(site, verb.lower())(
            f"/api/v1/{path}", body, content_type="application/json"
        )
        if owners[call] == role:
            assert answer.status_code != 403, (call, answer.json())
        else:
            refusal = (answer.status_code, answer.json()["code"])
            assert refusal in {(403, code) for code in REFUSED}, call


def test_what_no_role_has_only_a_superuser_does():
    for role in ROLES:
        site = make_operator(role)
        for act in SUPERUSER_ACTS:
            model, name = act.split("/")
            assert site.post(f"/admin/accounts/{model}/1/do/{name}/", {}).status_code == 403
