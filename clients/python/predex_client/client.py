"""The HTTP API: `Client`, and `AsyncClient` for asyncio. Both have the methods of `Endpoints`."""

import asyncio
import json
import os
import time
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from predex_client.endpoints import Endpoints
from predex_client.errors import (
    UNREADABLE,
    ConnectionLostError,
    PredexError,
    UnexpectedAnswerError,
    build_error,
)
from predex_client.requests import AsyncSender, Attempts, Request, Sender
from predex_client.signing import Signer
from predex_client.values import encode

T = TypeVar("T")
HERE = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 15.0
PATIENCE_SECONDS = 10.0


class Client(Sender, Endpoints):
    """An exchange as one account sees it; without a key, as anybody does.

    `url` and `key` are those of PREDEX_URL and PREDEX_KEY if they are not given; an access token
    may stand in a key's place, and a `signer` signs each request instead. For `patience` seconds a
    request waits while the exchange is busy or away, and is sent again where that is safe.
    Unsuccessful requests raise a `PredexError`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        signer: Signer | None = None,
        timeout: float = TIMEOUT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._patience = patience
        options = build_options(url, key, signer)
        self._http = httpx.Client(**options, timeout=timeout, transport=transport)

    def send(self, request: Request[T]) -> T:
        attempts = Attempts(request, self._patience)
        while True:
            try:
                return read_answer(request, self._exchange(request))
            except PredexError as fault:
                pause = attempts.find_pause(fault)
            time.sleep(pause)

    def _exchange(self, request: Request[Any]) -> httpx.Response:
        try:
            return self._http.request(**build_arguments(request))
        except httpx.TransportError as fault:
            raise ConnectionLostError(str(fault) or type(fault).__name__) from fault

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(AsyncSender, Endpoints):
    """`Client` for asyncio: its methods are awaited, its lists are asynchronous iterators."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        signer: Signer | None = None,
        timeout: float = TIMEOUT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience
        options = build_options(url, key, signer)
        self._http = httpx.AsyncClient(**options, timeout=timeout, transport=transport)

    async def send(self, request: Request[T]) -> T:
        attempts = Attempts(request, self._patience)
        while True:
            try:
                return read_answer(request, await self._exchange(request))
            except PredexError as fault:
                pause = attempts.find_pause(fault)
            await asyncio.sleep(pause)

    async def _exchange(self, request: Request[Any]) -> httpx.Response:
        try:
            return await self._http.request(**build_arguments(request))
        except httpx.TransportError as fault:
            raise ConnectionLostError(str(fault) or type(fault).__name__) from fault

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def build_options(url: str | None, key: str | None, signer: Signer | None) -> dict[str, Any]:
    """Return the options of httpx's clients."""
    return {
        "base_url": f"{find_url(url)}/api/v1/",
        "headers": build_headers(key, signer),
        "auth": None if signer is None else signer.sign_request,
    }


def find_url(url: str | None) -> str:
    url = url or os.environ.get("PREDEX_URL", HERE)
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} does not begin with http:// or https://")
    return url.rstrip("/")


def build_headers(key: str | None, signer: Signer | None) -> dict[str, str]:
    """Return the headers that all requests have."""
    if signer is not None:
        if key:
            raise ValueError("give a key or a signer, not both")
        return {}
    key = os.environ.get("PREDEX_KEY") if key is None else key
    return {"X-API-Key": key} if key else {}


def build_arguments(request: Request[Any]) -> dict[str, Any]:
    """Return the arguments of httpx's `request`."""
    params = {name: quote(value, safe="") for name, value in request.params.items()}
    arguments: dict[str, Any] = {
        "method": request.method,
        "url": request.path.format(**params),
        "params": encode(request.query) or None,
    }
    if request.body is not None:
        arguments["json"] = encode(request.body)
    if request.idempotency_key is not None:
        arguments["headers"] = {"Idempotency-Key": request.idempotency_key}
    return arguments


def read_answer(request: Request[T], response: httpx.Response) -> T:
    if not response.is_success:
        raise read_error(response.status_code, response.headers.get("Retry-After"), response.text)
    try:
        return request.read(response.json() if response.content else None)
    except UNREADABLE as fault:
        raise UnexpectedAnswerError(f"{response.url}: {fault}") from fault


def read_error(status: int, retry_after: str | None, text: str) -> PredexError:
    """Return the exception for an HTTP answer that is an error."""
    try:
        body = json.loads(text)
    except ValueError:
        body = " ".join(text.split())[:200]
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return build_error(status, body, seconds)
