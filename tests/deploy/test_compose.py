"""The image's and the compose file's commands, users, files and environment, run as processes."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.databases import PostgresDatabases
from tests.deploy.machine import Machine, list_shipped
from tests.deploy.tools import DEPLOY, find_tool
from tests.exchange import ROOT
from tests.patience import PATIENCE_SECONDS
from tests.servers import find_free_port

ROLES = ("engine", "engine-standby", "web", "worker", "beat")
TEMPORARY = "/tmp"  # noqa: S108 - the image's
SITE_HOST = "predict.example.org"


def read_compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yml").read_text()
    text = re.sub(r"\$\{SITE_HOST(:\?[^}]*)?\}", SITE_HOST, text)
    assert "${" not in text
    compose: dict[str, Any] = msgspec.yaml.decode(text)
    return compose


class Dockerfile:
    """Instructions of the last stage, and of the one before."""

    def __init__(self) -> None:
        text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.instructions = [line.split(None, 1) for line in lines]
        starts = [i for i, (name, _) in enumerate(self.instructions) if name == "FROM"]
        self.build = self.instructions[: starts[-1]]
        self.final = self.instructions[starts[-1] :]

    def environment(self, path: str) -> dict[str, str]:
        """Return ENV of the final stage; `path` is what $PATH was."""
        text = " ".join(rest for name, rest in self.final if name == "ENV")
        pairs = (pair.split("=", 1) for pair in text.split())
        return {name: value.replace("$PATH", path) for name, value in pairs}

    def find(self, name: str) -> str:
        return next(rest for instruction, rest in reversed(self.final) if instruction == name)


@pytest.fixture
def machine(
    postgres_databases: PostgresDatabases, redis_url: str, tmp_path: Path
) -> Iterator[Machine]:
    """Its database is migrated already: other tests migrate empty ones."""
    made = Machine({
        "REDIS_PREFIX": f"compose_{find_free_port()}",
        "DATABASE_URL": postgres_databases.make(tmp_path),
        "REDIS_URL": redis_url,
    })  # fmt: skip
    yield made
    made.end()


def test_the_dockerfile_is_linted():
    done = subprocess.run(
        [find_tool("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_image_has_the_programs_and_no_tests_tools_or_secrets():
    shipped = list_shipped()
    assert all((ROOT / entry).exists() for entry in shipped)
    assert not {"tests", "bench", ".env", "data"} & set(shipped)
    docker = Dockerfile()
    uid, gid = docker.find("USER").split(":")
    assert uid != "0"
    assert f"uid={uid},gid={gid}" in (DEPLOY / "compose.yml").read_text()
    secrets = re.compile(r"(SECRET|PEPPER|TOKEN|PASSWORD|SIGNING)", re.IGNORECASE)
    assert not [rest for name, rest in docker.final if name == "ENV" and secrets.search(rest)]


def test_no_service_has_a_secret_in_its_environment_and_each_has_a_probe_and_an_image():
    compose = read_compose()
    for name, service in compose["services"].items():
        assert service["image"], name
        for variable, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PEPPER|TOKEN|PASSWORD|SIGNING_KEY", variable):
                assert value.startswith("/run/secrets/"), (name, variable)
        one_off = service.get("restart") == "no"
        assert one_off or service["healthcheck"]["test"], name
    text = (DEPLOY / "make-secrets").read_text()
    assert [name for name in compose["secrets"] if name not in text] == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_roles_of_the_compose_file_are_an_exchange(machine: Machine, tmp_path: Path):
    """Migrate, then every role as an unprivileged user, then a backup; each probe succeeds."""
    compose, docker = read_compose(), Dockerfile()
    machine.install("/venv", "/predex")
    collect_static(machine, docker)
    for path in ("/data", "/backups", TEMPORARY):
        machine.add(path, path.strip("/"), is_writable=True)
    make_secrets(machine, compose)
    image = docker.environment(os.defpath) | {"LOG_LEVEL": "WARNING"}
    ports = {old: str(find_free_port()) for old in ("8000", "9101", "9102", "9103")}
    standby_port = str(find_free_port())

    def run(name: str) -> Any:
        service = compose["services"][name]
        values = {**image, **service["environment"]}
        ours = {**ports, "9101": standby_port} if name == "engine-standby" else ports
        command = [ours.get(part, part) for part in service["command"]]
        if "METRICS_PORT" in values:
            values["METRICS_PORT"] = ours[values["METRICS_PORT"]]
        return machine.start(name, command, folder=docker.find("WORKDIR"), environment=values)

    machine.environment["DATABASE_PASSWORD_FILE"] = ""  # the tests' server trusts everybody
    assert (migrating := run("migrate")).process.wait(PATIENCE_SECONDS) == 0, migrating.read_log()
    for role in ROLES:
        run(role)
    url = f"http://127.0.0.1:{ports['8000']}"
    machine.children["web"].wait_until(lambda: is_ready(url), seconds=PATIENCE_SECONDS)
    assert "Who opens this address within a day" in machine.children["web"].read_log()
    http = httpx.Client(base_url=url, headers={"Host": SITE_HOST}, timeout=PATIENCE_SECONDS)
    assert http.get("/llms.txt").status_code == 200
    [style] = re.findall(r'href="(/static/css/site\.\w+\.css)"', http.get("/").text)  # manifest's
    assert http.get(style).status_code == 200
    for role in ROLES:
        assert machine.children[role].is_running(), role
        if role != "engine-standby":
            probe(machine, compose["services"][role]["healthcheck"]["test"], ports, image)
    token = (machine.places["/run/secrets"] / "metrics_token").read_text().strip()
    assert http.get(f"http://127.0.0.1:{ports['9101']}/metrics").status_code == 401
    figures = [read_figures(port, token) for port in (ports["9101"], standby_port, ports["8000"])]
    assert all("process_resident_memory_bytes" in text for text in figures)
    *of_engines, of_web = figures
    held = [text.splitlines().count('predex_lease_held{shard="0"} 1.0') for text in of_engines]
    assert sorted(held) == [0, 1]
    assert "predex_shard_ready" in of_web
    assert "predex_shard_ready" not in "".join(of_engines)  # the whole exchange's are the web's
    # The worker's pool has processes of its own; its tasks are counted all the same.
    wait_for(lambda: 'result="success"' in read_figures(ports["9102"], token))
    wait_for(
        lambda: 'predex_task_triggers_total{task="tick"}' in read_figures(ports["9103"], token)
    )
    assert run("backup").process.wait(PATIENCE_SECONDS) == 0, machine.children["backup"].read_log()
    assert len(list(machine.places["/backups"].glob("predex-*.dump"))) == 1
    for role in reversed(ROLES):
        assert machine.children[role].stop() == 0, role


def collect_static(machine: Machine, docker: Dockerfile) -> None:
    """Run the command of the build stage that collects the static files."""
    machine.add("/static", "static", is_writable=True)
    machine.add(TEMPORARY, "tmp", is_writable=True)
    [command] = [rest for name, rest in docker.build if name == "RUN" and "collectstatic" in rest]
    path = f"/venv/bin:{os.defpath}"
    child = machine.start(
        "build", ["/bin/sh", "-c", command], folder="/predex",
        environment={"PATH": path, "PREDEX_ENV_FILE": os.devnull},
    )  # fmt: skip
    assert child.process.wait(PATIENCE_SECONDS) == 0, child.read_log()


def make_secrets(machine: Machine, compose: dict[str, Any]) -> None:
    """Run the script of the handbook; show its files as compose does."""
    made = machine.root / "made"
    subprocess.run([DEPLOY / "make-secrets", made], check=True, capture_output=True)
    folder = machine.add("/run/secrets", "secrets")
    for name, secret in compose["secrets"].items():
        shutil.copy(made / Path(secret["file"]).name, folder / name)


def probe(machine: Machine, test: list[str], ports: dict[str, str], image: dict[str, str]) -> None:
    kind, *command = test
    assert kind == "CMD"
    command = [re.sub(r":(\d{4})/", lambda found: f":{ports[found[1]]}/", part) for part in command]
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        child = machine.start("probe", command, folder="/predex", environment=image)
        if child.process.wait(PATIENCE_SECONDS) == 0:
            return
        time.sleep(0.5)
    raise AssertionError(f"{command} failed")


def read_figures(port: str, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=10)
    assert answer.status_code == 200
    return answer.text


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.3)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
