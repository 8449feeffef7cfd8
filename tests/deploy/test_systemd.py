"""The systemd units' commands as processes, behind nginx with TLS (see docs/hosting.md)."""

import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import create_connection
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.sync.client import connect

from tests.deploy.machine import Machine
from tests.deploy.tools import DEPLOY, find_tool
from tests.exchange import Exchange
from tests.faults.seed import World, seed
from tests.patience import PATIENCE_SECONDS
from tests.servers import Child, find_free_port

UNITS = DEPLOY / "systemd"
SITE_HOST = "predict.example.org"
CLIENT = "127.0.0.2"
INSTANCES = {
    "predex-web": ("",),
    "predex-engine@": ("1", "2"),
    "predex-worker": ("",),
    "predex-beat": ("",),
}


def read_unit(name: str, instance: str = "") -> dict[str, list[str]]:
    """Return a unit's settings; each may be there several times."""
    settings: dict[str, list[str]] = {}
    for line in (UNITS / f"{name}.service").read_text().splitlines():
        key, found, value = line.replace("%i", instance).partition("=")
        if found and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def read_environment(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


class Site(NamedTuple):
    """`http` reaches it as a client does, by TLS."""

    machine: Machine
    world: World
    port: str
    context: ssl.SSLContext
    http: httpx.Client


@pytest.fixture
def site(postgres_databases: Any, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    """Every unit, once per instance, and nginx in front of them."""
    nginx = find_tool("nginx")
    values = read_environment((UNITS / "environment.example").read_text())
    for name in ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY", "METRICS_TOKEN"):
        assert values[name] == ""
        values[name] = f"tests-only-{name.lower()}".ljust(48, "x")
    database_url = postgres_databases.make(tmp_path)
    ours = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": f"units-{find_free_port()}",
        "EMAIL_URL": "consolemail://",
        "STATIC_MANIFEST": "false",  # collected before: see test_compose
        "LOG_LEVEL": "INFO",
    }
    values |= ours
    preparing = Exchange(tmp_path, database_url=database_url, environment=values)
    world = seed(preparing)
    machine = Machine(values)
    machine.install("/opt/predex/.venv", "/opt/predex")
    machine.add("/var/lib/predex", "state", is_writable=True)
    machine.environment["DATA_DIR"] = machine.place(values["DATA_DIR"])
    port = str(find_free_port())
    for name, instances in INSTANCES.items():
        for instance in instances:
            start_unit(machine, name, instance, port)
    context, tls_port = start_nginx(machine, nginx, port)
    base_url = f"https://127.0.0.1:{tls_port}"
    transport = httpx.HTTPTransport(verify=context, local_address=CLIENT)
    http = httpx.Client(
        base_url=base_url,
        headers={"Host": SITE_HOST},
        transport=transport,
        timeout=PATIENCE_SECONDS,
    )
    machine.children["predex-web"].wait_until(lambda: is_ready(http), seconds=PATIENCE_SECONDS)
    yield Site(machine, world, tls_port, context, http)
    machine.end()


def start_unit(machine: Machine, name: str, instance: str, port: str) -> Child:
    """Start a unit's ExecStart with its environment, folder and (as root) an unprivileged user."""
    unit = read_unit(name, instance)
    assert unit["User"] == ["predex"]
    own = dict(value.split("=", 1) for value in unit.get("Environment", ()))
    environment = {"PATH": f"/opt/predex/.venv/bin:{os.defpath}", **own}
    if "METRICS_PORT" in environment:
        environment["METRICS_PORT"] = str(find_free_port())
    [command] = unit["ExecStart"]
    words = [port if word == "8000" else word for word in command.split()]
    [folder] = unit["WorkingDirectory"]
    return machine.start(f"{name}{instance}", words, folder=folder, environment=environment)


def start_nginx(machine: Machine, nginx: Path, port: str) -> tuple[ssl.SSLContext, str]:
    """Start nginx with our site; return a context that trusts its certificate, and its port."""
    folder = machine.add("/etc/letsencrypt/live/predict.example.org", "nginx", is_writable=True)
    certificate, key = make_certificate()
    (folder / "fullchain.pem").write_bytes(certificate)
    (folder / "privkey.pem").write_bytes(key)
    tls_port, plain_port = str(find_free_port()), str(find_free_port())
    site = machine.place((DEPLOY / "nginx.conf").read_text())
    site = re.sub(r"listen \[::\].*\n", "\n", site)
    site = site.replace("listen 443", f"listen 127.0.0.1:{tls_port}")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{plain_port};")
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}"
        f" http {{ access_log off; {paths}\n{site}\n}}"
    )
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    command = [str(nginx), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    machine.children["nginx"] = Child(
        command, log_path=machine.root / "logs" / "nginx.log", user=machine.user
    )
    return ssl.create_default_context(cadata=certificate.decode()), tls_port


def make_certificate() -> tuple[bytes, bytes]:
    """Return a certificate that its own key has signed, and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SITE_HOST)])
    now = datetime.now(UTC)
    names = [x509.DNSName(SITE_HOST), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    return (
        certificate.public_bytes(pem),
        key.private_bytes(pem, private, serialization.NoEncryption()),
    )


def is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/ready").status_code == 200
    except httpx.HTTPError:
        return False


def test_systemd_understands_the_units(tmp_path: Path):
    """Paths of the host are replaced by ones that exist here; everything else is as it is."""
    program = find_tool("systemd-analyze")
    for path in UNITS.iterdir():
        text = re.sub(r"/opt/predex/\.venv/bin/\w+", "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text.replace("User=predex", "User=root"))
    names = [path.name for path in UNITS.iterdir() if path.suffix != ".example"]
    units = [tmp_path / name.replace("@.", "@1.") for name in names]
    (tmp_path / "predex-engine@1.service").write_bytes(
        (tmp_path / "predex-engine@.service").read_bytes()
    )
    done = subprocess.run(
        [program, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "predex" in line] == []


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_units_are_an_exchange_behind_nginx_with_tls(site: Site):
    trader, market = site.world.traders[0], site.world.markets[0]
    page = site.http.get("/")
    assert page.status_code == 200
    assert "max-age" in page.headers["Strict-Transport-Security"]
    assert site.http.get("/metrics").status_code == 404
    url = f"wss://{SITE_HOST}:{site.port}/ws/v1"
    headers = {"X-API-Key": trader.key}
    wire = create_connection(("127.0.0.1", int(site.port)))
    with connect(url, sock=wire, ssl=site.context, additional_headers=headers) as socket:
        message = {"op": "subscribe", "channels": ["book"], "markets": [market.slug], "id": 1}
        socket.send(json.dumps(message))
        assert receive(socket, "subscribed")
        order = {"market": market.slug, "outcome": "YES", "side": "buy", "price": "0.40",
                 "quantity": 2}  # fmt: skip
        placed = site.http.post("/api/v1/orders", json=order, headers=headers)
        assert placed.status_code == 201, placed.text
        assert receive(socket, "book")
    addresses = {json.loads(line)["address"] for line in read_requests(site.machine)}
    assert CLIENT in addresses  # and not nginx'
    kill_owner(site.machine)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        placed = site.http.post("/api/v1/orders", json=order, headers=headers)
        if placed.status_code == 201:
            break
        time.sleep(0.2)
    assert placed.status_code == 201, "the standby has not taken over"
    for name in ("predex-web", "predex-worker", "predex-beat"):
        assert site.machine.children[name].stop() == 0, name


def receive(socket: Any, kind: str) -> dict[str, Any]:
    """Return the next frame of this type."""
    while True:
        frame: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
        if frame["type"] == kind:
            return frame


def read_requests(machine: Machine) -> list[str]:
    log = machine.children["predex-web"].read_log()
    return [line for line in log.splitlines() if '"event":"request"' in line]


def kill_owner(machine: Machine) -> None:
    """SIGKILL the engine that serves, whichever it is."""
    engines = {name: child for name, child in machine.children.items() if "engine" in name}
    owners = [name for name, child in engines.items() if "engine_started" in child.read_log()]
    assert len(engines) == 2
    assert len(owners) == 1
    engines[owners[0]].kill()
