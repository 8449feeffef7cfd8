"""The second language is complete, compiled, and speaks on every page."""

import gettext
import html
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.exchange import ROOT
from tests.pages.trading import browser_of, shard
from tests.trading.world import buy, make_account, make_market, make_user, open_market, run, sell
from trading.readmodels import projections

pytestmark = pytest.mark.one_database

__all__ = ["shard"]

LOCALE = ROOT / "locale" / "de" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|%%|\{\w*\}|</?\w+")
SPACE = "\N{NO-BREAK SPACE}"
NO_GETTEXT = "gettext is not installed here (msgfmt): see .ci/run"
# Words that the English pages show and the German ones must not.
REVEALING = [
    "Log in", "Log out", "Search markets", "Order book", "Leaderboard", "How it works",
    "Latest trades", "Sort by", "Your position", "Save", "Comments", "Notifications",
]  # fmt: skip


def read_entries():
    """Return (context, msgid, [msgstr...]) of the catalogue, header left out."""
    text = (LOCALE / "django.po").read_text()
    entries = []
    for block in text.split("\n\n")[1:]:
        parts = {}
        name = ""
        for line in block.splitlines():
            found = re.match(r'(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) "(.*)"$', line)
            if found:
                name = found[1]
                parts[name] = found[2]
            elif line.startswith('"'):
                parts[name] += line[1:-1]
        strings = [value for name, value in parts.items() if name.startswith("msgstr")]
        entries.append((parts.get("msgctxt"), parts["msgid"], parts.get("msgid_plural"), strings))
    return entries


def unescape(text):
    return text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def test_every_message_is_translated_and_none_is_a_guess():
    text = (LOCALE / "django.po").read_text()
    assert "fuzzy" not in text
    assert "\n#~" not in text
    entries = read_entries()
    assert len(entries) > 1_000
    assert [msgid for _, msgid, _, strings in entries if not all(strings)] == []


def test_placeholders_and_tags_are_the_same():
    wrong = []
    for _, msgid, plural, strings in read_entries():
        sources = [msgid, plural or msgid]
        for source, string in zip(sources, strings, strict=False):
            if sorted(PLACEHOLDER.findall(source)) != sorted(PLACEHOLDER.findall(string)):
                wrong.append((source, string))
    assert wrong == []


def test_what_is_compiled_is_what_is_written():
    with (LOCALE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for context, msgid, plural, strings in read_entries():
        if plural is None and context is None:
            assert compiled.gettext(unescape(msgid)) == unescape(strings[0])
        elif plural is None:
            assert compiled.pgettext(context, unescape(msgid)) == unescape(strings[0])


def test_nothing_visible_is_missing_in_the_catalogue(tmp_path):
    if shutil.which("xgettext") is None:
        pytest.skip(NO_GETTEXT)
    known = {(context, msgid) for context, msgid, _, _ in read_entries()}
    copy = tmp_path / "site"
    for name in ("templates", "kernel", "web", "accounts", "markets", "trading", "predex"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "locale").mkdir()
    command = [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-wrap"]
    done = subprocess.run(
        command, cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (copy / "locale/de/LC_MESSAGES/django.po").read_text()
    found = set()
    for block in text.split("\n\n")[1:]:
        context = re.search(r'^msgctxt "(.*)"$', block, re.MULTILINE)
        msgid = re.search(r'^msgid (".*"(?:\n".*")*)$', block, re.MULTILINE)
        joined = "".join(re.findall(r'"(.*)"', msgid[1]))
        found.add((context[1] if context else None, joined))
    assert found - known == set(), "run `make messages` and translate what is new"


@pytest.mark.django_db
def test_pages_speak_german(client):
    client.cookies["django_language"] = "de"
    client.force_login(make_user("alice"))
    for path in ("/", "/leaderboard/", "/portfolio/", "/help/", "/groups/", "/notifications/",
                 "/account/", "/account/notifications/", "/nothing-here/"):  # fmt: skip
        page = client.get(path).content.decode()
        assert '<html lang="de"' in page, path
        seen = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
        seen = re.sub(r"<[^>]*>", " ", seen)
        assert [word for word in REVEALING if word in seen] == [], path
    assert "0,00" in client.get("/portfolio/").content.decode()


# Three digits behind the point are thousands, unless a 0 is before it; 28.11.2026 is a day.
ENGLISH_NUMBER = re.compile(
    r"(?<![\w./-])(?:[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})|0\.[0-9]{3})(?![\w/-]|[.,][0-9])|[0-9]%"
)
NUMBERED = [
    "/", "/markets/{market}/", "/embed/{market}/", "/portfolio/", "/portfolio/orders/",
    "/portfolio/fills/", "/portfolio/transfers/", "/portfolio/money/", "/leaderboard/", "/@alice/",
    "/help/", "/notifications/", "/admin/", "/admin/markets/market/add/",
    "/admin/markets/market/{key}/change/", "/admin/markets/market/{key}/do/void/",
    "/admin/accounts/policy/1/change/", "/admin/accounts/account/",
    "/admin/accounts/account/{account}/do/grant/", "/admin/trading/order/",
    "/admin/trading/trade/", "/admin/accounts/transfer/",
]  # fmt: skip


def test_numbers_on_german_pages_have_german_signs(shard):
    alice, bob = make_account(name="alice"), make_account()
    alice.owner.is_staff = alice.owner.is_superuser = True
    alice.owner.save()
    terms = {"fee_kind": "quadratic", "fee_taker_rate": 70_000, "position_limit_lots": 1_234_550}
    market = make_market(lot_step_lots=1, **terms)
    open_market(shard, market)
    run(shard, sell(market, bob, 60, 150_050), buy(market, alice, 60, 150_050))
    run(shard, buy(market, alice, 55, 550), sell(market, bob, 64, 100))
    projections.project_market(market.pk)
    browser = browser_of(alice)
    browser.cookies["django_language"] = "de"
    names = {"market": market.slug, "key": market.pk, "account": alice.pk}
    wrong = {}
    for path in NUMBERED:
        answer = browser.get(path.format(**names))
        assert answer.status_code == 200, path
        if found := ENGLISH_NUMBER.findall(see_words(answer.content.decode())):
            wrong[path] = found
    assert wrong == {}
    page = browser.get(
        f"/markets/{market.slug}/?type=limit&price=0.62&amount=1234.5"
    ).content.decode()
    assert 'value="0,62"' in page
    assert 'value="1234,5"' in page
    assert f"60{SPACE}%" in html.unescape(page)


def see_words(page):
    """Return what is read, and what fields, labels and hints say."""
    page = re.sub(r"<(script|style|data)\b.*?>", lambda tag: f"<{tag[1]}>", page, flags=re.DOTALL)
    page = re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL)
    said = re.findall(r'<input [^>]*inputmode="decimal"[^>]*value="([^"]*)"', page)
    said += re.findall(r'(?:aria-label|title|placeholder)="([^"]*)"', page)
    return html.unescape(" | ".join([re.sub(r"<[^>]*>", " ", page), *said]))


@pytest.mark.django_db
def test_the_browser_s_language_is_taken_and_the_api_s_never_changes(client):
    german = {"Accept-Language": "de-CH,de;q=0.9"}
    assert '<html lang="de"' in client.get("/help/", headers=german).content.decode()
    answer = client.get("/api/v1/markets?limit=x", headers=german)
    assert "content-language" not in answer.headers
    assert "whole number" in answer.json()["message"] or "valid" in answer.json()["message"]
