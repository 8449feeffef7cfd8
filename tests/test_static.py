"""Static files as production serves them: collected once, compressed, under names that change."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.exchange import Exchange
from tests.faults.seed import seed

PAGES = ["/", "/help/", "/accounts/login/", "/accounts/signup/", "/leaderboard/", "/api/docs/"]
LINKED = re.compile(r'<(?:script|link|img)[^>]*\s(?:src|href)="([^"]+)"')
# Modules and styles name others: from "./a.js", import("./b.js"); url("c.woff2").
NAMED = {
    "js": re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']"""),
    "css": re.compile(r"""url\(["']?(?!data:)([^"')#]+)"""),
}
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


@pytest.fixture
def collected(make_exchange) -> Exchange:
    def prepare(made: Exchange) -> None:
        seed(made, traders=1)
        made.manage("collectstatic", "--noinput")

    return make_exchange("sqlite", environment={"STATIC_MANIFEST": "true"}, prepare=prepare)


def test_whatever_a_page_needs_is_there_for_ever(collected):
    with httpx.Client(base_url=collected.base_url) as client:
        [market, *_] = client.get("/api/v1/markets").json()["results"]
        found = list(walk(client, [*PAGES, f"/markets/{market['slug']}/"]))
    assert len(found) > 30
    for response in found:
        path = response.url.path
        assert response.status_code == 200, path
        assert HASHED.search(path), path
        assert "immutable" in response.headers["Cache-Control"], path
        if path.endswith((".js", ".css")) and len(response.content) > 1_000:
            assert response.headers.get("Content-Encoding") in {"gzip", "br"}, path


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
