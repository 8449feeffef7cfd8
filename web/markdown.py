"""Pages as Markdown, for programs that read texts: made from the page itself, so that they agree.

`as_markdown(view)` is the view at the page's second address, as `/help.md` is of `/help/`. What the
page has in `<main>` is written: headings, paragraphs, lists, tables, definitions, links, examples.
"""

from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urljoin

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

CONTENT_TYPE: Final = "text/markdown; charset=utf-8"
LEFT_OUT: Final = frozenset({"nav", "button", "svg", "script", "style", "form", "caption"})
BLOCKS: Final = frozenset({"p", "div", "section", "ul", "ol", "dl", "table", "pre", "main"})
CODE: Final = "```"

View = Callable[..., HttpResponse]


def as_markdown(view: View) -> View:
    """Return the view of a page's Markdown copy."""

    @require_safe
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        page = view(request, *args, **kwargs)
        text = convert(page.content.decode(), settings.SITE_URL)
        return HttpResponse(text, content_type=CONTENT_TYPE)

    return shown


def convert(html: str, site_url: str) -> str:
    """Return a page's main part as Markdown, with whole addresses."""
    writer = _Writer(site_url)
    writer.feed(html)
    writer.close()
    return "\n\n".join(writer.blocks) + "\n"


class _Writer(HTMLParser):
    """Collects text, and ends it as a block where an element of HTML does."""

    def __init__(self, site_url: str) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self._site_url = site_url
        self._is_inside = False
        self._left_out: list[str] = []
        self._text = ""
        self._is_code = False
        self._lists: list[str] = []
        self._items: list[str] = []
        self._rows: list[list[str]] = []
        self._href = ""
        self._ends: dict[str, Callable[[], None]] = {
            **dict.fromkeys(BLOCKS, self._end_block),
            **{f"h{level}": partial(self._end_block, "#" * level + " ") for level in range(1, 7)},
            **dict.fromkeys(("td", "th"), self._end_cell),
            **dict.fromkeys(("ul", "ol", "dl"), self._end_list),
            **{tag: partial(self._end_item, tag) for tag in ("li", "dt", "dd")},
            "table": self._end_table,
            "a": self._end_link,
            "code": self._end_code,
            "pre": self._end_example,
            "main": self._end_main,
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "main":
            self._is_inside = True
        if not self._is_inside:
            return
        if tag in LEFT_OUT:
            self._left_out.append(tag)
        if self._left_out:
            return
        if tag in BLOCKS:
            self._end_block()
        if tag in ("ul", "ol", "dl"):
            self._lists.append(tag)
        elif tag == "tr":
            self._rows.append([])
        elif tag == "pre":
            self._is_code = True
        elif tag == "a":
            self._href = urljoin(self._site_url, dict(attrs).get("href") or "")
            self._text += "["
        elif tag == "code" and not self._is_code:
            self._text += "`"

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            if tag == self._left_out[-1]:
                self._left_out.pop()
        elif self._is_inside and tag in self._ends:
            self._ends[tag]()

    def handle_data(self, data: str) -> None:
        if self._is_inside and not self._left_out:
            self._text += data

    def _take_text(self) -> str:
        text, self._text = " ".join(self._text.split()), ""
        return text

    def _end_block(self, mark: str = "") -> None:
        text = self._take_text()
        if text and not self._lists:
            self.blocks.append(mark + text)
        elif text:
            self._text = text  # a paragraph of an item is part of it

    def _end_main(self) -> None:
        self._end_block()
        self._is_inside = False

    def _end_link(self) -> None:
        self._text += f"]({self._href})"

    def _end_code(self) -> None:
        if not self._is_code:
            self._text += "`"

    def _end_example(self) -> None:
        self.blocks.append(f"{CODE}\n{self._text.strip()}\n{CODE}")
        self._text, self._is_code = "", False

    def _end_cell(self) -> None:
        self._rows[-1].append(self._take_text())

    def _end_item(self, tag: str) -> None:
        text = self._take_text()
        if tag == "dt":
            self._text = f"**{text}**: "
            return
        mark = f"{len(self._items) + 1}." if self._lists[-1] == "ol" else "-"
        self._items.append(f"{mark} {text}")

    def _end_list(self) -> None:
        self._lists.pop()
        self.blocks.append("\n".join(self._items))
        self._items = []

    def _end_table(self) -> None:
        head, *rows = self._rows
        lines = [head, ["---"] * len(head), *rows]
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        self._rows = []
