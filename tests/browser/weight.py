"""What a page makes a browser load: scripts and styles, gzipped, those that come later included."""

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import APIRequestContext

BYTES_MAX = 80_000
MARKET_BYTES_MAX = 200_000
SCRIPT = re.compile(r'<script[^>]*\ssrc="([^"]+)"')
LINK = re.compile(r"<link[^>]*>")
HREF = re.compile(r'\shref="([^"]+)"')
# Modules name modules, at the top or where they are needed: from "./a.js", import("./b.js").
IMPORTED = re.compile(r"(?:\bfrom|\bimport)\s*\(?\s*[\"'](\.[^\"']+)[\"']")


class Scales:
    """Weighs pages; what has been weighed once is not loaded again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, list[str]]] = {}

    def weigh(self, client: APIRequestContext, url: str) -> dict[str, int]:
        """Return the addresses of all that the page loads, with their bytes, heaviest first."""
        loaded: dict[str, int] = {}
        waiting = [urljoin(url, name) for name in find_linked(client.get(url).text())]
        while waiting:
            asset = waiting.pop()
            if asset in loaded or urlsplit(asset).netloc != urlsplit(url).netloc:
                continue
            if asset not in self._known:
                self._known[asset] = _load(client, asset)
            loaded[asset], imported = self._known[asset]
            waiting += imported
        return dict(sorted(loaded.items(), key=lambda pair: -pair[1]))


def find_most(path: str) -> int:
    return MARKET_BYTES_MAX if path.startswith("/markets/") else BYTES_MAX


def find_linked(text: str) -> Iterator[str]:
    yield from SCRIPT.findall(text)
    for link in LINK.findall(text):
        if 'rel="stylesheet"' in link:
            yield from HREF.findall(link)


def _load(client: APIRequestContext, asset: str) -> tuple[int, list[str]]:
    answer = client.get(asset)
    assert answer.status == 200, asset
    body = answer.body()
    is_script = urlsplit(asset).path.endswith(("js", "mjs"))
    names = IMPORTED.findall(body.decode()) if is_script else []
    return len(gzip.compress(body)), [urljoin(asset, name) for name in names]
