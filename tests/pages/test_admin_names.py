"""The admin calls its tables, columns, fields and choices by names in the viewer's language."""

import html
import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.text import capfirst

from accounts.actions import do_create_api_key, do_request_deposit, do_request_withdrawal
from accounts.admin.rights import ROLES, VERBS, describe_permission
from accounts.models import InviteCode
from markets.actions import do_comment, do_report_comment
from markets.models import (
    Category,
    Dispute,
    Event,
    GroupMember,
    Market,
    Outcome,
    Resolution,
    Series,
    Tag,
)
from tests.lifecycle.conftest import shard, verified  # noqa: F401 - fixtures
from tests.markets.factories import in_days, make_group
from tests.trading import world
from trading.models import Trade

pytestmark = pytest.mark.one_database

APPS = ("accounts", "markets", "trading")
SHOWN = [model for model in admin.site._registry if model._meta.app_label in APPS]
SHOWN += [GroupMember, Outcome]  # below the forms of groups and markets
# What German took over, or has in common with English.
SAME = {
    "API key", "Budget, in micros", "Code", "Hash", "ID", "Lease", "Leases", "Maker", "Minute",
    "Moderator", "Name", "Order", "Orders", "Position", "Shard", "Status", "System", "Tag", "Tags",
    "Text", "Tick", "Webhook", "Webhooks",
}  # fmt: skip

# What rows hold: the names of accounts and of the policy's row, the engine's own words.
HELD = {"Filled", "House", "Issuer", "None", "Policy"}


@pytest.fixture
def site(db):
    client = Client()
    operator = world.make_user("olivia", staff=True)
    client.force_login(operator, backend="accounts.backends.Backend")
    client.cookies["django_language"] = "de"
    return client


@pytest.fixture
def rows(site, shard):  # noqa: F811
    """Something in most tables."""
    alice, bob = world.make_account(name="alice"), world.make_account(name="bob")
    market = world.make_market()
    world.open_market(shard, market)
    world.run(shard, world.sell(market, bob, 60, 1_000), world.buy(market, alice, 60, 1_000))
    Market.objects.filter(pk=market.pk).update(status="open")
    market.refresh_from_db()
    do_report_comment(do_comment(market, by=bob.owner, text="Hello."), by=alice.owner)
    result = Resolution.objects.create(
        market=market, payout_pips=[10_000, 0], proposed_by=bob.owner, final_at=in_days(1)
    )
    Dispute.objects.create(resolution=result, raised_by=alice.owner, text="No.")
    do_request_withdrawal(alice, amount_micros=10**6, by=alice.owner)
    do_request_deposit(alice, amount_micros=10**6, by=alice.owner)
    do_create_api_key(alice, name="x", scopes=["read"], by=alice.owner)
    InviteCode.objects.create(code="welcome", uses_max=1)
    make_group(alice.owner)
    Category.objects.create(slug="x", name="X")
    Tag.objects.create(slug="x", name="X")
    Series.objects.create(slug="x", title="X")
    Event.objects.create(slug="x", title="X")
    Role.objects.create(name="auditors")


def list_fields(model):
    """Return the fields that the model names itself: a number of Django's own is "ID" anywhere."""
    fields = (*model._meta.concrete_fields, *model._meta.local_many_to_many)
    return [field for field in fields if not field.auto_created]


def list_names():
    """Yield every name that is given in the three apps, also to what the admin does not show."""
    for model in (model for app in APPS for model in apps.get_app_config(app).get_models()):
        names = [model._meta.verbose_name, model._meta.verbose_name_plural]
        names += [name for _codename, name in model._meta.permissions]
        for field in list_fields(model):
            names += [field.verbose_name, field.help_text]
            names += [label for _value, label in field.choices or ()]
        yield from (name for name in names if isinstance(name, Promise))
    yield from (*ROLES.values(), *VERBS.values())


def say(language):
    with translation.override(language):
        return [capfirst(str(name)) for name in list_names()]


def read_texts(page):
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    page = re.sub(r"<span[^>]*material-symbols[^>]*>[^<]*", " ", page)  # icons, by their names
    texts = re.split(r"<[^>]*>", page) + re.findall(r'(?:title|aria-label)="([^"]*)"', page)
    return {capfirst(html.unescape(text).strip().removesuffix(":")) for text in texts}


def list_pages(site):
    """Yield the list of each table, the form of its newest row and the one for a new row."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        for row in model._default_manager.order_by("-pk")[:1]:
            yield reverse(f"{name}_change", args=[row.pk])
        if admin.site._registry[model].has_add_permission(site.get("/admin/").wsgi_request):
            yield reverse(f"{name}_add")


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_a_table_its_fields_and_their_choices_have_names_in_two_languages(model):
    options = model._meta
    assert isinstance(options.verbose_name, Promise)
    assert isinstance(options.verbose_name_plural, Promise)
    for field in list_fields(model):
        assert isinstance(field.verbose_name, Promise), field.name
        assert not field.help_text or isinstance(field.help_text, Promise), field.name
        for _value, label in field.choices or []:
            assert isinstance(label, Promise), field.name


def test_no_app_is_called_as_one_of_its_tables():
    named = [(model, apps.get_app_config(model._meta.app_label).verbose_name) for model in SHOWN]
    same = [name for model, name in named if capfirst(model._meta.verbose_name_plural) == name]
    assert same == []  # breadcrumbs would read "Accounts / Accounts"


def test_german_names_are_german():
    pairs = zip(say("en"), say("de"), strict=True)
    assert {english for english, german in pairs if english == german} - SAME == set()


def test_the_admin_shows_no_name_in_english_to_who_reads_german(site, rows):
    english = set(say("en")) - set(say("de")) - HELD
    shown, found = 0, {}
    for url in list_pages(site):
        answer = site.get(url, follow=True)
        assert answer.status_code == 200, url
        shown += 1
        found[url] = read_texts(answer.content.decode()) & english
    assert shown > 60
    assert {url: texts for url, texts in found.items() if texts} == {}


def test_roles_and_permissions_are_named_where_rights_are_given(site, rows):
    assert "Betreiber" in read_texts(site.get("/admin/auth/group/").content.decode())
    form = read_texts(site.get("/admin/auth/group/add/").content.decode())
    assert {"Markt: ansehen", "Rolle: ansehen", "Konto: Einzahlungen buchen"} <= form
    assert not any(text.startswith("Can ") for text in form)
    user = world.make_user("mona")
    user.groups.add(Role.objects.get(name="moderator"), Role.objects.get(name="auditors"))
    form = read_texts(site.get(f"/admin/accounts/user/{user.pk}/change/").content.decode())
    assert {"Betreiber", "Finanzen", "Auditors", "Markt: ansehen"} <= form


@pytest.mark.django_db
def test_who_may_not_give_rights_reads_their_names(client):
    user = world.make_user("mona")
    user.is_staff = True
    user.save()
    user.groups.add(Role.objects.get(name="moderator"))
    user.user_permissions.add(Permission.objects.get(codename="view_order"))
    client.force_login(user, backend="accounts.backends.Backend")
    client.cookies["django_language"] = "de"
    page = read_texts(client.get(f"/admin/accounts/user/{user.pk}/change/").content.decode())
    assert {"Moderator", "Order: ansehen"} <= page


@pytest.mark.django_db
def test_a_permission_without_a_label_keeps_its_own_name():
    known = Permission.objects.select_related("content_type").get(codename="view_market")
    permission = Permission(content_type=known.content_type, codename="x", name="Can x")
    with translation.override("en"):
        assert describe_permission(permission) == "Market: Can x"


def test_records_that_no_form_changes_have_no_history_link(site, rows):
    trade = Trade.objects.get()
    page = site.get(f"/admin/trading/trade/{trade.pk}/change/").content.decode()
    assert "/history/" not in page
    market = Market.objects.get()
    page = site.get(f"/admin/markets/market/{market.pk}/change/").content.decode()
    assert f"/admin/markets/market/{market.pk}/history/" in page


def test_ids_are_short_in_lists_and_whole_in_their_tooltip(site, rows):
    trade = Trade.objects.get()
    page = site.get("/admin/trading/trade/").content.decode()
    short = f"{str(trade.pk)[:13]}…{str(trade.pk)[-6:]}"
    assert f'<span class="record-id" title="{trade.pk}">{short}</span>' in page
