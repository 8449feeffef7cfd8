"""Browsers at a market's page: forms go through the whole exchange inside the test."""

import html
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from markets.models import Market
from tests.api.exchange import Caller, ExchangeInside, run_exchange

SITE = "http://testserver"
HTMX = {"HX-Request": "true"}


@pytest.fixture
async def inside(transactional_db: None) -> AsyncIterator[ExchangeInside]:
    async with run_exchange("session") as exchange:
        yield exchange


@pytest.fixture
async def alice(inside: ExchangeInside) -> Caller:
    """1,000 credits."""
    return await inside.join()


@pytest.fixture
async def bob(inside: ExchangeInside) -> Caller:
    """1,000 credits."""
    return await inside.join()


def path(market: Market, rest: str = "") -> str:
    return f"{SITE}/markets/{market.slug}/{rest}"


async def see(caller: Caller, market: Market, rest: str = "", *, htmx: bool = False) -> str:
    answer = await caller.http.get(path(market, rest), headers=HTMX if htmx else {})
    assert answer.status_code == 200, answer.text
    return answer.text


async def send(
    caller: Caller, market: Market, rest: str, *, htmx: bool = True, **fields: Any
) -> httpx.Response:
    return await caller.http.post(path(market, rest), data=fields, headers=HTMX if htmx else {})


def read_lines(text: str) -> dict[str, str]:
    """Return the summary's lines: the API's own text where there is one, else what is shown."""
    lines = {}
    for name, inside in re.findall(r'data-line="(\w+)">(.*?)</dd>', text, re.DOTALL):
        value = re.search(r'<data value="([^"]*)"', inside)
        lines[name] = value[1] if value else html.unescape(re.sub("<[^>]*>", "", inside)).strip()
    return lines


def read_errors(text: str) -> dict[str, str]:
    """Return the words beside each field, "" being the form."""
    found = re.findall(r'<p id="ticket-error-(\w*)"[^>]*>(.*?)</p>', text, re.DOTALL)
    words = {name: html.unescape(re.sub("<[^>]*>", "", text)).strip() for name, text in found}
    return {name: text for name, text in words.items() if text}


def read_key(text: str) -> str:
    """Return the client order id of a ticket."""
    found = re.search(r'name="client_order_id" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def read_toast(text: str) -> str:
    found = re.search(r"data-toast>\s*<span>(.*?)</span>", text, re.DOTALL)
    return html.unescape(found[1]).strip() if found else ""
