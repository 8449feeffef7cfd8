"""The page of sub-accounts: opened, seen, and credits moved between them, once per form."""

import re

import pytest
from django.test import Client

from accounts.models import Account, ApiKey, Transfer
from tests.accounts.conftest import PASSWORD
from tests.trading import world

PAGE = "/account/subaccounts/"


@pytest.fixture
def alice(db, settings) -> Account:
    settings.EMAIL_VERIFICATION_REQUIRED = False
    account = world.make_account(credits=10_000, name="alice")
    account.owner.set_password(PASSWORD)
    account.owner.save()
    return account


@pytest.fixture
def browser(alice) -> Client:
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.owner.email, "password": PASSWORD})
    return browser


def test_a_sub_account_is_opened_and_credits_are_moved_once(browser, alice):
    assert "Move credits" not in browser.get(PAGE).content.decode()
    browser.post(f"{PAGE}open/")
    sub = Account.objects.get(owner=alice.owner, number=2)
    page = browser.get(PAGE).content.decode()
    assert "Sub-account 1" in page
    form = {"key": "k1", "source": alice.pk, "target": sub.pk, "amount": "1,250.5"}
    for _ in range(2):
        assert browser.post(PAGE, form).status_code == 302
    sub.refresh_from_db()
    assert sub.cash_micros == 1_250_500_000
    assert Transfer.objects.filter(kind="internal").count() == 1
    shown = browser.get(PAGE).content.decode()
    assert "Main account → Sub-account 1" in shown
    assert "1,250.50" in shown
    assert "To another account of yours" in browser.get("/portfolio/transfers/").content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "10,000.01"}, "That is more than is available."),
        ({"amount": "0"}, "Enter an amount above 0."),
        ({"target": "source"}, "Choose two different accounts."),
    ],
)
def test_what_can_t_be_moved_is_said_beside_the_field(browser, alice, change, said):
    browser.post(f"{PAGE}open/")
    sub = Account.objects.get(owner=alice.owner, number=2)
    form = {"key": "k", "source": alice.pk, "target": sub.pk, "amount": "1", **change}
    if form["target"] == "source":
        form["target"] = alice.pk
    refused = browser.post(PAGE, form)
    assert refused.status_code == 422
    assert said in refused.content.decode()
    corrected = {**form, "key": read_key(refused), "target": sub.pk, "amount": "1"}
    assert browser.post(PAGE, corrected).status_code == 302
    assert Transfer.objects.filter(kind="internal").count() == 1


def read_key(page) -> str:
    [key] = re.findall(r'name="key" value="(\w+)"', page.content.decode())
    return key


def test_credits_go_from_the_main_account_to_the_newest_unless_one_says_otherwise(browser, alice):
    browser.post(f"{PAGE}open/")
    page = browser.get(PAGE).content.decode()
    main, sub = Account.objects.filter(owner=alice.owner).order_by("number")
    source, target = page.split("To account")
    assert f'value="{main.pk}"' in source
    assert f'value="{sub.pk}" selected' in target
    assert "From account" in source


def test_other_peoples_accounts_are_no_choice(browser, alice):
    browser.post(f"{PAGE}open/")
    bob = world.make_account(name="bob")
    form = {"key": "k", "source": bob.pk, "target": alice.pk, "amount": "1"}
    assert browser.post(PAGE, form).status_code == 422
    assert not Transfer.objects.filter(kind="internal").exists()


def test_a_key_of_a_sub_account_is_made_on_the_page_of_keys(browser, alice):
    browser.post(f"{PAGE}open/")
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    form = {"name": "bot", "scopes": ["read"], "days": "0", "kind": "secret", "account": "1"}
    made = browser.post("/account/keys/", form)
    assert made.status_code == 201
    assert ApiKey.objects.get().account.subaccount == 1
    assert "Sub-account 1" in made.content.decode()
    key = ApiKey.objects.get()
    browser.post(f"/account/keys/{key.pk}/revoke/")
    key.refresh_from_db()
    assert key.revoked_at is not None
