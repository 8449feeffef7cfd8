"""A venue's socket at a given pace: `python -m bench.feed_source KIND CHANGES_A_SECOND`.

Prints its port, serves one reader until that leaves. Each frame has `sent_ns`, by the monotonic
clock, which all processes of a machine share.
"""

import asyncio
import random
import sys
import time
from typing import Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.client import run_loop
from tests.bots.sources import SOURCES, Source

PAUSE_SECONDS: Final = 0.001


def stamp(frame: str) -> str:
    return f'{frame[:-1]},"sent_ns":{time.monotonic_ns()}}}'


async def answer(connection: ServerConnection, source: Source) -> None:
    async for text in connection:
        for frame in source.answer(str(text)):
            await connection.send(frame)


async def send(connection: ServerConnection, source: Source, rate: int) -> None:
    started, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - started) * rate)
        while sent < due:
            sent += 1
            for frame in source.change():
                await connection.send(stamp(frame))
        await asyncio.sleep(PAUSE_SECONDS)


async def beat(connection: ServerConnection, source: Source) -> None:
    while True:
        await asyncio.sleep(2)
        for frame in source.beat():
            await connection.send(frame)


async def main(kind: str, rate: int) -> None:
    over = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        source = SOURCES[kind](random.Random(1))
        source.connect()
        parts = [answer(connection, source), send(connection, source, rate)]
        tasks = [asyncio.create_task(part) for part in (*parts, beat(connection, source))]
        try:
            await asyncio.gather(*tasks)
        except ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()
            over.set()

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await over.wait()


if __name__ == "__main__":
    run_loop(main(sys.argv[1], int(sys.argv[2])))
