"""What a page makes a browser load: scripts and styles, gzipped, those that come later included."""

import gzip
import re
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import APIRequestContext, Page

BYTES_MAX = 80_000
MARKET_BYTES_MAX = 200_000
FIND_LINKED = """
() => [...document.querySelectorAll("script[src], link[rel=stylesheet]")]
  .map(({ src, href }) => src ?? href)
"""
# Modules name modules, at the top or where they are needed: from "./a.js", import("./b.js").
IMPORTED = re.compile(r"(?:\bfrom|\bimport)\s*\(?\s*[\"'](\.[^\"']+)[\"']")


class Scales:
    """Weighs pages; what has been weighed once is not loaded again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, list[str]]] = {}

    def weigh(self, page: Page) -> dict[str, int]:
        """Return the addresses of all that the page loads, with their bytes, heaviest first."""
        loaded: dict[str, int] = {}
        waiting: list[str] = page.evaluate(FIND_LINKED)
        while waiting:
            asset = waiting.pop()
            if asset in loaded or urlsplit(asset).netloc != urlsplit(page.url).netloc:
                continue
            if asset not in self._known:
                self._known[asset] = _load(page.context.request, asset)
            loaded[asset], imported = self._known[asset]
            waiting += imported
        return dict(sorted(loaded.items(), key=lambda pair: -pair[1]))


def find_most(path: str) -> int:
    return MARKET_BYTES_MAX if path.startswith("/markets/") else BYTES_MAX


def _load(client: APIRequestContext, asset: str) -> tuple[int, list[str]]:
    answer = client.get(asset)
    assert answer.status == 200, asset
    body = answer.body()
    is_script = urlsplit(asset).path.endswith(("js", "mjs"))
    names = IMPORTED.findall(body.decode()) if is_script else []
    return len(gzip.compress(body)), [urljoin(asset, name) for name in names]
