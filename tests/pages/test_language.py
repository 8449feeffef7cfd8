"""The second language is complete, compiled, and speaks on every page."""

import gettext
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.exchange import ROOT
from tests.trading.world import make_user

LOCALE = ROOT / "locale" / "de" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|%%|\{\w*\}|</?\w+")
NO_GETTEXT = "gettext is not installed here (msgfmt): see .ci/run"
# Words that the English pages show and the German ones must not.
TELLING = [
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
    for name in ("templates", "accounts", "markets", "trading", "predex"):
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
        assert [word for word in TELLING if word in seen] == [], path
    assert "0,00" in client.get("/portfolio/").content.decode()


@pytest.mark.django_db
def test_the_browser_s_language_is_taken_and_the_api_s_never_changes(client):
    german = {"Accept-Language": "de-CH,de;q=0.9"}
    assert '<html lang="de"' in client.get("/help/", headers=german).content.decode()
    answer = client.get("/api/v1/markets?limit=x", headers=german)
    assert "content-language" not in answer.headers
    assert "whole number" in answer.json()["message"] or "valid" in answer.json()["message"]
