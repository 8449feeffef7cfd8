"""Roles: what each may see and do, and that nothing else is let through."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from accounts.models import Account, InviteCode, User
from markets.models import Exchange
from tests.markets.factories import make_market, make_user
from trading.roles import ROLES

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

LISTS = {
    "operator": ["markets/market", "markets/category", "trading/order", "trading/lease",
                 "accounts/auditevent"],
    "resolver": ["markets/market", "markets/resolution", "markets/dispute"],
    "finance": ["accounts/account", "accounts/transfer", "accounts/withdrawalrequest",
                "accounts/depositrequest", "trading/trade"],
    "moderator": ["accounts/user", "accounts/invitecode", "accounts/apikey"],
}  # fmt: skip
ALL_LISTS = sorted({name for names in LISTS.values() for name in names} | {"auth/group"})
# Forms and the roles that may post them: everyone else gets a 403.
ACTS = {
    "markets/market/{market}/do/feature": {"operator"},
    "markets/market/{market}/do/halt": {"operator"},
    "markets/market/{market}/do/void": {"resolver"},
    "markets/market/{market}/do/resolve": {"resolver"},
    "markets/market/import": {"operator"},
    "markets/exchange/1/do/halt": {"operator"},
    "accounts/account/{account}/do/grant": {"finance"},
    "accounts/account/{account}/do/close": set(),
    "accounts/user/{user}/do/suspend": {"moderator"},
    "accounts/user/{user}/do/reset-mfa": {"moderator"},
    "accounts/user/{user}/change": set(),
    "accounts/user/{user}/password": set(),
    "accounts/policy/1/change": set(),
    "accounts/invitecode/add": {"moderator"},
    "auth/group/add": set(),
}


@pytest.fixture
def ids():
    alice = make_user("alice")
    return {
        "market": make_market(status="open").pk,
        "account": Account.objects.get(owner=alice).pk,
        "user": alice.pk,
    }


def log_in(role):
    user = make_user(f"in_{role}")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="accounts.backends.Backend")
    return client


def test_roles_have_exactly_the_permissions_that_are_written_down():
    for name, permissions in ROLES.items():
        rows = Group.objects.get(name=name).permissions.select_related("content_type")
        assert {f"{row.content_type.app_label}.{row.codename}" for row in rows} == permissions


def test_migrating_again_repairs_a_role_and_leaves_other_groups_alone():
    group = Group.objects.get(name="resolver")
    group.permissions.add(Permission.objects.get(codename="deposit_credits"))
    own = Group.objects.create(name="auditors")
    own.permissions.add(Permission.objects.get(codename="view_auditevent"))
    call_command("migrate", verbosity=0)
    assert not group.permissions.filter(codename="deposit_credits").exists()
    assert own.permissions.count() == 1


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_its_lists_and_no_other(role, ids):
    site = log_in(role)
    seen = {name for name in ALL_LISTS if site.get(f"/admin/{name}/").status_code == 200}
    assert set(LISTS[role]) <= seen
    for name in ALL_LISTS:
        app, model = name.split("/")
        assert (name in seen) == (f"{app}.view_{model}" in ROLES[role]), name


@pytest.mark.parametrize("role", ROLES)
def test_what_is_not_a_role_s_is_refused(role, ids):
    site = log_in(role)
    for template, roles in ACTS.items():
        url = f"/admin/{template.format(**ids)}/"
        status = site.post(url, {}).status_code
        assert (status != 403) == (role in roles), (url, status)
    assert not Exchange.objects.get().trading_halted
    assert not User.objects.exclude(suspended_at=None).exists()


def test_a_moderator_makes_invitation_codes():
    site = log_in("moderator")
    offered = site.get("/admin/accounts/invitecode/add/").context["adminform"].form
    assert len(offered["code"].value()) >= 12
    sent = {"code": "welcome-2030", "uses_max": "5", "expires_at_0": "", "expires_at_1": ""}
    assert site.post("/admin/accounts/invitecode/add/", sent).status_code == 302
    assert InviteCode.objects.get(code="welcome-2030").created_by.handle == "in_moderator"
    code = InviteCode.objects.get()
    assert site.post(f"/admin/accounts/invitecode/{code.pk}/delete/").status_code == 403


def test_only_superusers_change_how_an_operator_logs_in():
    admin = make_user("olivia", operator=True)
    site = log_in("moderator")
    for name in ("suspend", "end-sessions", "reset-mfa"):
        answer = site.post(f"/admin/accounts/user/{admin.pk}/do/{name}/", {"reason": "x"})
        assert answer.status_code == 422
        [said] = answer.context["form"].non_field_errors()
        assert said == "This needs an operator with every right."
    admin.refresh_from_db()
    assert not admin.is_suspended
