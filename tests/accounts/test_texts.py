"""One rule for texts at every entry point, and none is run by a spreadsheet."""

import csv
import io
import zipfile

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.actions import check_create_api_key, do_edit_policy
from accounts.models import Policy, User
from kernel.errors import RefusedError
from kernel.spreadsheets import as_cell
from kernel.texts import is_line, is_text, make_line
from tests.accounts.api import assert_error
from tests.accounts.conftest import PASSWORD, main_account

NOT_A_LINE = ["a\nb", "a\rb", "a\tb", "a\x00b", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b",
              "a\u202eb", "a\u2066b", "\ud800", "\u200b", "\u3164", " \u2060"]  # fmt: skip
LINES = ["", "Rain?", "Größer als 5 °C", "هل ستمطر غداً؟", "👩‍👩‍👧 wins", "a\u200db", "نمی‌دانم"]


@pytest.mark.parametrize("text", NOT_A_LINE)
def test_what_is_no_line(text):
    assert not is_line(text)


@pytest.mark.parametrize("text", LINES)
def test_what_is_a_line_in_any_language(text):
    assert is_line(text)
    assert is_text(text)


def test_a_text_may_have_several_lines_and_nothing_else_more():
    assert is_text("a\r\n\tb\n")
    assert not any(is_text(f"a{c}b") for c in "\x00\x1b\x85\u2028\u202e\u2067\ud800")


def test_what_others_say_of_users_is_made_a_line():
    assert make_line(" Eve\r\n\u202eAlice ") == "Eve Alice"
    assert make_line("\u200b") == ""


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb"])
def test_names_are_lines_at_every_entry_point(api, alice, log_in, name):
    new = {"email": "b@example.org", "handle": "bobby", "password": PASSWORD, "display_name": name}
    assert_error(api.post("auth/register", new), 400, "invalid_value", "display_name")
    program = log_in(alice)
    assert_error(program.patch("me", {"display_name": name}), 400, "invalid_value", "display_name")
    key = {"name": name, "scopes": ["read"]}
    assert_error(program.post("keys", key), 400, "invalid_value", "name")
    browser = Client()
    browser.force_login(alice)
    page = browser.post(reverse("account"), {"display_name": name})
    assert "Control characters" in page.content.decode()
    with pytest.raises(RefusedError):
        check_create_api_key(main_account(alice), name=name, scopes=[], by=None, expires_at=None)
    assert User.objects.get().display_name == ""


def test_so_are_the_site_s_own(operator):
    desk = Client()
    desk.force_login(operator)
    path = reverse("admin:accounts_policy_change", args=[1])
    form = desk.get(path).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values = {name: value for name, value in values.items() if value not in (False, None)}
    page = desk.post(path, {**values, "site_name": "pre\u202edex"})
    assert "Control characters" in page.content.decode()
    policy = Policy.objects.get()
    policy.currency_symbol = "\u202e"
    with pytest.raises(ValidationError):
        do_edit_policy(policy, by=None)


FORMULAS = ["=1+1", "+1", "-1+2", "@SUM(1)", "\t=1", "\r=1", "\n=1", "|cmd", "%0",
            "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\ufe661", "\u22121",
            " =1", "\u00a0=1", "\ufeff=1", "\u200b=1", "\x00=1"]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_only_text(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Rain?", "1+1", "a=b", "½", " plain"])
def test_other_texts_stay_as_they_are(text):
    assert as_cell(text) == text


@pytest.mark.parametrize("text", ["\uff1dHYPERLINK(1)", "\t=1"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_formula_in_the_data_that_is_given_out_is_only_text(alice, text):
    main_account(alice).deposits.create(amount_micros=1, note=text)
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    archive = zipfile.ZipFile(io.BytesIO(b"".join(browser.post(reverse("account_export")))))
    name = next(name for name in archive.namelist() if name.startswith("deposit") and "csv" in name)
    [row] = csv.DictReader(io.TextIOWrapper(archive.open(name), newline=""))
    assert row["note"] == f"'{text}"
