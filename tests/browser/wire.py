"""The connection between a page and the feed, which a test can cut and restore."""

import re

from playwright.sync_api import Page, WebSocketRoute

FEED = re.compile(r"/ws/v1$")


class Wire:
    """Lay it before the page is opened. A cut wire also refuses every new connection."""

    def __init__(self, page: Page) -> None:
        self.is_cut = False
        self.tries = 0
        self._ends: list[WebSocketRoute] = []
        page.route_web_socket(FEED, self._connect)

    def cut(self) -> None:
        self.is_cut = True
        for end in self._ends:
            end.close()
        self._ends.clear()

    def restore(self) -> None:
        self.is_cut = False

    def _connect(self, page_end: WebSocketRoute) -> None:
        self.tries += 1
        if self.is_cut:
            page_end.close()
            return
        self._ends += [page_end, page_end.connect_to_server()]
