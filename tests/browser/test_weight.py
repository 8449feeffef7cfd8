"""What a page makes a browser load: scripts and styles, gzipped, those that come later included."""

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import APIRequestContext, Browser

from tests.browser.stops import STOPS, Stop
from tests.browser.town import Town
from tests.browser.visitors import Visitor
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(300)  # a whole site is started and filled first

BYTES_MAX = 80_000
MARKET_BYTES_MAX = 200_000
SCRIPT = re.compile(r'<script[^>]*\ssrc="([^"]+)"')
LINK = re.compile(r"<link[^>]*>")
HREF = re.compile(r'\shref="([^"]+)"')
# Modules name modules, at the top or where they are needed: from "./a.js", import("./b.js").
IMPORTED = re.compile(r"(?:\bfrom|\bimport)\s*\(?\s*[\"'](\.[^\"']+)[\"']")
PAGES = list(dict.fromkeys(stop._replace(status=200) for stop in STOPS if stop.status == 200))


@pytest.fixture(scope="module")
def visitors(chromium: Browser, site: Exchange, town: Town) -> Iterator[dict[str, Visitor]]:
    made = {handle: Visitor(chromium, site.base_url) for handle in town.people}
    for handle, person in town.people.items():
        if person is not None:
            made[handle].log_in(person)
    yield made
    for visitor in made.values():
        visitor.close()


@pytest.fixture(scope="module")
def weights() -> dict[str, int]:
    """What has been weighed: address -> bytes."""
    return {}


@pytest.mark.parametrize("stop", PAGES, ids=[f"{stop.viewer}-{stop.path}" for stop in PAGES])
def test_the_page_is_light(
    visitors: dict[str, Visitor], town: Town, weights: dict[str, int], stop: Stop
):
    client = visitors[stop.viewer].context.request
    page = client.get(stop.path.format(**town.names))
    assert page.status == 200
    loaded = load(client, page.url, page.text(), weights)
    heaviest = sorted(loaded.items(), key=lambda pair: -pair[1])
    assert sum(loaded.values()) <= find_most(stop), heaviest


def find_most(stop: Stop) -> int:
    return MARKET_BYTES_MAX if stop.path.startswith("/markets/") else BYTES_MAX


def load(client: APIRequestContext, url: str, text: str, weights: dict[str, int]) -> dict[str, int]:
    """Return the addresses of all that the page loads, with their bytes."""
    loaded: dict[str, int] = {}
    waiting = [urljoin(url, name) for name in find_linked(text)]
    while waiting:
        asset = waiting.pop()
        if asset in loaded or urlsplit(asset).netloc != urlsplit(url).netloc:
            continue
        body = client.get(asset).body()
        loaded[asset] = weights.setdefault(asset, len(gzip.compress(body)))
        if urlsplit(asset).path.endswith(("js", "mjs")):
            waiting += [urljoin(asset, name) for name in IMPORTED.findall(body.decode())]
    return loaded


def find_linked(text: str) -> Iterator[str]:
    yield from SCRIPT.findall(text)
    for link in LINK.findall(text):
        if 'rel="stylesheet"' in link:
            yield from HREF.findall(link)
