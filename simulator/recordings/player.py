"""Plays a recorded session in a live market, at the pace of the recording or step by step.

Every command goes the way of any order: gateway, engine, commit. What others took meanwhile is
read from the trades before each group of operations.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from kernel.ids import new_id
from simulator.recordings.crowd import Crowd, SeenOrder
from simulator.recordings.pace import FASTEST, RecordedPace
from simulator.recordings.recording import RecordedOperation
from simulator.recordings.session import RecordedSession
from trading.engine.commands import AnyCommand, Cancel
from trading.models import OPEN_STATUSES, Order, Trade
from trading.pipeline.gateway import EngineAway, Overloaded, TimedOut
from trading.pipeline.messages import Answer, Task

CHUNK_OPERATIONS: Final = 100
AWAY_SECONDS: Final = 0.1
TEMPORARY: Final = frozenset({"account_busy", "clock_wrong", "retry", "overloaded"})
"""Answers to a task that changed nothing and may be sent again."""

Send = Callable[[Sequence[Task]], Awaitable[list[Answer]]]
ReadTrades = Callable[[int, str], Awaitable[list["SeenTrade"]]]
ReadOrders = Callable[[int, list[int]], Awaitable[list[SeenOrder]]]


class SeenTrade(NamedTuple):
    trade_id: str
    maker_order_id: str
    taker_account_id: int
    lots: int


class Player:
    """`position` is the number of operations done, `at_ms` the time of the last of them."""

    def __init__(
        self,
        session: RecordedSession,
        market_id: int,
        crowd: Crowd,
        pace: RecordedPace,
        send: Send,
        read_trades: ReadTrades,
        read_orders: ReadOrders,
    ) -> None:
        self.session = session
        self.market_id = market_id
        self.crowd = crowd
        self.pace = pace
        self.position = 0
        self.has_ended = False
        self.last_trade_id = ""
        self.busy = asyncio.Lock()
        """Held while operations are under way: what is read under it is of one moment."""
        self._send = send
        self._read_trades = read_trades
        self._read_orders = read_orders
        self._moved = asyncio.Event()

    @property
    def at_ms(self) -> int:
        return self.session.times_ms[self.position - 1] if self.position else 0

    def reached_ms(self) -> float:
        """Return now, or where it is behind what is done."""
        now_ms = self.pace.now_ms()
        is_behind = now_ms == FASTEST or not (self.is_done or self._next_ms() > now_ms)
        return self.at_ms if is_behind else now_ms

    @property
    def is_done(self) -> bool:
        return self.position >= len(self.session.operations)

    async def play(self) -> None:
        """Carry out every operation when it is due, to the recording's end."""
        try:
            while not self.is_done:
                await self.pace.wait_for(self._next_ms())
                async with self.busy:
                    await self._play_due()
                self._moved.set()
        finally:
            self.has_ended = True
            self._moved.set()

    async def step(self, ms: float) -> None:
        """Pause, let so much recorded time pass and return when what falls in it is done."""
        until_ms = self.pace.step(ms, at_ms=self.reached_ms())
        while not (self.has_ended or self.is_done) and self._next_ms() <= until_ms:
            self._moved.clear()
            await self._moved.wait()

    def _next_ms(self) -> int:
        return self.session.times_ms[self.position]

    async def _play_due(self) -> None:
        await self._read_others()
        chunk = self._find_due()
        if chunk:  # else it was paused meanwhile
            await self._carry_out(chunk)
            self.position += len(chunk)

    def _find_due(self) -> list[RecordedOperation]:
        """Return what is due, to the next take or the end of a snapshot, whose answers come first.

        A snapshot, a `reset` and its `init`s, is one chunk.
        """
        now_ms = self.pace.now_ms()
        operations, times_ms = self.session.operations, self.session.times_ms
        chunk: list[RecordedOperation] = []
        for index in range(self.position, len(operations)):
            operation = operations[index]
            in_snapshot = bool(chunk) and chunk[0].kind == "reset"
            if chunk and (in_snapshot != (operation.kind == "init") or operation.kind == "reset"):
                break
            if not in_snapshot and (times_ms[index] > now_ms or len(chunk) >= CHUNK_OPERATIONS):
                break
            chunk.append(operation)
            if operation.kind == "take":
                break
        return chunk

    async def _carry_out(self, chunk: list[RecordedOperation]) -> None:
        if chunk[0].kind == "reset":
            book = {(row.side, row.bid_pips): row.lots for row in chunk if row.kind == "init"}
            await self._execute(self.crowd.restore(book))
            return
        commands = [command for row in chunk for command in self.crowd.begin(row)]
        await self._execute(commands)
        if chunk[-1].kind == "take":
            await self._execute(self.crowd.settle_level())

    async def _execute(self, commands: list[AnyCommand]) -> None:
        for start in range(0, len(commands), CHUNK_OPERATIONS):
            left = commands[start : start + CHUNK_OPERATIONS]
            while left:
                left = await self._try(left)

    async def _try(self, commands: list[AnyCommand]) -> list[AnyCommand]:
        """Carry out commands; return those that could not be yet, after a pause."""
        try:
            answers = await self._send([Task(0, self.market_id, command) for command in commands])
        except (EngineAway, Overloaded):  # nothing was done
            await asyncio.sleep(AWAY_SECONDS)
            return commands
        except TimedOut:  # some may be done, and more may yet be
            await self._find_orders_again()
            return []
        left = []
        for command, answer in zip(commands, answers, strict=True):
            if answer.status in TEMPORARY:
                left.append(command)
            elif answer.result is not None:
                self.crowd.hear(command, answer.result)
        if left:
            await asyncio.sleep(AWAY_SECONDS)
        return left

    async def _find_orders_again(self) -> None:
        """Read which orders rest, once the engine has answered what came after the lost ones."""
        account_id = self.crowd.members["taker"].account_id
        while True:
            try:
                await self._send([Task(0, self.market_id, Cancel(new_id(), account_id))])
                break
            except (EngineAway, Overloaded, TimedOut):
                await asyncio.sleep(AWAY_SECONDS)
        accounts = [member.account_id for member in self.crowd.members.values()]
        self.crowd.adopt(await self._read_orders(self.market_id, accounts))

    async def _read_others(self) -> None:
        """Take from the trades what others took from the recorded orders."""
        own = self.crowd.members["taker"].account_id
        for trade in await self._read_trades(self.market_id, self.last_trade_id):
            self.last_trade_id = trade.trade_id
            if trade.taker_account_id != own:
                self.crowd.lose(trade.maker_order_id, trade.lots)


def read_trades(market_id: int, after_id: str) -> list[SeenTrade]:
    """Return a market's trades after this one, oldest first."""
    trades = Trade.objects.filter(market_id=market_id, maker_order_id__isnull=False)
    if after_id:
        trades = trades.filter(pk__gt=after_id)
    rows: Any = trades.order_by("pk").values_list(
        "pk", "maker_order_id", "taker_account_id", "quantity_lots"
    )
    return [SeenTrade(pk.hex, maker.hex, taker, lots) for pk, maker, taker, lots in rows]


def read_orders(market_id: int, account_ids: list[int]) -> list[SeenOrder]:
    """Return these accounts' resting orders in a market, oldest first."""
    rows: Any = (
        Order.objects.filter(market_id=market_id, account__in=account_ids, status__in=OPEN_STATUSES)
        .order_by("priority")
        .values_list("pk", "side", "price_pips", "quantity_lots", "remaining_lots")
    )
    return [SeenOrder(pk.hex, *row) for pk, *row in rows]
