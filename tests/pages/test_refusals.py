"""What the exchange refuses, pages say in the viewer's language; the API's messages are English."""

import ast
from collections.abc import Iterator

import pytest
from django.utils import translation

from accounts.refusals import describe
from kernel.errors import RefusedError, not_found, too_many_requests
from kernel.units import UnitError
from markets.lifecycle import IllegalStatusChangeError
from tests.exchange import ROOT
from tests.trading.world import make_user

APPS = ("kernel", "web", "accounts", "markets", "trading")
KINDS = {"RefusedError": 2, "PayoutError": None}
"""Where the field stands among a call's arguments."""
NOT_ON_PAGES = ("api", "wire", "engine", "tests")
OF_THE_TICKET = {"sale_by_credits", "budget_too_small"}
"""`trading.pages.desk` tells these."""


def find_refusals() -> Iterator[tuple[str, str | None]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if not set(path.relative_to(ROOT).parts) & set(NOT_ON_PAGES):
                yield from _refusals_in(ast.parse(path.read_text()))


def _refusals_in(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    for call in ast.walk(tree):
        name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
        if name in KINDS and isinstance(call.args[0], ast.Constant):
            place = KINDS[name]
            at = call.args[place] if place and len(call.args) > place else None
            yield call.args[0].value, at.value if isinstance(at, ast.Constant) else None


def test_every_refusal_has_a_sentence_for_pages():
    found = set(find_refusals())
    assert len(found) > 80
    untold = [
        (code, field)
        for code, field in found
        if code not in OF_THE_TICKET
        and describe(RefusedError(code, "not told", field)) == "not told"
    ]
    assert untold == []


def test_a_sentence_is_in_the_viewers_language_and_may_depend_on_the_field():
    with translation.override("de"):
        assert describe(RefusedError("handle_taken", "x")) == "Dieser Name ist vergeben."
        assert describe(RefusedError("blank", "x", "text")) == "Schreib zuerst einen Kommentar."
        assert describe(RefusedError("blank", "x", "note")) == "Sag, was sich ändern muss."
        most = describe(RefusedError("too_many_keys", "x"))
        assert most == "Ein Konto hat höchstens 50 Schlüssel."
        assert describe(UnitError("too_many_decimals", "x")) == "Das hat zu viele Nachkommastellen."
        assert describe(too_many_requests(3)) == "Versuch es in 3 Sekunden noch einmal."
        assert describe(not_found()) == "Das wurde nicht gefunden."
    assert describe(IllegalStatusChangeError("open", "settled")) == (
        "The market's status no longer allows this."
    )
    assert describe(RefusedError("told_by_nobody", "as it is")) == "as it is"


@pytest.mark.django_db
def test_an_error_page_is_in_the_viewers_language_and_the_api_is_not(client):
    client.force_login(make_user("bob"))
    page = client.get("/create/", headers={"Accept-Language": "de"})
    assert page.status_code == 403
    assert "Hier legen nur Betreiber Märkte an." in page.content.decode()
    answer = client.get("/api/v1/markets/none/history", headers={"Accept-Language": "de"})
    assert answer.json()["message"] == "this market was not found"
