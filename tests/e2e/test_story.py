"""From sign-up to pay-out, through the public API of the running program alone."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.e2e.people import Listener, Person, become_operator, wait_for
from tests.exchange import Exchange

pytestmark = pytest.mark.timeout(200)

GRANT = 10_000
EVERYBODY_MAY_CREATE = (
    "from accounts.models import Policy; Policy.objects.update(who_may_create='everyone')"
)
KINDS = ["postgres", pytest.param("sqlite", marks=pytest.mark.soak)]


@pytest.fixture(scope="module", params=KINDS)
def exchange(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exchange]:
    """One for both stories: PostgreSQL and Redis with roles, or SQLite embedded."""
    kind, folder = request.param, tmp_path_factory.mktemp("story")
    with Exchange(
        folder,
        database_url=request.getfixturevalue(f"{kind}_databases").make(folder),
        redis_url=request.getfixturevalue("redis_url") if kind == "postgres" else "",
        environment={
            "EMAIL_VERIFICATION_REQUIRED": "true",
            "REDIS_PREFIX": f"t{uuid.uuid4().hex[:8]}",
        },
    ) as exchange:
        exchange.manage("shell", "-c", EVERYBODY_MAY_CREATE)
        yield exchange.start()
        exchange.manage("verify")
        for role in exchange.children:
            print(f"--- {role}\n{exchange.log(role)[-4_000:]}")


@pytest.fixture(scope="module")
def operator(exchange: Exchange) -> Person:
    return become_operator(exchange)


def test_people_sign_up_trade_and_are_paid_also_when_suspended_before_the_result(
    exchange: Exchange, operator: Person
):
    alice, bob, carol = (join(exchange, name) for name in ("alice", "bob", "carol"))
    for person in (alice, bob, carol):
        person.make_key()
        assert person.available() == money(GRANT)
    market = open_market(operator)
    with alice.listen(market) as socket:
        order_id = see_a_fill(market, alice, bob, socket)
        change_the_rest(market, order_id, alice, carol)
        stop(operator, carol)
        operator.call("POST", f"markets/{market}/close", {})
        operator.call("POST", f"markets/{market}/resolve", {"yes": "1", "evidence_text": "seen"})
        socket.wait(lambda frame: frame["type"] == "lifecycle" and frame["status"] == "settled")
    assert alice.available() == money(GRANT - 4 * 0.40 - 2 * 0.45)
    assert bob.available() == money(GRANT + 4 * 0.40)
    paid = [row for row in bob.call("GET", "ledger")["results"] if row["kind"] == "settlement"]
    assert [row["amount"] for row in paid] == ["4.000000"]
    operator.call("POST", "operator/users/carol/reinstate", {"reason": "a test"})
    wait_for(lambda: carol.http.get("account").status_code == 200)
    assert carol.available() == money(GRANT + 2 * 0.45)


def test_one_makes_a_market_with_a_maker_and_another_buys_and_is_paid(
    exchange: Exchange, operator: Person
):
    """The textbook's story: two users, a market by LMSR, a purchase, its result."""
    ann, ben = join(exchange, "ann"), join(exchange, "ben")
    market = open_market_with_maker(ann, operator)
    assert ann.available() == money(GRANT - 69.314719)  # 100 ln 2, rounded up
    order = {"market": market, "side": "buy", "outcome": "YES", "type": "market", "quantity": "20"}
    preview = ben.call("POST", "orders/preview", order)
    assert (preview["cost"], preview["pays_if_right"]) == ("10.499169", "20.000000")
    assert (preview["best_bid"], preview["best_ask"]) == ("0.5400", "0.5600")
    bought = ben.call("POST", "orders", order, status=201)
    assert (bought["status"], bought["average_price"]) == ("filled", "0.524958")
    assert ben.available() == money(GRANT - 10.499169)
    [held] = ben.call("GET", "positions")["results"]
    assert [(row["outcome"], row["position"]) for row in held["outcomes"]] == [("YES", "20.00")]
    book = ben.call("GET", f"markets/{market}/book")["books"]
    assert (book[0]["maker_bids"][0][0], book[0]["maker_asks"][0][0]) == ("0.5400", "0.5600")
    assert book[1]["maker_bids"][0] == ["0.4400", book[0]["maker_asks"][0][1]]
    assert book[0]["bids"] == book[0]["asks"] == []
    operator.call("POST", f"markets/{market}/close", {})
    operator.call("POST", f"markets/{market}/resolve", {"yes": "1", "evidence_text": "seen"})
    operator.call("POST", f"markets/{market}/resolution/pay", {"reason": "a test"})
    wait_for(lambda: ben.call("GET", f"markets/{market}")["status"] == "settled")
    assert ben.available() == money(GRANT + 20 - 10.499169)
    assert ann.available() == money(GRANT - 20 + 10.499169)


def open_market_with_maker(creator: Person, operator: Person) -> str:
    """A user drafts and proposes it, an operator opens it; another user adds and takes out."""
    body = {
        "title": "Does it rain on Monday?",
        "close_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "maker_liquidity": "100",
    }
    market = creator.call("POST", "markets", body, status=201)["slug"]
    creator.call("POST", f"markets/{market}/propose", {})
    shown = operator.call("POST", f"markets/{market}/approve-and-open", {})
    assert (shown["status"], shown["maker_liquidity"]) == ("open", "100.00")
    added = creator.call("POST", f"markets/{market}/liquidity", {"quantity": "50"})
    assert added["liquidity"] == "150.00"
    taken = creator.call(
        "POST", f"markets/{market}/liquidity", {"quantity": "50", "take_out": True}
    )
    assert (taken["liquidity"], taken["paid"]) == ("100.00", f"-{added['paid']}")
    return market


def see_a_fill(market: str, alice: Person, bob: Person, socket: Listener) -> str:
    """Bob buys 4 of the 10 that Alice offers, and her socket says so; return her order's id."""
    asked = alice.place(market, "sell 10 YES @ 0.60")
    assert (asked["status"], asked["hold"]) == ("open", "4.000000")
    book = bob.call("GET", f"markets/{market}/book")
    assert book["books"][0]["asks"] == [["0.6000", "10.00"]]
    bought = bob.place(market, "buy 4 YES @ 0.65")
    assert (bought["status"], bought["average_price"]) == ("filled", "0.600000")

    frame = socket.wait(lambda frame: frame["type"] == "me" and frame.get("fills"))
    [fill] = frame["fills"]
    assert (fill["order_id"], fill["quantity"], fill["role"]) == (asked["id"], "4.00", "maker")
    tape = socket.wait(lambda frame: frame["type"] == "trades" and frame["trades"])
    assert fill["id"] == tape["trades"][0]["id"] == bought["trades"][0]["id"]
    return asked["id"]


def change_the_rest(market: str, order_id: str, alice: Person, carol: Person) -> None:
    """Alice's 6 become 5, cheaper; Carol meets 2 of them by selling NO; 3 are cancelled."""
    amended = alice.call("PATCH", f"orders/{order_id}", {"price": "0.55", "quantity": "9"})
    assert (amended["filled"], amended["remaining"]) == ("4.00", "5.00")
    assert carol.place(market, "sell 2 NO @ 0.45")["status"] == "filled"
    cancelled = alice.call("DELETE", f"orders/{order_id}")
    assert (cancelled["status"], cancelled["remaining"]) == ("cancelled", "3.00")
    assert alice.available() == money(GRANT - 4 * 0.40 - 2 * 0.45)


def join(exchange: Exchange, handle: str) -> Person:
    """Register, verify the address, log in."""
    person = Person(exchange, handle)
    person.register()
    person.verify_email()
    person.log_in()
    me = person.call("GET", "me")
    assert (me["handle"], me["email_verified"]) == (handle, True)
    return person


def open_market(operator: Person) -> str:
    """Create and open a market whose result is final at once; return its slug."""
    body = {
        "title": "Does it rain on Sunday?",
        "close_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "dispute_seconds": 0,
    }
    market = operator.call("POST", "markets", body, status=201)["slug"]
    assert operator.call("POST", f"markets/{market}/open", {})["status"] == "open"
    return market


def stop(operator: Person, person: Person) -> None:
    """Suspend a user: their key stops working within a second."""
    reason = {"reason": "a test"}
    operator.call("POST", f"operator/users/{person.handle}/suspend", reason)
    refused: httpx.Response = wait_for(
        lambda: (answer := person.http.get("account")).status_code in (401, 403) and answer
    )
    assert refused.json()["code"] == "account_suspended", refused.text


def money(credits: float) -> str:
    return f"{credits:.6f}"
