"""A live Prometheus reads a running exchange: every panel of a dashboard shows something."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.deploy.tools import DEPLOY, find_tool
from tests.faults.conftest import Setter, set_stage  # noqa: F401 - a fixture
from tests.servers import Child, find_free_port

OBSERVABILITY = DEPLOY / "observability"
TOKEN = "a-token-of-a-monitor"
ROLES = ("web", "engine", "engine:0", "worker", "beat")
SCRAPE_SECONDS = 1
SEEN_SECONDS_MAX = 40.0


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
                found = {title: ask(url, query) for title, query in list_queries()}
        rules = ask_json(url, "rules")["groups"][0]["rules"]
    finally:
        prometheus.stop()
    assert [title for title, result in found.items() if not result] == []
    assert any(float(sample["value"][1]) > 0 for sample in found["Orders by result A"])
    held = {sample["metric"]["instance"]: sample["value"][1]
            for sample in found["Who holds a lease A"]}  # fmt: skip
    assert sorted(held.values()) == ["0", "1"]  # one engine and its standby
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


@pytest.mark.timeout(60)
def test_a_role_without_a_site_shows_its_figures_to_who_may_read_them(make_exchange):
    port = str(find_free_port())
    exchange = make_exchange(
        "postgres", roles=("web", "engine"), environment={"METRICS_TOKEN": TOKEN},
        role_environment={"engine": {"METRICS_PORT": port}},
    )  # fmt: skip
    assert exchange.is_ready()
    url = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/health").text == "ok\n"
    assert httpx.get(f"{url}/metrics").status_code == 401
    shown = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert 'predex_lease_held{shard="0"} 1.0' in shown.text.splitlines()
    assert "predex_shard_ready" not in shown.text  # the whole exchange's are the web's


def list_queries() -> list[tuple[str, str]]:
    """Return the title of each panel of each dashboard with its queries, as Grafana sends them."""
    queries = []
    for path in sorted((OBSERVABILITY / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                query = target["expr"].replace("$__rate_interval", f"{10 * SCRAPE_SECONDS}s")
                queries.append((f"{panel['title']} {target['refId']}", query))
    assert len(queries) > 30
    return queries


def start_prometheus(program: Path, folder: Path, ports: dict[str, str]) -> tuple[Child, str]:
    """Start it with our configuration, but these targets; return it with its API's address."""
    (folder / "token").write_text(TOKEN)
    text = (OBSERVABILITY / "prometheus.yml").read_text()
    config = msgspec.yaml.decode(text)
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(OBSERVABILITY / "alerts.yml")]
    [job] = config["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    for group in job["static_configs"]:
        role = group["labels"]["role"]
        named = [port for name, port in ports.items() if name.partition(":")[0] == role]
        assert len(named) == len(group["targets"]), "the file knows each process"
        group["targets"] = [f"127.0.0.1:{port}" for port in named]
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
    answer = httpx.get(f"{url}{path}", params=params).json()
    assert answer["status"] == "success", answer
    return answer["data"]
