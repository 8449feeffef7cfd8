"""A recorded session in the test's own process: the shard answers at once, time is stepped."""

import asyncio
from types import SimpleNamespace

from simulator.recordings.crowd import Crowd, QueueModel
from simulator.recordings.pace import FASTEST, RecordedPace
from simulator.recordings.player import Player, read_orders, read_trades
from simulator.recordings.recording import RecordedOperation
from simulator.recordings.replay import read_committed_book
from simulator.recordings.session import RecordedSession
from simulator.recordings.stage import get_members
from tests.trading import world
from trading.pipeline.gateway import TimedOut


class Stage:
    """An open market with a player."""

    def __init__(self, shard, session, model=QueueModel.CONSERVATIVE):
        self.shard = shard
        self.market = world.make_market(lot_step_lots=1, dispute_seconds=0)
        world.open_market(shard, self.market)
        self.crowd = Crowd(get_members(), model)
        self.pace = RecordedPace(FASTEST, is_paused=True, at_ms=-1)
        self.player = Player(
            session,
            self.market.pk,
            self.crowd,
            self.pace,
            self.send,
            self.read_trades,
            self.read_orders,
        )
        self.asked = []
        self.loop = asyncio.new_event_loop()
        self.playing = None
        self.begin_again()

    def begin_again(self):
        """Play on where a session has ended; `player.session` may be another now."""
        if self.playing is not None:
            self.loop.run_until_complete(self.playing)
        self.player.has_ended = False
        self.playing = self.loop.create_task(self.player.play())

    async def send(self, tasks):
        return await self._ask(lambda: self.answer(tasks))

    def answer(self, tasks):
        results = world.run(self.shard, *tasks)
        return [SimpleNamespace(status="done", result=result) for result in results]

    async def read_trades(self, market_id, after_id):
        return await self._ask(lambda: read_trades(market_id, after_id))

    async def read_orders(self, market_id, account_ids):
        return await self._ask(lambda: read_orders(market_id, account_ids))

    async def _ask(self, work):
        """Let work be done outside the loop, in which there is no connection of the test's."""
        future = self.loop.create_future()
        self.asked.append((future, work))
        self.loop.stop()
        return await future

    def play_to(self, at_ms):
        """Play what is due up to this time of the recording."""
        step = self.loop.create_task(self.player.step(at_ms - self.pace.now_ms()))
        step.add_done_callback(lambda _: self.loop.stop())
        while not step.done():
            self.loop.run_forever()
            for future, work in self.asked:
                try:
                    future.set_result(work())
                except TimedOut as fault:
                    future.set_exception(fault)
            self.asked.clear()
        if self.player.has_ended:
            self.loop.run_until_complete(self.playing)  # raises what went wrong

    def close(self):
        self.playing.cancel()
        self.loop.run_until_complete(asyncio.gather(self.playing, return_exceptions=True))
        self.loop.close()

    def play_all(self):
        self.play_to(self.player.session.times_ms[-1] + 1)

    def run(self, *tasks):
        return world.run(self.shard, *tasks)

    def book(self):
        """{"yes41": lots, ...}, as checkpoints have it."""
        return read_committed_book(self.market.pk)


def build_session(*rows):
    """("place", "yes", cents, lots) rows, one a second."""
    operations = [
        RecordedOperation(number, number * 1_000, kind, side, cents * 100, lots)
        for number, (kind, side, cents, lots) in enumerate(rows)
    ]
    times = [operation.ts_ms for operation in operations]
    return RecordedSession("TEST", "Test", "", "", [10_000, 0], 100, operations, times)
