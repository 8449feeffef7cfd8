"""Requests of venues: JSON with exact numbers, and patience where a venue asks for it."""

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import httpx

from bots.engine.venues.base import VenueError

TIMEOUT_SECONDS: Final = 10.0
READ_ATTEMPTS_MAX: Final = 5
PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 10.0
TOO_MANY: Final = 429


class StatusError(VenueError):
    """An answer that is an error; below 500 the venue has refused, and done nothing."""

    def __init__(self, response: httpx.Response) -> None:
        text = " ".join(response.text.split())
        super().__init__(f"{response.url}: {response.status_code} {text[:300]}")
        self.status = response.status_code

    @property
    def is_refusal(self) -> bool:
        return self.status < 500


def read_json(response: httpx.Response) -> Any:
    if not response.is_success:
        raise StatusError(response)
    try:
        return json.loads(response.text, parse_float=Decimal) if response.content else None
    except ValueError:
        raise VenueError(f"{response.url}: no JSON; is the address right?") from None


async def get_json(http: httpx.AsyncClient, path: str, params: Any = None) -> Any:
    """Read something, again if the venue is away or asks to wait."""
    for attempt in range(1, READ_ATTEMPTS_MAX + 1):
        try:
            return read_json(await http.get(path, params=params))
        except (httpx.TransportError, StatusError) as fault:
            is_final = isinstance(fault, StatusError) and fault.is_refusal
            if attempt == READ_ATTEMPTS_MAX or (is_final and fault.status != TOO_MANY):  # type: ignore[union-attr]
                raise
        await asyncio.sleep(min(PAUSE_SECONDS * 2**attempt, PAUSE_SECONDS_MAX))
    raise AssertionError("the last attempt returns or raises")


def build_http(url: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, headers=dict(headers or {}), timeout=TIMEOUT_SECONDS, follow_redirects=False
    )
