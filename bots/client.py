"""Shared by the bots: an HTTP API client, and a main loop that survives errors.

    client = Client("http://127.0.0.1:8000", "pdx_...")
    client.call("POST", "orders", {"market": "some-market", "side": "buy", ...})

Standard library only. A bot implements `begin` (initialise) and `step` (repeated); whenever the
exchange is unreachable, busy or silent, `run` waits and starts again with `begin`.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 15
PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0
PAGE_LENGTH = 100
NOT_ALLOWED = (401, 403)
TROUBLES = (429, 500, 502, 503, 504)

Json = dict[str, Any]


class RequestRefusedError(Exception):
    """The exchange refused a request: its status, code and Retry-After, if any."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_seconds: float = 0
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_trouble(self) -> bool:
        """Whether the exchange is overloaded or failing, rather than the request wrong."""
        return self.status in TROUBLES


class Client:
    """One account's keep-alive connection. Raises RequestRefusedError, OSError, HTTPException."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        is_https = address.scheme == "https"
        connect = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
        self.connection = connect(address.netloc, timeout=TIMEOUT_SECONDS)
        self.headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Json | None = None, **query: str) -> Any:
        """Return the answer's JSON; `path` is below /api/v1/."""
        target = f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            self.connection.request(method, target, data, self.headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()  # the next call reconnects
            raise
        if answer.status < 400:
            return json.loads(content)
        raise _read_refusal(answer.status, content, answer.getheader("Retry-After"))

    def list(self, path: str, **query: str) -> Iterator[Json]:
        """Yield the rows of a list, page by page."""
        query["limit"] = str(PAGE_LENGTH)
        while True:
            page = self.call("GET", path, None, **query)
            yield from page["results"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]


class Bot(Protocol):
    def begin(self) -> None:
        """Read the exchange's state from scratch: what was known may be outdated."""

    def step(self) -> float:
        """Do one unit of work; return the seconds to wait before the next step."""


def run(bot: Bot) -> None:
    """Run a bot until it is interrupted, loses its permission, or its parent process ends."""
    pause_seconds = PAUSE_SECONDS_MIN
    while not is_orphan():
        try:
            bot.begin()
            while not is_orphan():
                time.sleep(bot.step())
                pause_seconds = PAUSE_SECONDS_MIN
        except KeyboardInterrupt:
            return
        except RequestRefusedError as refusal:
            if refusal.status in NOT_ALLOWED:
                sys.exit(f"{sys.argv[0]}: {refusal}")
            pause_seconds = max(pause_seconds, refusal.retry_after_seconds)
        except (OSError, http.client.HTTPException):
            pass  # the exchange is unreachable: try again
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)


def is_orphan() -> bool:
    """Whether the parent process has ended, if it asked to be followed."""
    followed = os.environ.get("PREDEX_FOLLOW")
    return followed is not None and os.getppid() != int(followed)


def connect_from_environment() -> Client:
    """Return a client for PREDEX_URL (default: this machine) with PREDEX_KEY."""
    if "PREDEX_KEY" not in os.environ:
        sys.exit("set PREDEX_KEY to an API key that may trade")
    return Client(os.environ.get("PREDEX_URL", "http://127.0.0.1:8000"), os.environ["PREDEX_KEY"])


def _read_refusal(status: int, content: bytes, retry_after: str | None) -> RequestRefusedError:
    try:
        fault = json.loads(content)
        code, message = fault["code"], fault["message"]
    except (ValueError, KeyError, TypeError):
        code, message = "error", content[:200].decode(errors="replace")
    wait = float(retry_after) if retry_after and retry_after.isdecimal() else 0
    return RequestRefusedError(status, code, message, wait)
