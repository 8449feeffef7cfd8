"""What the exchange refuses, pages say in the viewer's language; the API's messages are English."""

from pathlib import Path

import pytest
from django.utils import translation

from kernel.error_codes import ERROR_CODES
from kernel.errors import ApiError, RefusedError, describe, not_found, too_many_requests
from kernel.units import UnitError
from markets.lifecycle import IllegalStatusChangeError
from tests.api.codes import find_raised
from tests.trading.world import make_user

pytestmark = pytest.mark.one_database

NOT_ON_PAGES = ("api", "wire", "feed", "predex", "web")
OF_THE_API = {"bad_idempotency_key", "invalid_credentials", "too_many_requests", "token_expired"}
OF_FORMS = {"too_small", "unknown_user"}
"""Codes of a form's own ValidationError, which says its sentence."""


def test_whatever_a_page_can_refuse_has_a_sentence_for_it():
    found = {
        raised.code
        for raised in find_raised()
        if not set(Path(raised.path).parts) & {*NOT_ON_PAGES}
    }
    assert len(found) > 80
    assert {code for code in found if ERROR_CODES[code].page_text is None} <= OF_THE_API | OF_FORMS


def test_a_sentence_is_in_the_viewers_language_and_may_depend_on_the_field():
    with translation.override("de"):
        assert describe(RefusedError("handle_taken")) == "Dieser Name ist vergeben."
        assert describe(RefusedError("blank.comment")) == "Schreib zuerst einen Kommentar."
        assert describe(RefusedError("blank.note")) == "Sag, was sich ändern muss."
        most = describe(RefusedError("too_many_keys", count=50))
        assert most == "Ein Konto hat höchstens 50 Schlüssel."
        assert describe(UnitError("number_too_large")) == "Diese Zahl ist zu groß."
        assert describe(too_many_requests(3)).endswith("Versuch es in 3 Sekunden noch einmal.")
        assert describe(not_found()) == "Das wurde nicht gefunden."
    assert describe(IllegalStatusChangeError("open", "settled")) == (
        "The market's status no longer allows this."
    )
    assert describe(ApiError("bad_json")) == "That did not work. Try again in a moment."


@pytest.mark.django_db
def test_an_error_page_is_in_the_viewers_language_and_the_api_is_not(client):
    client.force_login(make_user("bob"))
    page = client.get("/create/", headers={"Accept-Language": "de"})
    assert page.status_code == 403
    assert "Hier legen nur Betreiber Märkte an." in page.content.decode()
    answer = client.get("/api/v1/markets/none/history", headers={"Accept-Language": "de"})
    assert answer.json()["message"] == "this market was not found"
