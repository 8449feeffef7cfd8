"""A live Prometheus reads a running exchange: every panel of a dashboard shows something."""

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import generate_latest

from bots.engine.metrics import Metrics
from predex_client import Client
from tests.deploy.tools import DEPLOY, find_tool
from tests.exchange import Exchange
from tests.faults.conftest import Setter, set_stage  # noqa: F401 - a fixture
from tests.faults.seed import World, seed
from tests.patience import PATIENCE_SECONDS
from tests.servers import Child, find_free_port
from trading.models import VerifyRun
from trading.tasks import tick

OBSERVABILITY = DEPLOY / "observability"
TOKEN = "a-token-of-a-monitor"
ROLES = ("web", "engine", "engine:0", "worker", "beat")
SCRAPE_SECONDS = 1
SEEN_SECONDS_MAX = 40.0
METRIC = re.compile(r"\bup\b|\b(?:predex|process|adapter|cache|strategy|execution)_\w+")


def test_the_rules_and_the_configuration_are_valid_and_the_alerts_fire_when_they_should():
    promtool = find_tool("promtool")
    for command in ("check rules alerts.yml", "test rules alerts_test.yml"):
        done = subprocess.run(
            [promtool, *command.split()], cwd=OBSERVABILITY, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", OBSERVABILITY / "prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_part_in_the_handbook():
    rules = (OBSERVABILITY / "alerts.yml").read_text()
    handbook = (DEPLOY.parent / "docs" / "hosting.md").read_text()
    missing = [name for name in re.findall(r"alert: (\w+)", rules) if f"**{name}**" not in handbook]
    assert missing == []


@pytest.mark.one_database
def test_every_panel_asks_for_metrics_that_there_are(client, settings, db):
    """Whether a panel shows something is tested with a real Prometheus, among the long runs."""
    settings.METRICS_TOKEN = TOKEN
    now = datetime.now(UTC)
    VerifyRun.objects.create(started_at=now, finished_at=now, breaches=0, report=[])
    tick()
    shown = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content
    engine = generate_latest(Metrics().registry)
    for dashboard, text in (("exchange", shown), ("trading-engine", engine)):
        families = {"up", *re.findall(r"^# TYPE (\w+)", text.decode(), re.MULTILINE)}
        for title, query in list_queries(dashboard):
            named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in METRIC.findall(query)}
            assert named, title
            assert named <= families, title


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_every_panel_shows_something_of_a_running_exchange(set_stage: Setter, tmp_path: Path):  # noqa: F811
    program = find_tool("prometheus")
    ports = {role: str(find_free_port()) for role in ROLES[1:]}
    stage = set_stage(
        "postgres",
        roles=ROLES,
        environment={"METRICS_TOKEN": TOKEN},
        role_environment={role: {"METRICS_PORT": port} for role, port in ports.items()},
    )
    stage.exchange.manage("verify")
    ports["web"] = str(stage.exchange.port)
    prometheus, url = start_prometheus(program, tmp_path, ports)
    try:
        found: dict[str, list[dict[str, Any]]] = {}
        end = time.monotonic() + SEEN_SECONDS_MAX
        async with stage.load(seed=1) as load:
            while not (found and all(found.values())) and time.monotonic() < end:
                await load.run(1.0)
                found = {title: ask(url, query) for title, query in list_queries("exchange")}
        rules = ask_json(url, "rules")["groups"][0]["rules"]
    finally:
        prometheus.stop()
    assert [title for title, result in found.items() if not result] == []
    assert any(float(sample["value"][1]) > 0 for sample in found["Orders by result A"])
    held = {sample["metric"]["instance"]: sample["value"][1]
            for sample in found["Who holds a lease A"]}  # fmt: skip
    assert sorted(held.values()) == ["0", "1"]  # one engine and its standby
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


@pytest.mark.soak
@pytest.mark.timeout(180)
def test_every_panel_shows_something_of_a_running_trading_engine(make_exchange, tmp_path: Path):
    program = find_tool("prometheus")
    made: list[World] = []
    exchange = make_exchange(
        "sqlite", prepare=lambda one: made.append(seed(one, traders=2, markets=1))
    )
    [world] = made
    with Client(exchange.base_url, world.traders[0].key) as client:
        client.place(world.markets[0].slug, "sell", 5, "0.03")
    engine, port = start_trading_engine(exchange, world, tmp_path)
    config = msgspec.yaml.decode((OBSERVABILITY / "prometheus.yml").read_text())
    job = {"job_name": "e", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    prometheus, url = run_prometheus(program, tmp_path, config | {"scrape_configs": [job]})
    try:
        found: dict[str, list[dict[str, Any]]] = {}
        end = time.monotonic() + SEEN_SECONDS_MAX
        while not (found and all(found.values())) and time.monotonic() < end:
            time.sleep(1)
            found = {title: ask(url, query) for title, query in list_queries("trading-engine")}
    finally:
        prometheus.stop()
        engine.stop()
    assert [title for title, result in found.items() if not result] == []
    assert float(found["Fills in an hour A"][0]["value"][1]) >= 0


def start_trading_engine(exchange: Exchange, world: World, folder: Path) -> tuple[Child, int]:
    """Start one that buys on paper what is cheap; return it with the port of its metrics."""
    port = find_free_port()
    path = folder / "engine.toml"
    path.write_text(
        f'[engine]\nstate = "{folder}/engine.sqlite3"\nmetrics = "127.0.0.1:{port}"\n'
        f'[[venues]]\nname = "here"\nkind = "predex"\nurl = "{exchange.base_url}"\n'
        f'key_env = "KEY"\n[[strategies]]\nname = "bargains"\nbelow = "0.05"\n'
        'kind = "bots/engine/strategies/example.py:Bargains"\n'
    )
    command = [sys.executable, "-m", "bots.engine", "--config", path]
    environment = exchange.environment | {"KEY": world.traders[1].key}
    child = Child(command, log_path=folder / "engine.log", environment=environment)
    child.wait_until(lambda: has_filled(port))
    return child, port


def has_filled(port: int) -> bool:
    try:
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS).text
    except httpx.HTTPError:
        return False
    return 'execution_fills_total{executor="paper",strategy="bargains"} 1.0' in shown


def list_queries(dashboard: str) -> list[tuple[str, str]]:
    """Return the title of each panel of a dashboard with its queries, as Grafana sends them."""
    queries = []
    path = OBSERVABILITY / "dashboards" / f"{dashboard}.json"
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", f"{10 * SCRAPE_SECONDS}s")
            queries.append((f"{panel['title']} {target['refId']}", query))
    assert len(queries) > 20
    return queries


def start_prometheus(program: Path, folder: Path, ports: dict[str, str]) -> tuple[Child, str]:
    """Start it with our configuration, but these targets; return it with its API's address."""
    (folder / "token").write_text(TOKEN)
    text = (OBSERVABILITY / "prometheus.yml").read_text()
    config = msgspec.yaml.decode(text)
    [job] = config["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    for group in job["static_configs"]:
        role = group["labels"]["role"]
        named = [port for name, port in ports.items() if name.partition(":")[0] == role]
        assert len(named) == len(group["targets"]), "the file knows each process"
        group["targets"] = [f"127.0.0.1:{port}" for port in named]
    return run_prometheus(program, folder, config)


def run_prometheus(program: Path, folder: Path, config: dict[str, Any]) -> tuple[Child, str]:
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(OBSERVABILITY / "alerts.yml")]
    path = folder / "prometheus.yml"
    path.write_bytes(msgspec.json.encode(config))  # JSON is YAML
    port = find_free_port()
    child = Child(
        [program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}"],
        log_path=folder / "prometheus.log",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api/v1/"
    child.wait_until(lambda: _is_ready(port))
    return child, url


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200
    except httpx.HTTPError:
        return False


def ask(url: str, query: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = ask_json(url, "query", query=query)["result"]
    return result


def ask_json(url: str, path: str, **params: str) -> Any:
    answer = httpx.get(f"{url}{path}", params=params, timeout=PATIENCE_SECONDS).json()
    assert answer["status"] == "success", answer
    return answer["data"]
