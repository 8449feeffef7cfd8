"""Every operation for programs of other venues, called with whatever: 2xx or 4xx, never a 5xx.

The cases are made from the tables of operations, of which these interfaces have no other schema.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from compat.kalshi import groups, keys, legacy_orders, orders
from compat.kalshi.operations import OPERATIONS
from compat.kalshi.requests import Query
from compat.kalshi.socket import Params
from compat.kalshi.streams import CHANNELS
from compat.polymarket.urls import urlpatterns
from tests.compat.conftest import Seeded, log_in_operator
from tests.compat.site import Site
from tests.exchange import Exchange
from tests.faults.seed import World
from tests.patience import PATIENCE_SECONDS

EXAMPLES_EACH = [4, pytest.param(400, marks=[pytest.mark.soak, pytest.mark.timeout(7_200)])]
ODD: list[Any] = [
    None, True, "", "x", "0", "-1", "1e9", "NaN", "é", "\u0000", "0x10", "[]", "%2f", "..",
    "9" * 40, 0, -1, 1, 2**31, 2**63, 2**70, 1.5, [], {}, [None], ["x"] * 3, {"x": 1}, "a" * 300,
]  # fmt: skip
ODD_EVERY = 8
"""One value of so many is odd."""
PLAIN: dict[str, list[Any]] = {
    "side": ["bid", "ask", "yes", "no"], "action": ["buy", "sell", "add_markets", "get_snapshot"],
    "type": ["limit", "market"], "count": ["1", 2, "0.5", 10], "count_fp": ["3.00"],
    "price": ["0.30", 0.5, "0.999"], "yes_price": [1, 50, 99], "no_price": [1, 50, 99],
    "yes_price_dollars": ["0.31"], "no_price_dollars": ["0.64"], "reduce_by": ["1"],
    "reduce_to": [0, "1"], "contracts_limit": [1, 5], "name": ["bot"], "scopes": [["read"]],
    "key_type": ["rsa", "ed25519"], "limit": [1, 10], "period_interval": [1, 60, 1440],
    "start_ts": [0, 1_760_000_000], "end_ts": [60, 1_760_003_600], "status": ["open", "resting"],
    "time_in_force": ["fill_or_kill", "good_till_canceled", "immediate_or_cancel"],
    "self_trade_prevention_type": ["taker_at_cross", "maker"], "depth": [5],
    "expiration_time": [0, 4_000_000_000], "expiration_ts": [4_000_000_000], "buy_max_cost": [500],
    "sell_position_floor": [0], "settlement_status": ["all", "settled"], "interval": ["1d"],
    "channels": [[channel] for channel in CHANNELS], "sid": [1], "sids": [[1]],
}  # fmt: skip
BODIES: dict[Callable[..., Any], Any] = {
    orders.create: orders.CreateOrder,
    orders.create_batch: [orders.CreateOrder],
    orders.cancel_batch: [orders.NamedOrder],
    orders.amend: orders.NewTerms,
    orders.decrease: orders.Decrease,
    legacy_orders.create: legacy_orders.LegacyCreateOrder,
    legacy_orders.create_batch: [legacy_orders.LegacyCreateOrder],
    legacy_orders.cancel_batch: legacy_orders.LegacyCancelBatch,
    legacy_orders.amend: legacy_orders.LegacyAmend,
    legacy_orders.decrease: orders.Decrease,
    groups.create: groups.Limit,
    groups.change_limit: groups.Limit,
    groups.find_queue_positions: groups.OrderIds,
    keys.create_key: keys.NewKalshiKey,
    keys.generate_key: keys.GeneratedKey,
}


class Place(NamedTuple):
    """The running program, and names that exist in it, by what parameters are called."""

    exchange: Exchange
    world: World
    names: dict[str, list[Any]]

    def values(self, name: str) -> "st.SearchStrategy[Any]":
        """Return what a parameter may be: mostly something sensible."""
        plain = self.names.get(name) or PLAIN.get(name) or [None]
        return st.integers(0, ODD_EVERY).flatmap(
            lambda dice: st.sampled_from(plain if dice else ODD)
        )

    def fields(self, struct: Any, *, most: int = 4) -> "st.SearchStrategy[dict[str, Any]]":
        """Return objects with the fields that a struct needs, and some of the others."""
        fields = msgspec.structs.fields(struct)
        needed = [field.encode_name for field in fields if field.required]
        others = [field.encode_name for field in fields if not field.required]
        chosen = st.lists(st.sampled_from([*others, "unknown"]), unique=True, max_size=most)
        return chosen.flatmap(
            lambda more: st.fixed_dictionaries(
                {name: self.values(name) for name in [*needed, *more]}
            )
        )

    def bodies(self, wanted: Any) -> "st.SearchStrategy[Any]":
        if wanted is None:
            return st.none()
        if isinstance(wanted, list):
            each = st.one_of(self.fields(wanted[0]), st.sampled_from(ODD))
            whole = st.fixed_dictionaries({"orders": st.lists(each, max_size=3)})
        else:
            whole = self.fields(wanted)
        return st.one_of(whole, whole, st.sampled_from(ODD))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, seeded: Seeded) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Exchange(folder, database_url=seeded.copy(folder)) as exchange:
        exchange.start()
        site = Site(exchange, seeded.world, log_in_operator(exchange, seeded.world))
        yield find_place(site)


def find_place(site: Site) -> Place:
    exchange, world = site.exchange, site.world
    tickers = [site.market.upper(), site.open("Is this the other one?").upper()]
    market = exchange.get("/poly/gamma/markets").json()[0]
    tokens = json.loads(market["clobTokenIds"])
    names = {
        **dict.fromkeys(("ticker", "event", "event_ticker", "market_ticker"), tickers),
        "tickers": [tickers, ",".join(tickers)], "market_tickers": [tickers],
        "series": ["OTHER"], "series_ticker": ["OTHER"],
        **dict.fromkeys(("token_id", "market", "asset_id"), tokens),
        "slug": [site.market], "number": [market["id"]],
        "condition_id": [market["conditionId"]],
    }  # fmt: skip
    return Place(exchange, world, names)


def try_often(
    examples: int, strategy: "st.SearchStrategy[Any]", act: Callable[[Any], None]
) -> None:
    @given(case=strategy)
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def run(case: Any) -> None:
        act(case)

    run()


def to_query(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None and value != []
    }


@pytest.mark.parametrize("examples", EXAMPLES_EACH)
@pytest.mark.timeout(600)
def test_no_request_in_kalshis_form_is_answered_with_a_500(place: Place, examples: int):
    key = {"X-API-Key": place.world.traders[0].key}
    http = httpx.Client(base_url=place.exchange.base_url, headers=key, timeout=PATIENCE_SECONDS)
    query = place.fields(Query)
    made: list[str] = []
    failures: list[str] = []
    answered: set[str] = set()
    for operation in OPERATIONS:
        parameters = re.findall(r"{(\w+)}", operation.path)
        paths = st.fixed_dictionaries({name: place.values(name) for name in parameters})
        cases = st.tuples(paths, query, place.bodies(BODIES.get(operation.respond)))

        def call(case: Any, operation: Any = operation) -> None:
            names, asked, body = case
            if made and names.get("order_id", "") is None:
                names["order_id"] = made[-1]
            path = operation.path
            for name, value in names.items():
                path = path.replace(f"{{{name}}}", quote(value))
            url = f"/trade-api/v2/{path}"
            answer = http.request(operation.method, url, params=to_query(asked), json=body)
            if answer.status_code >= 500:
                failures.append(f"{operation.method} {url} {asked} {body}: {answer.text}")
            if answer.is_success:
                answered.add(f"{operation.method} {operation.path}")
            if answer.status_code == 201:
                made.extend(re.findall(r'"order_id": ?"([0-9a-f-]+)"', answer.text))

        try_often(examples, cases, call)
    assert not failures, "\n".join(failures[:5])
    assert len(answered) > len(OPERATIONS) // 2
    assert "internal_error" not in place.exchange.log("web")


def quote(value: Any) -> str:
    return httpx.QueryParams({"": str(value)[:200] or "x"}).__str__()[1:].replace("+", "%20")


@pytest.mark.parametrize("examples", EXAMPLES_EACH)
@pytest.mark.timeout(600)
def test_no_request_in_polymarkets_form_is_answered_with_a_500(place: Place, examples: int):
    http = httpx.Client(base_url=place.exchange.base_url, timeout=PATIENCE_SECONDS)
    failures: list[str] = []
    answered: set[str] = set()
    for pattern in urlpatterns[:-1]:
        route, made_of = str(pattern.pattern), pattern.callback.view_initkwargs
        parameters = re.findall(r"<(?:\w+:)?(\w+)>", route)
        paths = st.fixed_dictionaries({name: place.values(name) for name in parameters})
        params = made_of.get("params")
        queries = st.fixed_dictionaries({}) if params is None else place.fields(params)
        bodies = st.none() if params is not None else st.sampled_from(
            [[{"token_id": token, "side": "BUY"}] for token in place.names["token_id"]]
            + [{"markets": place.names["token_id"]}, *ODD]
        )  # fmt: skip

        def call(case: Any, route: str = route, is_read: bool = params is not None) -> None:
            names, asked, body = case
            path = route
            for name, value in names.items():
                path = quote(value).join(re.split(rf"<(?:\w+:)?{name}>", path))
            method = "GET" if is_read else "POST"
            answer = http.request(method, f"/poly/{path}", params=to_query(asked), json=body)
            if answer.status_code >= 500:
                failures.append(f"{method} {path} {asked} {body}: {answer.text}")
            if answer.is_success:
                answered.add(route)

        try_often(examples, st.tuples(paths, queries, bodies), call)
    assert not failures, "\n".join(failures[:5])
    assert len(answered) > len(urlpatterns) // 2
    assert "internal_error" not in place.exchange.log("web")


@pytest.mark.parametrize("examples", [40, pytest.param(1_000, marks=pytest.mark.soak)])
def test_no_command_of_the_socket_fails(place: Place, examples: int):
    commands = st.fixed_dictionaries({
        "id": st.sampled_from([1, 1, 1, *ODD]),
        "cmd": st.sampled_from(["subscribe", "subscribe", "unsubscribe", "update_subscription",
                                "list_subscriptions", *ODD]),
        "params": st.one_of(place.fields(Params), place.fields(Params), st.sampled_from(ODD)),
    })  # fmt: skip
    made: list[Any] = []
    try_often(examples, commands, made.append)
    asyncio.run(send_commands(place, made))
    assert "socket_message_failed" not in place.exchange.log("web")


async def send_commands(place: Place, commands: list[Any]) -> None:
    url = f"ws://127.0.0.1:{place.exchange.port}/trade-api/ws/v2"
    headers = {"X-API-Key": place.world.traders[0].key}
    async with connect(url, additional_headers=headers) as connection:
        for command in commands:
            await connection.send(json.dumps(command))
            await asyncio.sleep(0.05)  # as many as a socket may send
        await connection.send('{"id": 424242, "cmd": "list_subscriptions"}')
        async with asyncio.timeout(PATIENCE_SECONDS):
            while json.loads(await connection.recv()).get("id") != 424242:
                pass
