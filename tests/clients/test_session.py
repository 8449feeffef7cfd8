"""The feed's protocol without a connection: whatever is lost, the copies end as the original."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predex_client import InvalidRequestError, UnexpectedAnswerError, UnsubscribedEvent
from predex_client.session import Session, cancel_on_disconnect, subscribe

TIME = "2026-07-01T12:00:00.000000Z"
SLUG = "rain"
PRICES = ["0.4000", "0.4100", "0.4200"]


def frame(type_: str, **fields: Any) -> str:
    nothing = {"market": None, "seq": None, "prev_seq": None}
    return json.dumps({"v": 1, "type": type_, "ts": TIME, "sent_at": TIME, **nothing, **fields})


def error(name: Any, status: int, code: str, field: str | None = None) -> str:
    more = {"message": "?", "request_id": "r", "retry_after": None}
    return frame("error", id=name, status=status, code=code, field=field, **more)


class OneMarket:
    """The exchange's side: one book, whose changes are sent as frames."""

    def __init__(self) -> None:
        self.seq = self.sent = 0
        self.levels: dict[str, str] = {}
        self.changed: list[tuple[int, str]] = []

    def change(self, price: str, quantity: int) -> str:
        self.seq += 1
        self.levels[price] = f"{quantity}.00"
        self.changed.append((self.seq, price))
        return self.tell(self.seq - 1)

    def tell(self, since: int) -> str:
        """Return the one frame that leads from there to now."""
        prices = {price for seq, price in self.changed if seq > since}
        levels = [[price, self.levels[price]] for price in prices]
        books = [{"outcome": "YES", "bids": levels, "asks": []}]
        return frame("book", market=SLUG, seq=self.seq, prev_seq=since, books=books)

    def snapshot(self) -> str:
        bids = [[price, text] for price, text in self.levels.items() if Decimal(text)]
        books = [{"outcome": "YES", "bids": bids, "asks": []}]
        return frame("book_snapshot", market=SLUG, seq=self.seq, books=books)

    def answer(self, text: str) -> list[str]:
        message = json.loads(text)
        since = message.get("since_seq")
        acknowledged = frame("subscribed", id=message["id"], channels=["book"], markets=[SLUG])
        return [acknowledged, self.snapshot() if since is None else self.tell(since)]

    def beat(self) -> str:
        markets = {SLUG: {"seq": self.seq, "book": self.seq}}
        return frame("heartbeat", markets=markets, me=None, engine="up", exchange=None)


def deliver(session: Session, market: OneMarket, *texts: str) -> None:
    """Give the session frames, and the answers to what it then asks for."""
    waiting = list(texts)
    while waiting:
        for message in session.receive(waiting.pop(0)).messages:
            waiting += market.answer(message)


ACTS = st.sampled_from(["change", "lose", "repeat", "cut", "beat"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ACTS, st.sampled_from(PRICES), st.integers(0, 3)), max_size=25))
def test_whatever_is_lost_or_repeated_the_book_ends_as_the_exchange_has_it(
    acts: list[tuple[str, str, int]],
) -> None:
    session, market, last = Session(), OneMarket(), ""
    _, message = session.begin(subscribe("book", markets=[SLUG]))
    deliver(session, market, *market.answer(message))
    for act, price, quantity in acts:
        if act in ("change", "lose"):
            last = market.change(price, quantity)
        if act == "change" or (act == "repeat" and last):
            deliver(session, market, last)
        elif act == "beat":
            deliver(session, market, market.beat())
        elif act == "cut":
            session.lose()
            assert not session.books[SLUG].is_current
            for message in session.connect():
                deliver(session, market, *market.answer(message))
    deliver(session, market, market.beat())
    book = session.books[SLUG]
    assert book.is_current
    assert book.seq == market.seq
    assert book.bids.get("YES", {}) == {
        Decimal(price): Decimal(text) for price, text in market.levels.items() if Decimal(text)
    }


def test_a_market_that_may_not_be_seen_any_more_is_left_and_the_others_go_on() -> None:
    session = Session()
    session.begin(subscribe("ticker", markets=["a", "b", "c"]))
    session.lose()
    [message] = map(json.loads, session.connect())
    received = session.receive(error(message["id"], 404, "not_found", "markets.1"))
    assert isinstance(received.event, UnsubscribedEvent)
    assert received.event.markets == ("b",)
    [again] = map(json.loads, received.messages)
    assert again["markets"] == ["a", "c"]


def test_what_can_t_be_followed_now_is_asked_for_again_with_the_next_heartbeat() -> None:
    session, market = Session(), OneMarket()
    session.begin(subscribe("book", markets=[SLUG]))
    session.lose()
    [message] = map(json.loads, session.connect())
    assert session.receive(error(message["id"], 503, "unavailable")).messages == ()
    [again] = session.receive(market.beat()).messages
    deliver(session, market, *market.answer(again))
    assert session.books[SLUG].is_current
    assert session.receive(market.beat()).messages == []


def test_orders_are_cancelled_at_the_end_of_each_connection_not_of_the_first_alone() -> None:
    session = Session()
    number, _ = session.begin(cancel_on_disconnect())
    session.receive(frame("cancel_on_disconnect", id=number, enabled=True))
    session.lose()
    [message] = map(json.loads, session.connect())
    assert message["op"] == "cancel_on_disconnect"
    session.receive(error(message["id"], 503, "unavailable"))
    [again] = map(json.loads, session.receive(OneMarket().beat()).messages)
    session.receive(frame("cancel_on_disconnect", id=again["id"], enabled=True))
    assert not session.receive(OneMarket().beat()).messages
    number, _ = session.begin(cancel_on_disconnect(enabled=False))
    session.receive(frame("cancel_on_disconnect", id=number, enabled=False))
    session.lose()
    assert session.connect() == []


def test_a_place_that_the_exchange_refuses_ends_the_feed() -> None:
    session = Session(resume="nonsense")
    session.begin(subscribe("me"))
    session.lose()
    [message] = map(json.loads, session.connect())
    assert message["resume"] == "nonsense"
    with pytest.raises(InvalidRequestError):
        session.receive(error(message["id"], 400, "invalid_value", "resume"))


def test_many_markets_are_subscribed_to_in_few_messages() -> None:
    session = Session()
    session.begin(subscribe("book", markets=[f"m{number}" for number in range(250)]))
    session.lose()
    assert [len(json.loads(text)["markets"]) for text in session.connect()] == [100, 100, 50]


def test_what_is_no_frame_is_no_answer_of_an_exchange() -> None:
    for text in ("<html>", "[]", '{"type": "book"}', frame("me", resume=None, orders=[{}])):
        with pytest.raises(UnexpectedAnswerError):
            Session().receive(text)
