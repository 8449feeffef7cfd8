"""A socket's queue: always bounded, and complete again when the client reads."""

import asyncio
import tracemalloc

from tests.patience import PATIENCE_SECONDS
from trading.feed.stream import Stream
from trading.feed.watcher import (
    QUEUE_BYTES_MAX,
    QUEUE_FRAMES_MAX,
    REPLIES_MAX,
    Frame,
    Watcher,
)


def frame(text: str) -> Frame:
    return Frame({"type": "websocket.send", "text": text}, len(text))


def stream_of(name: str) -> Stream:
    return Stream(lambda seq: frame(f"{name} snapshot {seq}"))


def take_all(watcher: Watcher) -> list[str]:
    texts = []
    while (taken := watcher.next()) is not None:
        texts.append(taken.message["text"])
    return texts


def follow(watcher: Watcher, stream: Stream) -> None:
    stream.watchers.add(watcher)
    watcher.owe(stream)


def test_a_new_follower_gets_a_snapshot_then_frames() -> None:
    watcher, stream = Watcher(), stream_of("book")
    stream.move(4)
    follow(watcher, stream)
    assert take_all(watcher) == ["book snapshot 4"]
    stream.publish(frame("5"), 5)
    stream.publish(frame("6"), 6)
    assert take_all(watcher) == ["5", "6"]


def test_frames_before_the_snapshot_was_taken_are_in_it() -> None:
    watcher, stream = Watcher(), stream_of("book")
    follow(watcher, stream)
    stream.publish(frame("5"), 5)
    assert take_all(watcher) == ["book snapshot 5"]


def test_a_snapshot_is_made_once_for_all_watchers() -> None:
    made: list[int] = []

    def render(seq: int) -> Frame:
        made.append(seq)
        return frame(f"snapshot {seq}")

    stream = Stream(render)
    watchers = [Watcher() for _ in range(10)]
    for watcher in watchers:
        follow(watcher, stream)
        take_all(watcher)
    assert made == [0]


def test_a_full_queue_becomes_one_snapshot_of_each_stream() -> None:
    watcher, book, trades = Watcher(), stream_of("book"), stream_of("trades")
    for stream in (book, trades):
        follow(watcher, stream)
    take_all(watcher)
    trades.publish(frame("t1"), 1)
    for seq in range(1, QUEUE_FRAMES_MAX + 100):
        book.publish(frame(f"b{seq}"), seq)
    assert take_all(watcher) == ["trades snapshot 1", f"book snapshot {QUEUE_FRAMES_MAX + 99}"]
    book.publish(frame("next"), QUEUE_FRAMES_MAX + 100)
    assert take_all(watcher) == ["next"]


def test_the_queue_is_bounded_in_bytes_too() -> None:
    watcher, stream = Watcher(), stream_of("book")
    follow(watcher, stream)
    take_all(watcher)
    tracemalloc.start()
    for seq in range(200):
        stream.publish(frame(f"{seq:07}" * (QUEUE_BYTES_MAX // 70)), seq)
    held_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held_bytes < 2 * QUEUE_BYTES_MAX
    assert len(take_all(watcher)) <= 2 * QUEUE_BYTES_MAX // (QUEUE_BYTES_MAX // 10)


def test_one_frame_larger_than_the_queue_is_still_sent() -> None:
    watcher, stream = Watcher(), stream_of("book")
    follow(watcher, stream)
    take_all(watcher)
    large = "x" * (QUEUE_BYTES_MAX + 1)
    stream.publish(frame(large), 1)
    assert take_all(watcher) == [large]


def test_answers_overtake_frames_and_survive_a_full_queue() -> None:
    watcher, stream = Watcher(), stream_of("book")
    follow(watcher, stream)
    take_all(watcher)
    watcher.reply(frame("pong"))
    for seq in range(QUEUE_FRAMES_MAX + 1):
        stream.publish(frame("f"), seq)
    assert take_all(watcher) == ["pong", f"book snapshot {QUEUE_FRAMES_MAX}"]


def test_a_forgotten_stream_leaves_nothing_behind() -> None:
    watcher, book, trades = Watcher(), stream_of("book"), stream_of("trades")
    for stream in (book, trades):
        follow(watcher, stream)
    take_all(watcher)
    book.publish(frame("b"), 1)
    trades.publish(frame("t"), 1)
    watcher.forget(book)
    assert take_all(watcher) == ["t"]
    watcher.owe(book)
    watcher.forget(book)
    assert take_all(watcher) == []


def test_a_stream_that_is_still_being_read_does_not_hold_up_others() -> None:
    ready: list[bool] = []
    slow = Stream(lambda seq: frame("slow") if ready else None)
    watcher, fast = Watcher(), stream_of("fast")
    follow(watcher, slow)
    follow(watcher, fast)
    assert take_all(watcher) == ["fast snapshot 0"]
    ready.append(True)
    assert take_all(watcher) == ["slow"]


def test_followers_of_all_markets_and_of_this_one_get_a_frame_once() -> None:
    both, other, stream = Watcher(), Watcher(), stream_of("ticker")
    follow(both, stream)
    take_all(both)
    stream.publish(frame("t"), 1, [both, other])
    assert take_all(both) == ["t"]
    assert take_all(other) == ["t"]


def test_an_ended_watcher_takes_nothing_but_its_answers() -> None:
    watcher, stream = Watcher(), stream_of("book")
    follow(watcher, stream)
    watcher.reply(frame("error"))
    watcher.end()
    stream.publish(frame("b"), 1)
    stream.restart(2)
    assert take_all(watcher) == ["error"]


async def test_the_writer_wakes_when_there_is_something_to_send() -> None:
    watcher, stream = Watcher(), stream_of("book")
    for act in (lambda: watcher.owe(stream), lambda: watcher.reply(frame("r")), watcher.end):
        waiting = asyncio.create_task(watcher.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        act()
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        take_all(watcher)
    await asyncio.wait_for(watcher.wait(), 1)


async def test_messages_are_not_read_while_answers_are_not_taken() -> None:
    watcher = Watcher()
    for number in range(REPLIES_MAX):
        watcher.reply(frame(str(number)))
    reading = asyncio.create_task(watcher.wait_for_room())
    await asyncio.sleep(0)
    assert not reading.done()
    assert watcher.next() is not None
    await asyncio.wait_for(reading, PATIENCE_SECONDS)
