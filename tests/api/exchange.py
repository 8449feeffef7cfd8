"""A whole exchange inside the test: engine, ASGI application and callers in one event loop.

A `Caller` authenticates with one of two credentials: "session" (cookie and CSRF, answered by
Django's views) or "key" (X-API-Key, answered by the order app).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from allauth.account.models import EmailAddress
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.test import Client

from accounts.actions import do_create_api_key
from accounts.models import Account, Policy
from accounts.policy import forget
from kernel import cache
from markets.models import Market
from predex.asgi import application
from tests.contract import check_answer
from tests.trading import world
from trading.engine.commands import Configure
from trading.engine.types import MarketStatus
from trading.pipeline.config import config_of
from trading.pipeline.gateway import EngineAway, get_gateway
from trading.pipeline.messages import Task
from trading.pipeline.worker import run_worker
from trading.readmodels.market_data import _listed, _summaries
from trading.readmodels.projections import project_market
from web import limits

CSRF = "x" * 32
API = "http://testserver/api/v1/"


class Caller:
    """An account and the credential with which it calls. Methods return httpx responses."""

    def __init__(self, account: Account | None, headers: dict[str, str], cookies: dict[str, str]):
        self.account = account
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(
            transport=transport,
            base_url=API,
            headers=headers,
            cookies=cookies,
            event_hooks={"response": [hold_against_the_schema]},
        )

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query or None)

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", **options: Any
    ) -> httpx.Response:
        """`body` is JSON as an object, or bytes to send as they are."""
        headers = {"Idempotency-Key": key} if key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            options["content"] = content
        headers |= options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def place(self, market: Market, text: str, **fields: Any) -> httpx.Response:
        """`text` is "buy 10 YES @ 0.60", or without its price a market order."""
        return await self.send("POST", "orders", order(market, text, **fields))

    async def placed(self, market: Market, text: str, **fields: Any) -> dict[str, Any]:
        answer = await self.place(market, text, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def cancel(self, order_id: str, **options: Any) -> httpx.Response:
        return await self.send("DELETE", f"orders/{order_id}", **options)

    async def amend(self, order_id: str, **fields: Any) -> httpx.Response:
        key = fields.pop("key", "")
        return await self.send("PATCH", f"orders/{order_id}", fields, key=key)

    async def book(self, market: Market) -> dict[str, Any]:
        """Return {outcome: (bids, asks)} with prices and quantities as sent."""
        answer = await self.get(f"markets/{market.slug}/book")
        assert answer.status_code == 200, answer.text
        return {book["outcome"]: (book["bids"], book["asks"]) for book in answer.json()["books"]}


async def hold_against_the_schema(answer: httpx.Response) -> None:
    body, request = await answer.aread(), answer.request
    await sync_to_async(check_answer)(request.method, request.url.path, answer.status_code, body)


def order(market: Market, text: str, **fields: Any) -> dict[str, Any]:
    side, quantity, outcome, *price = text.split()
    body = {"market": market.slug, "side": side, "outcome": outcome, "quantity": quantity, **fields}
    if price:
        return {"price": price[1], **body}
    return {"type": "market", **body}


class ExchangeInside:
    """Makes markets and callers; `credential` is what its callers use by default."""

    def __init__(self, credential: str) -> None:
        self.credential = credential
        self.stop = asyncio.Event()
        self.engine: asyncio.Task[None] | None = None
        self.callers: list[Caller] = []

    async def start_engine(self) -> None:
        self.stop.clear()
        self.engine = asyncio.create_task(run_worker([0], stop=self.stop))

    async def stop_engine(self) -> None:
        self.stop.set()
        assert self.engine is not None
        await self.engine

    async def join(self, credits: int = 1_000, *, scopes: tuple[str, ...] = ("read", "trade")):
        account = await sync_to_async(world.make_account)(credits)
        return await self.call_as(account, scopes=scopes)

    async def call_as(
        self, account: Account, *, scopes: tuple[str, ...] = ("read", "trade"), credential: str = ""
    ) -> Caller:
        await sync_to_async(verify_email)(account)
        if (credential or self.credential) == "session":
            session = await sync_to_async(log_in)(account)
            cookies = {"sessionid": session, "csrftoken": CSRF}
            caller = Caller(account, {"X-CSRFToken": CSRF}, cookies)
        else:
            caller = Caller(account, {"X-API-Key": await make_key(account, scopes)}, {})
        self.callers.append(caller)
        return caller

    def stranger(self) -> Caller:
        caller = Caller(None, {}, {})
        self.callers.append(caller)
        return caller

    async def open_market(self, **fields: Any) -> Market:
        market = await sync_to_async(world.make_market)(**fields)
        await self.configure(market, MarketStatus.OPEN)
        return market

    async def configure(self, market: Market, status: MarketStatus) -> None:
        config = await sync_to_async(config_of)(market)
        tasks = [Task(0, market.id, Configure(status, config))]
        try:
            [answer] = await get_gateway().send(tasks)
        except EngineAway:  # its heartbeat is late on a busy machine
            await asyncio.sleep(1)
            [answer] = await get_gateway().send(tasks)
        assert answer.status == "done"
        assert answer.result is not None
        assert answer.result.reason is None


@contextlib.asynccontextmanager
async def run_exchange(credential: str) -> AsyncIterator[ExchangeInside]:
    exchange = ExchangeInside(credential)
    await exchange.start_engine()
    try:
        yield exchange
    finally:
        for caller in exchange.callers:
            await caller.http.aclose()
        await get_gateway().close()
        await exchange.stop_engine()
        await get_channel_layer().flush()


def verify_email(account: Account) -> None:
    """Needed for trading, except in an embedded exchange."""
    user = account.owner
    assert user is not None
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True})


def log_in(account: Account) -> str:
    client = Client()
    client.force_login(account.owner, backend="accounts.backends.Backend")
    return client.cookies["sessionid"].value


async def make_key(account: Account, scopes: tuple[str, ...]) -> str:
    make = sync_to_async(do_create_api_key)
    _, secret = await make(account, name="test", scopes=scopes, by=None)
    return secret


async def trade(market, buyer, seller, price, quantity):
    await seller.placed(market, f"sell {quantity} YES @ {price}")
    return await buyer.placed(market, f"buy {quantity} YES @ {price}")


@sync_to_async
def derive(market):
    project_market(market.pk)
    _summaries.forget()
    _listed.forget()


@sync_to_async
def set_user_rates(**rates):
    policy = Policy.objects.get(pk=1)
    policy.rate_limits["user"] = rates
    policy.save()
    forget()
    cache.forget_all()
    limits.reset()
