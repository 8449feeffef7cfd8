"""Traders that never stop asking until they know: place, amend, cancel and batch under load.

Every request has a client order id or an Idempotency-Key. When its outcome is unknown (connection
lost, 503, 504) it is sent again under the same one. `Load` remembers each answer, so that
`tests.faults.audit` can hold the database against what was acknowledged.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.faults.seed import Market, Trader
from tests.faults.wire import LOST, Connection, Reply

RETRY_SECONDS = 0.1
RECONNECT_SECONDS = 0.2
SETTLE_SECONDS_MAX = 45
RECOVER_SECONDS_MAX = 30
NEWCOMER_SECONDS = 0.2
OPEN_ORDERS_MAX = 40
"""Of one session; the book stays small."""
BATCH_ORDERS = 5
AGAIN = (429, 503, 504)
ENDED = ("filled", "cancelled", "expired")
OVER = ("order_not_open", "market_not_open", "market_closed")
"""Refusals because an order or a market has ended."""


class Placed:
    """One client order id: what was asked for, its first answer, and the latest state seen."""

    __slots__ = ("account_id", "answer", "request", "state", "status", "trades")

    def __init__(self, account_id: int, request: dict[str, Any], status: int, answer: Any) -> None:
        self.account_id = account_id
        self.request = request
        self.status = status
        self.answer = answer
        self.state: dict[str, Any] | None = None
        self.trades: list[dict[str, Any]] = []
        if status == 201:
            self.see(answer)

    @property
    def is_open(self) -> bool:
        return self.state is not None and self.state["status"] not in ENDED

    def see(self, state: dict[str, Any]) -> None:
        """Take in a later answer about the order."""
        self.trades += state["trades"]
        if self.state is None or state["seq"] > self.state["seq"]:
            self.state = state


class Load:
    """Sessions of several traders against one running exchange; an async context manager."""

    def __init__(
        self,
        port: int,
        traders: list[Trader],
        markets: list[Market],
        *,
        seed: int,
        sessions_each: int = 3,
    ) -> None:
        self.port = port
        self.traders = traders
        self.markets = [market.slug for market in markets]
        self.seed = seed
        self.random = random.Random(seed)
        self.placed: dict[str, Placed] = {}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.sessions = [
            Session(self, trader, name=f"{seed}-{trader.handle}-{number}")
            for trader in traders
            for number in range(sessions_each)
        ]
        self.newcomers = 0
        self._settled: list[tuple[float, float]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self.resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self.sessions:
            session.connection.close()

    async def run(self, seconds: float) -> None:
        """Let the load go on for so long; raise what a session died of."""
        if not self._tasks:
            self.resume()
        done, _ = await asyncio.wait(
            self._tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in done:
            task.result()

    async def settle(self) -> None:
        """Begin nothing new and wait until the outcome of everything is known."""
        for session in self.sessions:
            session.is_stopping = True
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    def resume(self) -> None:
        for session in self.sessions:
            session.is_stopping = False
        self._tasks = [asyncio.create_task(session.run()) for session in self.sessions]

    async def recover(self, since: float, *, seconds_max: float = RECOVER_SECONDS_MAX) -> float:
        """Wait for an answer to a request sent after `since` (monotonic): seconds it took.

        Now and then a newcomer asks too: all sessions may be waiting for answers that were lost.
        """
        while True:
            for sent_at, answered_at in reversed(self._settled):
                if sent_at > since:
                    return answered_at - since
            assert time.monotonic() < since + seconds_max, f"no answer within {seconds_max} s"
            self._tasks.append(asyncio.create_task(self._ask_as_newcomer()))
            await self.run(NEWCOMER_SECONDS)

    async def _ask_as_newcomer(self) -> None:
        self.newcomers += 1
        trader = self.random.choice(self.traders)
        session = Session(self, trader, name=f"{self.seed}-newcomer-{self.newcomers}")
        try:
            await session.place()
        finally:
            session.connection.close()

    def note(self, sent_at: float, reply: Reply) -> None:
        """Count a settled request; successful ones show when trading was back."""
        self.counts["acknowledged"] += 1
        if reply.status in (200, 201):
            if len(self._settled) > 100:
                del self._settled[:50]
            self._settled.append((sent_at, time.monotonic()))

    async def ask_again(self, count: int) -> None:
        """Send some orders a second time: each must get its first answer again."""
        ids = self.random.sample(sorted(self.placed), min(count, len(self.placed)))
        keys = {trader.account_id: trader.key for trader in self.traders}
        connections = {
            account_id: Connection(self.port, headers={"X-API-Key": key})
            for account_id, key in keys.items()
        }
        for client_order_id in ids:
            first = self.placed[client_order_id]
            reply = await connections[first.account_id].request("POST", "orders", first.request)
            answer = _without_request_id(reply.json())
            assert (reply.status, answer) == (first.status, _without_request_id(first.answer)), (
                f"{client_order_id} was first answered {first.status} {first.answer},"
                f" then {reply.status} {answer}"
            )
        for connection in connections.values():
            connection.close()


class Session:
    """One connection of a trader: one request at a time, chosen by its own seeded randomness."""

    def __init__(self, load: Load, trader: Trader, *, name: str) -> None:
        self.load = load
        self.trader = trader
        self.name = name
        self.random = random.Random(name)
        self.numbers = itertools.count(1)
        self.connection = Connection(load.port, headers={"X-API-Key": trader.key})
        self.is_stopping = False
        self.open: list[Placed] = []

    async def run(self) -> None:
        while not self.is_stopping:
            await self._choose()()

    def _choose(self) -> Any:
        self.open = [placed for placed in self.open if placed.is_open]
        if len(self.open) >= OPEN_ORDERS_MAX:
            return self._cancel
        chance = self.random.random()
        if chance < 0.55 or not self.open:
            return self.place
        if chance < 0.65:
            return self._place_batch
        return self._amend if chance < 0.80 else self._cancel

    # The operations

    async def place(self) -> None:
        order = self._build_order()
        reply = await self._settle("POST", "orders", order)
        self._remember(order, reply.status, reply.json())

    async def _place_batch(self) -> None:
        orders = [self._build_order() for _ in range(BATCH_ORDERS)]
        reply = await self._settle("POST", "orders/batch", {"orders": orders})
        if not self._expect(reply, 200):
            return
        for order, item in zip(orders, reply.json()["results"], strict=True):
            self._remember(order, item["status"], item.get("order") or item.get("error"))

    async def _amend(self) -> None:
        placed = self.random.choice(self.open)
        assert placed.state is not None
        filled = int(Decimal(placed.state["filled"]))
        body = {"price": self._price(), "quantity": str(filled + self.random.randint(1, 20))}
        reply = await self._settle("PATCH", f"orders/{placed.state['id']}", body, key=self._name())
        self._see(placed, reply)

    async def _cancel(self) -> None:
        placed = self.random.choice(self.open)
        assert placed.state is not None
        reply = await self._settle("DELETE", f"orders/{placed.state['id']}", key=self._name())
        self._see(placed, reply)

    def _build_order(self) -> dict[str, Any]:
        order = {
            "market": self.random.choice(self.load.markets),
            "outcome": self.random.choice(("YES", "NO")),
            "side": self.random.choice(("buy", "sell")),
            "quantity": str(self.random.randint(1, 20)),
            "client_order_id": self._name(),
        }
        if self.random.random() < 0.1:
            return {**order, "type": "market"}
        tif = self.random.choice(("gtc", "gtc", "gtc", "gtc", "ioc", "fok"))
        return {**order, "price": self._price(), "time_in_force": tif}

    def _price(self) -> str:
        return f"0.{self.random.randint(40, 60)}"

    def _name(self) -> str:
        return f"{self.name}-{next(self.numbers)}"

    # Asking and remembering

    async def _settle(self, method: str, path: str, body: Any = None, *, key: str = "") -> Reply:
        """Retry until the outcome is known."""
        headers = {"Idempotency-Key": key} if key else {}
        give_up_at = time.monotonic() + SETTLE_SECONDS_MAX
        last: object = None
        while time.monotonic() < give_up_at:
            sent_at = time.monotonic()
            try:
                reply = await self.connection.request(method, path, body, headers=headers)
            except LOST as fault:
                self.load.counts["lost"] += 1
                last = fault
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                if reply.status not in AGAIN:
                    self.load.note(sent_at, reply)
                    return reply
                self.load.counts[str(reply.status)] += 1
                last = reply.body
                await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError(
            f"{method} {path} {body}: no outcome in {SETTLE_SECONDS_MAX} s: {last}"
        )

    def _remember(self, order: dict[str, Any], status: int, answer: Any) -> None:
        placed = Placed(self.trader.account_id, order, status, answer)
        self.load.placed[order["client_order_id"]] = placed
        if status not in (201, 422) and answer["code"] not in OVER:
            self.load.faults.append(f"{order} was answered {status} {answer}")
        if placed.is_open:
            self.open.append(placed)

    def _see(self, placed: Placed, reply: Reply) -> None:
        """Amend and cancel: done, or refused because the order has ended or can't be changed so."""
        answer = reply.json()
        if reply.status == 200:
            placed.see(answer)
        elif reply.status == 409 and answer["code"] in OVER:
            self.open.remove(placed)
        else:
            self._expect(reply, 422)

    def _expect(self, reply: Reply, status: int) -> bool:
        if reply.status != status:
            self.load.faults.append(
                f"{self.name}: {status} expected: {reply.status} {reply.body!r}"
            )
        return reply.status == status


def _without_request_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "request_id"}
