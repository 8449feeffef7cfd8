"""A whole bench as its users have it: the fixture's exchange, a recording, the Python client."""

import asyncio
import csv
import gzip
import io
import time
from decimal import Decimal

import httpx
import pytest

from predex_client import AsyncFeed, PredexError, TooManyRequestsError
from predex_client.simulator import Faults, Tokens, fixed
from predex_client.testing import Exchange
from tests.exchange import ROOT
from tests.patience import PATIENCE_SECONDS

LINES = 4_500
SECONDS = 60


@pytest.fixture(scope="module")
def recording(data_dir, tmp_path_factory):
    """The beginning of a recorded session, with the venue's record of the whole."""
    folder = data_dir / "kalshi_gold15m"
    [path] = (folder / "events/KXGOLD15M-26AUG101900-00").iterdir()
    short = tmp_path_factory.mktemp("recording") / "short.ndjson"
    with gzip.open(path, "rt") as lines:
        short.write_text("".join(line for line, _ in zip(lines, range(LINES), strict=False)))
    return short


@pytest.fixture(scope="module")
def bench(recording, data_dir):
    options = (
        "--paused",
        "--queue",
        "pro_rata",
        "--metadata",
        data_dir / "kalshi_gold15m/metadata",
    )
    with Exchange(ROOT, recordings=[recording], options=[str(one) for one in options]) as exchange:
        yield exchange


def test_no_two_exchanges_of_tests_are_given_one_port():
    made = [Exchange(ROOT) for _ in range(300)]
    assert len({exchange.port for exchange in made}) == 300
    for exchange in made:
        exchange.stop()


@pytest.fixture
def simulator(bench):
    """The operator's control; tests go on where the one before ended, as a reset takes seconds."""
    return bench.simulator()


def trade(bench, simulator):
    """A bot in lock-step: quotes inside the spread, takes when it is wide; what it was answered."""
    slug, client = bench.markets[0], bench.client()
    seen = []
    for turn in range(6):
        simulator.step(4)
        book = client.book(slug)["YES"]
        seen.append((book.bids[:3], book.asks[:3]))
        client.cancel_all()
        client.place(slug, "buy", 20, book.bids[0].price, client_order_id=f"bid-{turn}")
        taken = client.place(slug, "buy" if turn % 2 else "sell", 5, "0.9" if turn % 2 else "0.1",
                             time_in_force="ioc")  # fmt: skip
        seen.append((taken.filled, taken.average_price))
    return seen


@pytest.mark.parametrize("runs", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_equal_runs_have_equal_books_fills_and_journals(bench, simulator, runs):
    seen, journals, fills = [], set(), []
    for _ in range(runs):
        if simulator.state().plays[0].operations:
            assert simulator.reset().plays[0].operations == 0
        seen.append(trade(bench, simulator))
        journals.add(simulator.journal()[bench.markets[0]])
        fills.append([strip(fill) for fill in bench.simulator(0).report()["fills"]])
    assert len(journals) == 1
    assert seen == [seen[0]] * runs
    assert fills == [fills[0]] * runs
    assert fills[0]


def strip(fill):
    return {name: fill[name] for name in fill.keys() - {"time", "order", "queue_seconds"}}


def test_the_truth_has_the_queue_and_nothing_of_the_future(bench, simulator):
    slug, client = bench.markets[0], bench.client()
    client.cancel_all()
    before = simulator.state().plays[0].at_seconds
    simulator.step(2)
    best = client.book(slug)["YES"].bids[0]
    client.place(slug, "buy", 3, best.price)
    bench.client(1).place(slug, "buy", 4, best.price)
    [play] = bench.simulator(1).truth()
    [order] = play.orders
    assert (order.ahead, order.ahead_recorded) == (best.quantity + 3, best.quantity)
    assert play.recorded_book["bids"][0] == [str(best.price), str(best.quantity)]
    assert before < play.at_seconds < before + 3  # of the last message, which came a little before
    assert (
        "result"
        not in httpx.get(
            f"{bench.url}/api/v1/simulator/truth",
            headers={"X-API-Key": bench.traders[1].key},
            timeout=PATIENCE_SECONDS,
        ).text.lower()
    )


def test_time_passes_at_the_chosen_speed_and_stands_still_while_paused(simulator):
    simulator.speed(50)
    started = simulator.state().plays[0].at_seconds
    simulator.resume()
    until(lambda: simulator.state().plays[0].at_seconds > started + 5)
    simulator.pause()
    time.sleep(0.3)
    [before] = simulator.state().plays
    time.sleep(0.3)
    [after] = simulator.state().plays
    assert after.operations == before.operations
    assert not after.done
    assert after.paused


def test_only_an_operator_s_key_moves_time(bench):
    with pytest.raises(PredexError, match="operate"):
        bench.simulator(0).step(1)


def test_delays_and_faults_are_those_of_the_key_that_asked_alone(bench, simulator):
    own, slug = bench.simulator(0), bench.markets[0]
    own.set_conditions(order_in=fixed(150), answer_out=fixed(100), faults=Faults(too_many_after=2))
    try:
        started = time.monotonic()
        with bench.client(0, patience=0) as slow:
            order = slow.place(slug, "buy", 1, "0.01")
            assert time.monotonic() - started > 0.25
            slow.cancel(order.id)
            with pytest.raises(TooManyRequestsError):
                slow.me()
            own.set_conditions(tokens=Tokens(write_per_second=102, request_cost=100))
            order = slow.place(slug, "buy", 1, "0.01")
            with pytest.raises(TooManyRequestsError):
                slow.place(slug, "buy", 1, "0.01")
            slow.cancel(order.id)
        started = time.monotonic()
        others = [bench.client(1, patience=0).me() for _ in range(4)]
        assert len(others) == 4
    finally:
        own.clear_conditions()


def test_an_order_whose_answer_was_broken_is_placed_once(bench, simulator):
    own, slug = bench.simulator(0), bench.markets[0]
    own.set_conditions(faults=Faults(fail_after_commit="0.5", malform="0.3"), seed=3)
    try:
        answered = placed = 0
        for number in range(12):
            name = f"once-{number}"
            try:
                bench.client().place(slug, "buy", 1, "0.01", client_order_id=name)
                answered += 1
            except PredexError:
                placed += 1
    finally:
        own.clear_conditions()
    names = {f"once-{number}" for number in range(12)}
    own_orders = [order.client_order_id for order in bench.client().orders(status="open")]
    assert names == {name for name in own_orders if name in names}
    assert len([name for name in own_orders if name in names]) == 12
    bench.client().cancel_all()


async def test_a_book_that_lost_frames_and_connections_ends_as_the_exchange_has_it(
    bench, simulator
):
    own, slug = bench.simulator(0), bench.markets[0]
    chances = Faults(lose="0.1", double="0.1", reorder="0.1", gap="0.02", disconnect_after=60)
    own.set_conditions(market_data=fixed(5), faults=chances, seed=1)
    events = []
    try:
        async with AsyncFeed(bench.url, bench.traders[0].key) as feed:
            await feed.subscribe("book", markets=[slug])
            reading = asyncio.create_task(collect(feed, events))
            for _ in range(12):
                await asyncio.to_thread(simulator.step, 1)
            own.clear_conditions()
            await asyncio.to_thread(simulator.step, 1)
            give_up_at = time.monotonic() + PATIENCE_SECONDS
            while not same_book(feed, bench.client().book(slug)["YES"], slug):
                assert time.monotonic() < give_up_at
                await asyncio.sleep(0.2)
            reading.cancel()
    finally:
        own.clear_conditions()
    assert events


def test_a_session_is_played_to_its_end_and_pays_what_was_recorded(bench, simulator):
    slug, client = bench.markets[0], bench.client(2)  # who has traded nothing yet
    bought = client.place(slug, "buy", 10, "0.99", time_in_force="ioc")
    assert bought.filled == 10
    assert client.market(slug).status == "open"
    [play] = simulator.step(SECONDS).plays
    while not play.done:
        [play] = simulator.step(SECONDS).plays
    assert play.settled
    assert client.market(slug).status == "settled"
    report = bench.simulator(2).report()
    cost = bought.average_price * 10
    assert Decimal(report["markets"][0]["profit"]) == 10 - cost  # the recorded result is yes
    assert report["calibration"]["forecasts"] == len(report["fills"]) > 0
    [slippage] = {fill["slippage"] for fill in report["fills"][:1]}
    assert Decimal(slippage) > 0  # a taker pays more than the mid
    text = httpx.get(
        f"{bench.url}/api/v1/simulator/report?format=csv",
        headers={"X-API-Key": bench.traders[2].key},
        timeout=PATIENCE_SECONDS,
    ).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["price"] for row in rows] == [fill["price"] for fill in report["fills"]]


async def collect(feed, events):
    async for event in feed:
        events.append(event)


def same_book(feed, expected, slug):
    book = feed.books.get(slug)
    if book is None or not book.is_current:
        return False
    best = expected.bids[0].price, expected.asks[0].price
    return (book.best_bid(), book.best_ask()) == best


def until(is_so, seconds=PATIENCE_SECONDS):
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
