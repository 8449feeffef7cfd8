"""Response times of the server's busiest pages and searches.

There are 2,000 markets and 1,000,000 trades. Requests go over HTTP, one at a time, to the real
server on SQLite and on PostgreSQL; a run's figure is the median of its requests. The time is that
of the whole response, as seen by a client; also given is the CPU time, which does not depend on
other programs on the machine.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any, Final, get_args

import httpx

from bench.figures import Figure, Sizes, build_figure, compute_percentile
from bench.processes import read_spent
from bench.stage import Kind, open_stage

P50_MS: Final = 80
WARM_UP_REQUESTS: Final = 5
ANSWER_SECONDS: Final = 30
SESSION_COOKIE: Final = "sessionid"


def measure(sizes: Sizes) -> Iterator[Figure]:
    for kind in get_args(Kind):
        yield from measure_on(kind, sizes)


def measure_on(kind: Kind, sizes: Sizes) -> Iterator[Figure]:
    history = sizes.choose(
        {"markets": 2_000, "trades": 1_000_000, "traders": 10_000},
        {"markets": 60, "trades": 5_000, "traders": 500},
    )
    requests = sizes.choose(60, 10)
    with open_stage(kind) as stage:
        made = stage.call("bench.history:make", **history)
        if kind == "postgres":
            stage.execute("VACUUM (ANALYZE)", "CHECKPOINT")
        with stage.running() as exchange:
            client = httpx.Client(base_url=exchange.base_url, timeout=ANSWER_SECONDS)
            user = httpx.Client(
                base_url=exchange.base_url,
                timeout=ANSWER_SECONDS,
                cookies={SESSION_COOKIE: made["session"]},
            )
            market = f"/markets/{made['slug']}/"
            pages = {
                "home": (client, "/"),
                "home_logged_in": (user, "/"),
                "home_search": (client, "/?q=gold"),
                "home_search_outcome": (client, "/?q=candidate+2"),
                "api_search": (client, "/api/v1/markets?q=gold"),
                "home_page_2": (client, find_next_page(client)),
                "home_closing": (client, "/?sort=closing"),
                "market": (client, market),
                "market_logged_in": (user, market),
            }
            check_session(user)
            durable = stage.describe_durability()
            for name, (who, path) in pages.items():
                pids = stage.find_processes()
                runs = [time_page(who, path, requests, pids) for _ in range(sizes.runs)]
                yield build_figure(
                    f"page_{name}_{kind}",
                    [run["p50_ms"] for run in runs],
                    unit="ms",
                    durable=durable,
                    at_most=P50_MS,
                    details={**history, "requests_a_run": requests, "runs": runs},
                )


def time_page(
    client: httpx.Client, path: str, requests: int, pids: dict[str, int]
) -> dict[str, Any]:
    """Return median and spread of a page's response time and CPU time."""
    milliseconds = []
    for _ in range(WARM_UP_REQUESTS):
        client.get(path).raise_for_status()
    before = read_spent(pids)
    for _ in range(requests):
        started = time.perf_counter()
        answer = client.get(path)
        milliseconds.append(1_000 * (time.perf_counter() - started))
        answer.raise_for_status()
    after = read_spent(pids)
    milliseconds.sort()
    return {
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p5_ms": round(compute_percentile(milliseconds, 0.05), 2),
        "p95_ms": round(compute_percentile(milliseconds, 0.95), 2),
        "processor_ms_a_request": {
            name: round(1_000 * after[name].minus(before[name]).seconds / requests, 1)
            for name in pids
        },
        "bytes": len(answer.content),
    }


def find_next_page(client: httpx.Client) -> str:
    page = client.get("/").raise_for_status().text
    return page.partition('id="more"')[2].partition('href="')[2].partition('"')[0]


def check_session(user: httpx.Client) -> None:
    if "/accounts/login/" in user.get("/").raise_for_status().text:
        raise RuntimeError("the session is not taken for a log-in")
