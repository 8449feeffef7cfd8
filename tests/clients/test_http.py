"""`Client` and `AsyncClient` against the running program; and when they try again."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from predex.asgi import application
from predex_client import (
    AsyncClient,
    Client,
    ConflictError,
    ConnectionLostError,
    InvalidRequestError,
    KeyRequest,
    NewOrder,
    NotAuthenticatedError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    StopLoss,
    TakeProfit,
    TooManyRequestsError,
    UnexpectedAnswerError,
    describing,
    models,
)
from tests.api.exchange import run_exchange, set_user_rates
from tests.clients.conftest import PASSWORD, Town, new_name
from tests.clients.test_descriptions import METHODS
from tests.patience import PATIENCE_SECONDS

TEXTS = {"announcement": "", "updated_at": "2026-07-01T12:00:00.000000Z"}
OK = {"trading_halted": False, "maintenance": False, **TEXTS}


def test_who_registers_with_a_key_trades_with_it_at_once(town: Town) -> None:
    name = f"a{new_name()[:20]}"
    with Client(town.url) as stranger:
        made = stranger.register(f"{name}@example.org", name, PASSWORD, key=KeyRequest(name="bot"))
    assert made.handle == name
    with Client(town.url, made.key.secret) as client:
        assert client.me().scopes == ("read", "trade")
        order = client.place(town.slugs[0], "buy", 1, "0.50", client_order_id="first-1")
        assert client.cancel(order.id).client_order_id == "first-1"


def test_every_method_does_what_it_says(town: Town) -> None:
    """A tour through all of them, which is also how each kind of answer is read."""
    client, other = town.client(0), town.client(1)
    member = town.member()
    called, managed = note_calls(client), note_calls(member)
    visit_markets(client, town.slugs[0])
    trade(client, other, town.slugs[0])
    limit_orders(client, town.slugs[0])
    look_at_the_account(client)
    manage_keys(member)
    move_between_accounts(client)
    manage_webhooks(member, town.receiver.url)
    assert METHODS.keys() - called - managed == {"register", "log_in"}


def note_calls(client: Client) -> set[str]:
    """Return the set to which the names of methods are added when they are called."""
    called: set[str] = set()

    def note(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            called.add(name)
            return do(*args, **kwargs)

        return call

    for name in METHODS:
        setattr(client, name, note(name, getattr(client, name)))
    return called


def visit_markets(client: Client, slug: str) -> None:
    assert not client.exchange().trading_halted
    assert slug in {market.slug for market in client.markets(status="open")}
    market = client.market(slug)
    assert (market.status, market.tick) == ("open", Decimal("0.01"))
    assert market.close_at > datetime.now(UTC)
    assert next(client.history(slug)).to_status == "open"
    assert client.book(slug)["NO"].outcome == "NO"
    assert {price.outcome for price in client.prices(slug).prices} == {"YES", "NO"}
    assert {ticker.market for ticker in client.tickers(market=slug)} == {slug}


def trade(client: Client, other: Client, slug: str) -> None:
    preview = client.preview(slug, "buy", 10, "0.40")
    assert (preview.status, preview.hold) == ("open", Decimal(4))
    order = client.place(slug, "buy", 10, "0.40", client_order_id=new_name())
    assert order.is_open
    assert client.order(order.id).client_order_id == order.client_order_id
    assert client.order_by_client_id(order.client_order_id or "").id == order.id
    assert client.queue_position(order.id).ahead == 0
    assert [row.order_id for row in client.queue_positions(slug)] == [order.id]
    amended = client.amend(order.id, price=Decimal("0.41"), quantity=20)
    assert (amended.price, amended.quantity) == (Decimal("0.41"), 20)
    filled = other.place(slug, "sell", 20, "0.41")
    assert filled.average_price == Decimal("0.41")
    assert next(client.fills(order_id=order.id)).quantity == 20
    [position] = client.positions(market=slug)
    assert position.outcomes[0].position == 20
    assert next(client.trades(slug)).price == Decimal("0.41")
    assert wait_for_candle(client, slug).volume == 20
    bracket = client.protect(
        slug, take_profit=TakeProfit(price="0.9"), stop_loss=StopLoss(price="0.1")
    )
    assert {leg.status for leg in bracket.legs} == {"untriggered"}
    assert len(client.amend(bracket.legs[0].id, stop_loss=None).legs) == 1
    other.place(slug, "buy", 20, "0.40")
    [closed] = client.close_positions(market=slug)
    assert closed.order is not None
    assert closed.order.filled == 20
    batch = client.place_batch(
        [NewOrder(slug, "buy", 1, "0.30"), NewOrder(slug, "buy", 1, "0.303")]
    )
    assert [item.status for item in batch] == [201, 422]
    assert batch[1].error is not None
    assert batch[1].error.code == "price_off_tick"
    assert client.cancel(batch[0].order.id).status == "cancelled"
    client.place(slug, "buy", 1, "0.30")
    assert client.cancel_all(market=slug).count == 1
    assert not list(client.orders(market=slug, status="open"))


def wait_for_candle(client: Client, slug: str) -> models.Candle:
    """Candles follow trades within seconds."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        for candle in client.candles(slug, start=datetime.now(UTC) - timedelta(hours=1)):
            if candle.trades:
                return candle
        time.sleep(0.1)
    raise TimeoutError("no candle")


def limit_orders(client: Client, slug: str) -> None:
    group = client.create_order_group(100)
    assert client.change_order_group(group.id, "50.5").limit == Decimal("50.5")
    order = client.place(slug, "buy", 1, "0.20", order_group=group.id)
    assert client.order_group(group.id).orders == (order.id,)
    assert client.stop_order_group(group.id).status == "stopped"
    assert client.reset_order_group(group.id).status == "active"
    assert group.id in {row.id for row in client.order_groups()}
    assert client.end_order_group(group.id).id == group.id
    assert client.cancel_after(60) == client.cancel_timer()
    assert client.cancel_timer().cancels_at is not None
    assert client.cancel_after(0).cancels_at is None
    standing = client.create_standing_order(slug, "buy", "0.10", quantity=3)
    assert standing.id in {row.id for row in client.standing_orders()}
    assert client.stop_standing_order(standing.id).status != standing.status


def look_at_the_account(client: Client) -> None:
    assert client.me().handle == "trader0"
    assert client.limits().write.burst > 0
    account, portfolio = client.account(), client.portfolio()
    assert account.available == account.cash - account.held == portfolio.available
    assert next(client.ledger()).amount


def manage_keys(member: Client) -> None:
    ends_at = datetime.now(UTC) + timedelta(days=1)
    made = member.create_api_key("bot", networks=["203.0.113.0/24"], expires_at=ends_at)
    assert (made.scopes, made.networks, made.signs) == (
        ("read", "trade"), ("203.0.113.0/24",), False,
    )  # fmt: skip
    assert made.secret is not None
    assert made.expires_at == ends_at
    assert [key.id for key in member.api_keys()] == [made.id]
    member.revoke_api_key(made.id)
    assert next(member.api_keys()).revoked_at is not None


def move_between_accounts(client: Client) -> None:
    opened = client.open_subaccount()
    moved = client.transfer("12.5", to_subaccount=opened.subaccount, idempotency_key=new_name())
    assert (moved.from_subaccount, moved.amount) == (0, Decimal("12.5"))
    assert next(client.transfers()).id == moved.id
    assert client.subaccounts()[opened.subaccount].available == Decimal("12.5")
    client.transfer(Decimal("12.5"), from_subaccount=opened.subaccount)
    assert client.subaccounts()[opened.subaccount].available == 0


def manage_webhooks(member: Client, url: str) -> None:
    made = member.create_webhook(url, ["fill", "order_ended"])
    assert made.secret.startswith("whsec_")
    assert [hook.id for hook in member.webhooks()] == [made.id]
    assert member.change_webhook(made.id, events=["fill"]).events == ("fill",)
    ping = member.ping_webhook(made.id)
    assert ping.event == "ping"
    wait_for_delivery(member, made.id)
    assert member.redeliver(made.id, ping.id).id == ping.id
    assert not member.change_webhook(made.id, is_on=False).is_on
    assert member.webhook(made.id).switched_off_at is not None
    member.delete_webhook(made.id)
    assert not list(member.webhooks())


def wait_for_delivery(member: Client, webhook_id: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not list(member.deliveries(webhook_id, state="delivered")):
        assert time.monotonic() < give_up_at, list(member.deliveries(webhook_id))
        time.sleep(0.1)


async def test_the_same_methods_are_awaited_and_iterated_asynchronously(town: Town) -> None:
    async with AsyncClient(town.url, town.keys[0]) as client:
        slugs = {market.slug async for market in client.markets(status="open")}
        assert slugs >= set(town.slugs)
        order = await client.place(town.slugs[0], "buy", 1, "0.10")
        assert [row.id async for row in client.orders(status="open")] == [order.id]
        assert (await client.cancel(order.id)).reason == "cancelled_by_owner"
        with pytest.raises(NotFoundError):
            await client.order("0" * 32)


def test_lists_are_read_page_by_page(town: Town, monkeypatch) -> None:
    monkeypatch.setattr(describing, "PAGE_LENGTH", 1)
    client = town.client()
    placed = [client.place(town.slugs[0], "buy", 1, f"0.1{cent}").id for cent in range(3)]
    assert [order.id for order in client.orders(status="open")] == placed[::-1]


def test_errors_are_typed_and_have_code_field_and_text(town: Town) -> None:
    client, slug = town.client(), town.slugs[0]
    with pytest.raises(RefusedError) as refused:
        client.place(slug, "buy", 1, "0.505")
    fault = refused.value
    assert (fault.status, fault.code, fault.field) == (422, "price_off_tick", "price")
    assert fault.message
    assert fault.request_id
    with pytest.raises(InvalidRequestError, match="too_many_decimals"):
        client.place(slug, "buy", 1, "0.50505")
    with pytest.raises(NotFoundError):
        client.market("no-such-market")
    order = client.place(slug, "buy", 1, "0.10")
    client.cancel(order.id)
    with pytest.raises(ConflictError, match="order_not_open"):
        client.cancel(order.id)
    with pytest.raises(NotAuthenticatedError):
        Client(town.url, "pdx_nonsense").account()
    with pytest.raises(UnexpectedAnswerError):
        Client(f"{town.url}/help/api/?", "").exchange()


def test_nobody_there_is_a_connection_that_was_lost() -> None:
    with Client("http://127.0.0.1:9", patience=0.1) as client, pytest.raises(ConnectionLostError):
        client.exchange()


# --- trying again ----------------------------------------------------------------------------


@pytest.mark.one_database
async def test_over_the_limit_it_waits_as_long_as_the_exchange_says(transactional_db) -> None:
    async with run_exchange("key") as exchange:
        market, alice = await exchange.open_market(), await exchange.join()
        await set_user_rates(read=[10, 10], write=[1, 2])
        app = httpx.ASGITransport(app=application)
        began_at = time.monotonic()
        async with AsyncClient(
            "http://testserver", alice.http.headers["x-api-key"], transport=app
        ) as client:
            orders = [await client.place(market.slug, "buy", 1, "0.10") for _ in range(4)]
        assert len({order.id for order in orders}) == 4
        assert 1.5 < time.monotonic() - began_at < 9


class Script(httpx.BaseTransport):
    """Answers as it is written: a status with its code and Retry-After, or what is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, code, seconds = answer
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        body = (
            OK
            if status == 200
            else {"code": code, "message": "?", "field": None, "request_id": "r"}
        )
        return httpx.Response(status, headers=headers, content=json.dumps(body))


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    seen: list[float] = []
    monkeypatch.setattr(time, "sleep", seen.append)
    return seen


LOST = httpx.ReadError("gone")
BUSY = (429, "too_many_requests", 3)
FAILED = (500, "internal_error", None)
FINE = (200, "", None)


def scripted(*answers: Any, patience: float = 10) -> tuple[Client, Script]:
    script = Script(*answers)
    return Client("http://x", "k", transport=script, patience=patience), script


def test_what_reads_is_asked_again_until_it_is_answered(pauses) -> None:
    client, script = scripted(LOST, FAILED, BUSY, (503, "unavailable", None), FINE)
    assert not client.exchange().maintenance
    assert len(script.requests) == 5
    assert pauses[2] == 3
    assert all(0 < pause <= 2 for pause in pauses[:2])


def test_an_order_is_sent_again_as_the_same_order(pauses) -> None:
    client, script = scripted(LOST, FAILED, (422, "insufficient_funds", None))
    with pytest.raises(RefusedError):
        client.place("rain", "buy", 1, "0.5")
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    client, script = scripted(LOST, (422, "insufficient_funds", None))
    with pytest.raises(RefusedError):
        client.place("rain", "buy", 1, "0.5", client_order_id="mine")
    assert len(script.requests) == 2
    assert "Idempotency-Key" not in script.requests[0].headers
    assert {json.loads(request.content)["client_order_id"] for request in script.requests} == {
        "mine"
    }


def test_what_is_not_safe_to_repeat_is_repeated_only_where_nothing_was_done(pauses) -> None:
    client, script = scripted(BUSY, (503, "engine_away", 1), LOST)
    with pytest.raises(ConnectionLostError):
        client.create_order_group(10)
    assert pauses == [3, 1]
    client, script = scripted(FAILED)
    with pytest.raises(OutcomeUnknownError):
        client.create_order_group(10)
    assert len(script.requests) == 1


def test_a_client_that_is_out_of_patience_says_so(pauses) -> None:
    client, _ = scripted((429, "too_many_requests", 11))
    with pytest.raises(TooManyRequestsError) as fault:
        client.exchange()
    assert fault.value.retry_after == 11
    client, _ = scripted(LOST, patience=0)
    with pytest.raises(ConnectionLostError):
        client.exchange()
    assert pauses == []


def test_an_address_without_a_scheme_is_refused_at_once():
    for client in (Client, AsyncClient):
        with pytest.raises(ValueError, match="does not begin with http"):
            client("127.0.0.1:8000")
