"""The client's calls and models are those of the schema; it imports nothing of the exchange."""

import ast
import dataclasses
import inspect
import sys
import types
import typing
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import predex_client
from predex_client import (
    KeyRequest,
    NewOrder,
    StopLoss,
    TakeProfit,
    Trigger,
    calls,
    events,
    models,
    own,
)
from predex_client.client import build_arguments
from predex_client.endpoints import Endpoints, OrderEndpoints
from predex_client.events import EVENTS
from predex_client.requests import Endpoint, Listing
from predex_client.values import decode, encode
from tests.contract import find_operation, read_schema
from tests.exchange import ROOT
from trading.feed import schema as feed
from trading.feed.schema import FRAMES
from trading.order_entry.messages import OPERATION_OF

PACKAGE = ROOT / "clients" / "python"
NOW = datetime(2026, 7, 1, tzinfo=UTC)
METHODS = {
    name: method
    for owner in (OrderEndpoints, Endpoints)
    for name, method in vars(owner).items()
    if isinstance(method, (Endpoint, Listing))
}
FULL_ORDER = NewOrder(
    "rain", "buy", "10", "0.55", outcome="YES", type="limit", budget=None, time_in_force="gtd",
    post_only=True, reduce_only=False, self_trade_prevention="decrement", client_order_id="a b",
    expires_at=NOW, valid_until=NOW, order_group="0" * 32, currency="CR",
    trigger=Trigger(kind="stop", price="0.4", on="best", trail="0.1"),
    take_profit=TakeProfit(price="0.7", limit="0.69", on="last"),
    stop_loss=StopLoss(price="0.3", limit="0.2", on="last", trail="0.1"),
)  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "orders": [FULL_ORDER], "key": KeyRequest(name="k", expires_at=NOW), "seconds": 30,
    "price": "0.5", "quantity": 10, "trigger_price": "0.4", "limit": 100, "side": "buy",
    "take_profit": TakeProfit(price="0.7"), "stop_loss": None, "valid_until": NOW, "until": NOW,
    "daily_budget": 20, "start": NOW, "end": NOW, "interval": "1m", "updated_since": NOW,
    "settled": True, "client_order_id": "a/b", "email": "a@example.org", "status": "open",
    "scopes": ["read"], "networks": ["203.0.113.0/24"], "expires_at": NOW, "subaccount": 1,
    "amount": "2.5", "from_subaccount": 1, "to_subaccount": 2, "is_on": False, "state": "failed",
    "events": ["fill", "settlement"],
}  # fmt: skip
ANSWERS = {
    models.Market: "ShownMarketRow", models.MarketDetails: "ShownMarket",
    models.Outcome: "ShownOutcome", models.Discount: "ShownDiscount",
    models.Clarification: "ShownClarification", models.Resolver: "ShownResolver",
    models.Panel: "ShownPanel", models.Reading: "ShownReading", models.Result: "ShownResult",
    models.StatusChange: "ShownStatusChange", models.ExchangeState: "ShownExchange",
    models.OutcomeBook: "OutcomeBook", models.Book: "BookAnswer", models.Trade: "PublicTrade",
    models.Candle: "CandleBar", models.OutcomePrice: "OutcomePrice", models.Prices: "MarketPrices",
    models.Ticker: "Ticker", own.BookedOrder: "Booked", own.OrderTrigger: "TriggerOut",
    own.Order: "OrderState", own.OrderTrade: "OrderTrade",
    own.OrderAnswer: "OrderAnswer", own.Fault: "Fault", own.BatchItem: "BatchItem",
    own.CancelledOrders: "CancelledOrders", own.Warned: "Warned",
    own.Preview: "PreviewAnswer", own.Protection: "Protection",
    own.QueuePosition: "OrderQueuePosition", own.CancelTimer: "ShownCancelTimer",
    own.OrderGroup: "ShownOrderGroup", own.StandingOrder: "ShownStandingOrder",
    own.Fill: "OwnFill", own.Account: "ShownAccount",
    own.OutcomePosition: "OutcomePosition", own.Position: "MarketPosition",
    own.Portfolio: "Portfolio", own.Transfer: "ShownTransfer", own.Bucket: "ShownBucket",
    own.Limits: "ShownLimits", own.User: "ShownUser", own.NewKey: "ShownNewKey",
    own.Registration: "ShownRegistration", own.Tokens: "ShownTokens", own.Key: "ShownKey",
    own.Subaccount: "ShownSubaccount", own.SubaccountTransfer: "ShownFundsMove",
    own.Webhook: "ShownWebhook", own.NewWebhook: "ShownNewWebhook", own.Delivery: "ShownDelivery",
}  # fmt: skip
NESTED = {
    events.LevelChanges: feed.OutcomeLevels, events.BestPrices: feed.BestPrices,
    events.Balance: feed.ShownBalance, events.Holding: feed.HeldMarket,
    events.HeldOutcome: feed.HeldOutcome, events.Missed: feed.MissedSince,
    events.ExchangeNow: feed.ExchangeNow,
}  # fmt: skip
REQUESTS = {
    NewOrder: "PlaceOrderRequest", Trigger: "TriggerIn", TakeProfit: "LegIn",
    StopLoss: "StopLossIn", KeyRequest: "NewKeyRequest",
}  # fmt: skip


def build_request(name: str) -> Any:
    """Return a method's request, with all its arguments."""
    if name in ("place", "preview"):
        return getattr(calls, name)(FULL_ORDER)
    parameters = inspect.signature(METHODS[name].describe).parameters
    given = {key: ARGUMENTS.get(key, f"some-{key}") for key in parameters}
    return METHODS[name].describe(**given)


@pytest.mark.parametrize("name", METHODS)
def test_every_call_is_one_of_the_schema_with_nothing_that_it_does_not_name(name):
    arguments = build_arguments(build_request(name))
    operation = find_operation(arguments["method"], f"/api/v1/{arguments['url']}")
    assert operation is not None, arguments["url"]
    named = {parameter["name"] for parameter in operation.get("parameters", ())}
    assert (arguments["params"] or {}).keys() <= named
    assert arguments.get("headers", {}).keys() <= named
    if "json" not in arguments:
        assert "requestBody" not in operation
        return
    described = operation["requestBody"]["content"]["application/json"]["schema"]
    schema = {**described, "components": read_schema()["components"]}
    faults = [
        fault.message for fault in Draft202012Validator(schema).iter_errors(arguments["json"])
    ]
    assert faults == []


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_of_a_call_can_be_given(name):
    arguments = build_arguments(build_request(name))
    operation = find_operation(arguments["method"], f"/api/v1/{arguments['url']}") or {}
    names = (
        {parameter["name"] for parameter in operation["parameters"]}
        if "parameters" in operation
        else set()
    )
    given = {
        *(arguments["params"] or {}),
        *arguments.get("headers", {}),
        *build_request(name).params,
    }
    keyed = {"Idempotency-Key"} if name == "place" else set()  # its order has a name
    assert names - given <= {"cursor"} | keyed


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_answers_have_the_fields_of_the_schema(kind):
    described = read_schema()["components"]["schemas"][ANSWERS[kind]]
    hints = typing.get_type_hints(kind)
    assert {field.name for field in dataclasses.fields(kind)} == described["properties"].keys()
    for name, schema in described["properties"].items():
        is_optional = name not in described["required"]
        assert is_nullable(hints[name]) == (may_be_null(schema) or is_optional), name


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_what_is_asked_for_has_the_fields_of_the_schema(kind):
    described = read_schema()["components"]["schemas"][REQUESTS[kind]]
    names = {field.name for field in dataclasses.fields(kind)}
    assert names == described["properties"].keys()


def test_events_have_the_fields_of_the_feed_s_frames():
    frames = {frame.__struct_config__.tag: set(frame.__struct_fields__) for frame in FRAMES}
    for type_, kind in EVENTS.items():
        # Snapshot and change are one kind of event here.
        both = frames[type_] | frames.get(f"{type_}_snapshot", set())
        both |= frames[type_.removesuffix("_snapshot")]
        named = {field.name for field in dataclasses.fields(kind)}
        assert both - named <= {"v", "id"}, type_
        assert named <= both, type_
    answered = {"authenticated", "subscribed", "pong", "cancel_on_disconnect", "error"}
    assert frames.keys() - EVENTS.keys() == answered
    for kind, struct in NESTED.items():
        assert {field.name for field in dataclasses.fields(kind)} == set(struct.__struct_fields__)


def is_nullable(hint: Any) -> bool:
    return types.NoneType in typing.get_args(hint)


def may_be_null(schema: dict[str, Any]) -> bool:
    kinds = [schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))]
    kinds += [one.get("type") for one in schema.get("oneOf", ())]
    return any(kind == "null" or (isinstance(kind, list) and "null" in kind) for kind in kinds)


def test_every_order_operation_of_the_socket_is_a_method_of_feeds():
    named = {name for name, method in vars(OrderEndpoints).items() if isinstance(method, Endpoint)}
    assert named == {operation.name for operation in OPERATION_OF.values()}
    for operation in OPERATION_OF.values():
        request = build_request(operation.name)
        assert (request.operation, request.method, request.path) == (
            operation.name, operation.method, operation.path,
        )  # fmt: skip


def test_numbers_and_times_are_exact_or_refused():
    with pytest.raises(TypeError, match="not exact"):
        encode({"price": 0.1})
    with pytest.raises(ValueError, match="no time zone"):
        encode(datetime(2026, 7, 1))  # noqa: DTZ001
    with pytest.raises(LookupError, match="OrderTrade lacks fee, id"):
        decode(own.OrderTrade, {"price": "0.1", "quantity": "1.00", "new": 1})


def test_the_client_imports_nothing_but_what_it_names():
    allowed = {"predex_client", "httpx", "websockets", *sys.stdlib_module_names}
    lazily = {"cryptography"}  # only who signs needs it
    for path in [*PACKAGE.glob("predex_client/*.py"), *PACKAGE.glob("examples/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {(node.module or "").partition(".")[0]}
            else:
                continue
            own = {"pytest"} if path.name == "pytest_plugin.py" else set()  # an extra
            named = allowed | own | (lazily if node.col_offset else set())
            assert imported <= named, path


def test_what_the_package_shows_is_there():
    assert all(hasattr(predex_client, name) for name in predex_client.__all__)
