"""The first operator: created once, through a URL that only the console shows."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.actions import do_create_user, do_offer_setup
from accounts.handles import compute_retired_digest
from accounts.models import Account, AuditEvent, RetiredHandle, SetupKey, User

pytestmark = pytest.mark.django_db

WHO = {"email": "ada@example.org", "handle": "ada", "password": "a long enough secret"}
GRANT_MICROS = 10_000_000_000


def post(client, key, **changes):
    return client.post("/setup/", {"key": key, **WHO, **changes})


def test_the_address_makes_one_operator_with_the_usual_grant_and_leads_to_the_admin(settings):
    settings.DEBUG = False
    client, key = Client(), do_offer_setup()
    assert "Become the operator" in client.get("/setup/", {"key": key}).content.decode()
    answer = post(client, key)
    assert answer.url == "/admin/"
    ada = User.objects.get()
    assert (ada.is_superuser, ada.is_staff, ada.handle) == (True, True, "ada")
    assert ada.accounts.get().cash_micros == GRANT_MICROS
    assert ada.emailaddress_set.get().verified
    assert AuditEvent.objects.filter(action="make_first_operator", actor=ada).exists()
    steps = client.get("/admin/").context["dashboard"]["steps"]
    assert [str(step.title) for step in steps][:2] == [
        "Protect your log-in", "Name the site and choose who can join"
    ]  # fmt: skip
    assert not any(step.is_done for step in steps)
    for step in steps:
        assert client.get(step.url).status_code in (200, 302), step.title


def test_a_key_is_good_once_and_for_a_day_and_only_its_hash_is_kept():
    key, second = do_offer_setup(), do_offer_setup()
    assert key is not None
    assert key not in str(list(SetupKey.objects.values()))
    assert post(Client(), "no-such-key").status_code == 404
    assert Client().get("/setup/").status_code == 404
    SetupKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for text in (key, second):
        assert Client().get("/setup/", {"key": text}).status_code == 404
        assert post(Client(), text).status_code == 404
    third, fourth = do_offer_setup(), do_offer_setup()
    assert SetupKey.objects.count() == 2  # the expired ones are gone
    assert post(Client(), third).status_code == 302
    for text in (third, fourth):
        assert post(Client(), text, handle="eve", email="eve@example.org").status_code == 404
    assert User.objects.count() == 1
    assert do_offer_setup() is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "short"}, "password"),
        ({"handle": "admin"}, "handle"),
        ({"handle": "Ada Lovelace"}, "handle"),
        ({"handle": "taken"}, "handle"),
        ({"email": "nonsense"}, "email"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_the_key_stays_good(changes, field):
    do_create_user(email="t@example.org", handle="taken", password=None, by=None)
    key = do_offer_setup()
    answer = post(Client(), key, **changes)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert post(Client(), key).status_code == 302


def test_a_superuser_of_the_command_gets_what_a_sign_up_gets(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough secret")
    call_command(
        "createsuperuser", interactive=False, email="Ada@Example.org", handle="ada", verbosity=0
    )
    ada = User.objects.get(email="ada@example.org")
    assert Account.objects.get(owner=ada).cash_micros == GRANT_MICROS
    assert ada.emailaddress_set.get().verified
    assert AuditEvent.objects.filter(action="create_user", subject_id=str(ada.pk)).exists()


def test_the_command_refuses_a_handle_that_was_deleted_with_a_sentence(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough secret")
    RetiredHandle.objects.create(pk=compute_retired_digest("gone"))
    with pytest.raises(CommandError, match="this handle is taken"):
        call_command("createsuperuser", interactive=False, email="x@y.org", handle="gone")


def test_a_user_whom_an_operator_adds_gets_what_a_sign_up_gets():
    operator = do_create_user(
        email="o@example.org", handle="olivia", password=None, by=None, is_operator=True
    )
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    sent = {"email": "bob@example.org", "handle": "bob", "usable_password": "true",
            "password1": WHO["password"], "password2": WHO["password"]}  # fmt: skip
    assert client.post("/admin/accounts/user/add/", sent).status_code == 302
    bob = User.objects.get(handle="bob")
    assert bob.accounts.get().cash_micros == GRANT_MICROS
    assert bob.emailaddress_set.get().email == "bob@example.org"
