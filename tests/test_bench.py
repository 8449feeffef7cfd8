"""Every bench runs in small sizes and reports its figures, which are not checked here."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import start_or_skip
from tests.exchange import ROOT
from tests.servers import find_postgres_bin, find_redis_binary

SECONDS_MAX = 240
FIGURES = {
    "engine": {
        f"engine_{market}_{figure}"
        for market in (
            "binary",
            "binary_with_fees_and_limit",
            "categorical_5_with_fees",
            "binary_with_strict_refund",
            "categorical_5_across",
        )
        for figure in ("1000_resting", "100000_resting", "slowdown_100000_to_1000")
    }
    | {f"engine_across_slowdown_{outcomes}_outcomes" for outcomes in (2, 10, 50)}
    | {"engine_mint_50_outcomes_beside_50_fills"},
    "lmsr": {
        f"lmsr_{quote}_{outcomes}_outcomes"
        for quote in (
            "trade",
            "lots_to_limit",
            "lots_for_budget",
            "ten_levels",
            "change_of_liquidity",
        )
        for outcomes in (2, 50)
    },
    "orders": {
        "orders_1_connection_p50",
        "orders_32_connections",
        "orders_32_connections_p50",
        "orders_32_connections_p99",
        "orders_32_sockets",
        "orders_32_sockets_p50",
        "orders_32_sockets_p99",
        "orders_128_connections",
        "orders_batches_of_100",
        "orders_embedded_sqlite_32_connections",
    },
    "sockets": {
        "sockets_delivered",
        "sockets_p99",
        "socket_that_never_reads_memory",
        "sockets_p99_beside_those_that_never_read",
    },
    "settlement": {"settlement_of_1000000_positions"},
    "suspension": {"suspension_ends_all_orders_postgres", "suspension_ends_all_orders_sqlite"},
    "restart": {"restart_with_1000000_resting_orders"},
    "pages": {
        f"page_{page}_{database}"
        for database in ("postgres", "sqlite")
        for page in (
            "home",
            "home_logged_in",
            "home_search",
            "home_search_outcome",
            "api_search",
            "home_page_2",
            "home_closing",
            "market",
            "market_logged_in",
        )
    },
}


def run_bench(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def check_figure(figure: Any) -> None:
    assert figure["min"] <= figure["median"] <= figure["max"]
    assert figure["runs"]
    assert figure["unit"]
    assert figure["durable"]
    assert len(figure["load"]) == 3
    assert figure["is_met"] in (True, False, None)


@pytest.mark.parametrize("name", ["engine", "lmsr"])
def test_the_engine_is_measured_without_any_server(name: str) -> None:
    document = run_bench(name, "--quick")
    assert document["quick"] is True
    assert document["machine"]["cores"] >= 1
    assert {figure["name"] for figure in document["figures"]} == FIGURES[name]
    for figure in document["figures"]:
        check_figure(figure)
        assert figure["median"] > 0 or figure["unit"] == "microseconds more"


@pytest.mark.soak
@pytest.mark.timeout(SECONDS_MAX + 10)
@pytest.mark.parametrize(
    "name", ["orders", "restart", "sockets", "pages", "settlement", "suspension"]
)
def test_a_bench_measures_on_servers_of_its_own_that_are_durable(name: str) -> None:
    start_or_skip(find_postgres_bin)
    start_or_skip(find_redis_binary)
    document = run_bench(name, "--quick")
    assert {figure["name"] for figure in document["figures"]} == FIGURES[name]
    for figure in document["figures"]:
        check_figure(figure)
        is_durable = "synchronous_commit on" in figure["durable"]
        assert is_durable or "synchronous=FULL" in figure["durable"]
