"""The OpenAPI schema: it is valid, covers all operations, and no request from it is a 500."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, given, settings

from accounts.actions import do_create_api_key
from accounts.models import User
from predex import api_pages
from tests.faults.seed import World, seed
from tests.trading import world
from trading.order_entry.operations import OPERATIONS

EXAMPLES_EACH = [3, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(7_200)])]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(public=True)


def test_the_schema_is_valid_and_free_of_warnings(tmp_path):
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")
    )


def test_every_operation_of_the_order_app_is_a_view_of_django_too(schema):
    validate_schema(schema)
    for operation in OPERATIONS:
        shown = schema["paths"][f"/api/v1/{operation.path}"][operation.method.lower()]
        assert "default" in shown["responses"], operation.name
        has_body = "requestBody" in shown
        assert has_body == (operation.request is not None), operation.name


def test_order_schemas_come_from_the_structs(schema):
    shown = schema["components"]["schemas"]["PlaceOrderRequest"]
    assert shown["additionalProperties"] is False
    assert shown["required"] == ["market", "side"]
    assert set(shown["properties"]["price"]["type"]) == {"string", "number", "null"}
    batch = schema["components"]["schemas"]["PlaceBatchRequest"]["properties"]["orders"]
    assert batch["items"] == {"$ref": "#/components/schemas/PlaceOrderRequest"}
    assert batch["maxItems"] == 100


def test_swagger_is_served_without_any_other_host(client, db):
    page = client.get("/api/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/" in page


def test_every_route_of_the_api_is_in_the_schema(schema):
    routes = set()
    for resolver in get_resolver().url_patterns:
        if str(resolver.pattern) == "api/v1/":
            routes |= {str(pattern.pattern) for pattern in resolver.url_patterns}
    shown = {path.removeprefix("/api/v1/") for path in schema["paths"]}
    assert len(shown) == len(routes)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", EXAMPLES_EACH)
def test_no_request_made_from_the_schema_is_answered_with_a_500(make_exchange, examples):
    import schemathesis  # slow, and read by every worker

    worlds: list[World] = []
    exchange = make_exchange(
        "sqlite",
        prepare=lambda made: worlds.append(seed(made, traders=1, markets=1)),
    )
    [world] = worlds
    api = schemathesis.openapi.from_url(f"{exchange.base_url}/api/schema/")
    failures: list[str] = []
    with requests.Session() as session:
        for result in api.get_all_operations():
            try_operation(result.ok(), examples, world, session, failures)
    assert not failures, "\n".join(failures)
    assert "internal_error" not in exchange.log("web")


def try_operation(
    operation: Any, examples: int, world: World, session: requests.Session, failures: list[str]
) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        point_at_the_market(case, world.markets[0].slug)
        answer = case.call(session=session, headers={"X-API-Key": world.traders[0].key})
        if answer.status_code >= 500:
            failures.append(f"{case.method} {case.formatted_path}: {answer.text}")

    run()


def point_at_the_market(case: Any, slug: str) -> None:
    """A made-up slug would only ever be a 404."""
    if "slug" in (case.path_parameters or {}):
        case.path_parameters["slug"] = slug
    if isinstance(case.body, dict) and "market" in case.body:
        case.body["market"] = slug


def test_the_schema_is_served_as_json_and_as_yaml(client, db):
    answer = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert json.loads(answer.content)["openapi"].startswith("3.")
    assert answer.content == client.get("/api/schema/?format=json").content
    assert client.get("/api/schema/").content.startswith(b"openapi: 3.")


def test_the_schema_is_built_once_however_many_ask_at_once(monkeypatch):
    built = []
    original = SchemaGenerator.get_schema

    def build(*arguments, **options):
        built.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(SchemaGenerator, "get_schema", build)
    api_pages._build.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lambda: Client().get("/api/schema/?format=json")) for _ in range(24)]
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(built) == 1


def test_docs_and_schema_are_the_same_for_every_caller(client, db):
    account = world.make_account()
    _, secret = do_create_api_key(account, name="k", scopes=["read"], by=None)
    User.objects.filter(pk=account.owner_id).update(is_active=False)
    for headers in ({"X-API-Key": secret}, {"Authorization": "Bearer nonsense"}, {}):
        for path in ("/api/docs/", "/api/schema/"):
            assert client.get(path, headers=headers).status_code == 200, (path, headers)
            assert client.head(path, headers=headers).status_code == 200
            for method in ("OPTIONS", "POST", "DELETE"):
                answer = client.generic(method, path, headers=headers)
                assert answer.status_code == 405, (method, path)
                assert answer.json()["code"] == "method_not_allowed"
    client.force_login(account.owner)
    assert client.get("/api/docs/", headers={"Accept": "application/xml"}).status_code in (200, 406)


def test_every_operation_promises_one_success_and_no_204_has_a_body(schema):
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            successes = [code for code in operation["responses"] if code != "default"]
            assert len(successes) == 1, (method, path)
            has_body = "content" in operation["responses"][successes[0]]
            assert has_body == (successes[0] != "204"), (method, path)


def test_what_is_done_once_under_a_key_names_its_header(schema):
    named = {
        operation["operationId"]
        for operations in schema["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "Idempotency-Key"
    }
    assert named == {
        "orders_place", "orders_place_batch", "orders_amend", "orders_cancel", "orders_cancel_all",
        "positions_close", "positions_protect", "deposits_create", "withdrawals_create",
        "operator_deposits_create", "subaccounts_transfer", "markets_resolve", "markets_dispute",
        "markets_change_liquidity",
    }  # fmt: skip
