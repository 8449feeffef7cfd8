"""Static files as production serves them: collected once, compressed, under names that change."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.browser.markets import open_market
from tests.e2e.people import PASSWORD, Person, become_operator
from tests.exchange import Exchange
from tests.patience import PATIENCE_SECONDS

PAGES = [
    "/",
    "/help/",
    "/accounts/login/",
    "/accounts/signup/",
    "/leaderboard/",
    "/markets/static/",
    "/api/docs/",
]
LINKED = re.compile(r'<(?:script|link|img)[^>]*\s(?:src|href)="([^"]+)"')
# Modules and styles name others: from "./a.js", import("./b.js"); url("c.woff2").
NAMED = {
    "js": re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']"""),
    "css": re.compile(r"""url\(["']?(?!data:)([^"')#]+)"""),
}
ADMIN_PAGES = ["/admin/", "/admin/markets/market/", "/admin/markets/event/add/"]
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


@pytest.fixture
def collected(make_exchange) -> Exchange:
    return make_exchange(
        "sqlite",
        environment={"STATIC_MANIFEST": "true"},
        prepare=lambda made: made.manage("collectstatic", "--noinput"),
    )


def test_whatever_a_page_needs_is_there_for_ever(collected):
    operator = become_operator(collected)
    open_market(operator, "static")
    with httpx.Client(base_url=collected.base_url, timeout=PATIENCE_SECONDS) as client:
        found = list(walk(client, PAGES))
        log_in(client, operator)
        found += walk(client, ADMIN_PAGES)
    assert len(found) > 40
    for response in found:
        path = response.url.path
        assert response.status_code == 200, path
        assert HASHED.search(path), path
        assert "immutable" in response.headers["Cache-Control"], path
        if path.endswith((".js", ".css")) and len(response.content) > 1_000:
            assert response.headers.get("Content-Encoding") in {"gzip", "br"}, path


def log_in(client: httpx.Client, person: Person) -> None:
    client.get("/accounts/login/")
    form = {"login": person.email, "password": PASSWORD}
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/accounts/login/", data={**form, **token}).status_code == 302


def walk(client: httpx.Client, pages: list[str]) -> Iterator[httpx.Response]:
    """Yield the answer to each static file that the pages and their files name."""
    waiting = {address for page in pages for address in list_linked(client, page)}
    seen: set[str] = set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        response = client.get(address)
        yield response
        pattern = NAMED.get(urlsplit(address).path.rpartition(".")[2])
        if pattern is not None:
            waiting |= {urljoin(address, name) for name in pattern.findall(response.text)} - seen


def list_linked(client: httpx.Client, page: str) -> Iterator[str]:
    response = client.get(page)
    assert response.status_code == 200, page
    for address in LINKED.findall(response.text):
        if address.startswith("/static/"):
            yield address.partition("#")[0]
