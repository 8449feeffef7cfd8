"""An exchange of your own for tests: with traders' keys, play money and an open market.

Its source is found at PREDEX_SOURCE or around this package; its interpreter is PREDEX_PYTHON, the
source's `.venv`, or this one. `pytest_plugin` has it as a fixture.
"""

import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from predex_client.client import Client
from predex_client.errors import ConnectionLostError, UnavailableError
from predex_client.simulator import Simulator, SimulatorState, state

SERVER_PORTS = range(20_000, 32_768)  # below those of outgoing connections
START_SECONDS = 120.0
STOP_SECONDS = 10.0
PARENT_DEATH_SIGNAL = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ExchangeError(Exception):
    """The exchange could not be started; the message says why."""


@dataclass(frozen=True)
class TestTrader:
    """An account with play money, and its key."""

    __test__ = False

    handle: str
    key: str
    password: str = field(repr=False)


class Exchange:
    """A whole exchange as a child process, on a port of its own, in a folder of its own.

    `recordings` are played as live markets (`options`: of `manage.py play_recording`, such as
    "--paused"); without any there are `markets` open ones. Use it as a context manager.
    """

    def __init__(
        self,
        source: Path | None = None,
        *,
        recordings: Sequence[str | Path] = (),
        markets: int = 1,
        traders: int = 3,
        options: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.source = find_source(source)
        self.port, self._held_port = _hold_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="predex-"))
        self.environment = {**_build_environment(self.source, self.folder), **(environment or {})}
        counts = ["--markets", str(markets), "--traders", str(traders), "--port", str(self.port)]
        named = [str(Path(path).resolve()) for path in recordings]
        command = ["play_recording", *named] if named else ["simulate"]
        self._arguments = [*command, *counts, *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []
        self.operator_key = ""
        self.traders: tuple[TestTrader, ...] = ()
        self.markets: tuple[str, ...] = ()
        """Slugs of the open markets, those of recordings first."""

    def start(self) -> Self:
        template = find_migrated(self.source)
        shutil.copy(template, self.folder / "predex.sqlite3")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [find_python(self.source), str(self.source / "manage.py"), *self._arguments],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, preexec_fn=_die_with_parent,
            )  # fmt: skip
        self._wait_until_ready(self._process)
        return self

    def client(self, number: int = 0, **options: Any) -> Client:
        """Return a trader's client, closed with the exchange."""
        client = Client(self.url, self.traders[number].key, **options)
        self._clients.append(client)
        return client

    def simulator(self, number: int | None = None) -> Simulator:
        """Return the operator's control of the bench, or a trader's."""
        key = self.operator_key if number is None else self.traders[number].key
        simulator = Simulator(self.url, key)
        self._clients.append(simulator)
        return simulator

    def stop(self) -> None:
        """End it and delete all of it."""
        self.end_server()
        self._held_port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_server(self) -> None:
        """End the process; its database stays until `stop`."""
        for client in self._clients:
            client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def read_log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at:
            if process.poll() is not None:
                raise ExchangeError(f"the exchange ended:\n{self.read_log()[-4_000:]}")
            if self._is_ready():
                return
            time.sleep(0.05)
        raise ExchangeError(f"the exchange was not up in time:\n{self.read_log()[-4_000:]}")

    def _is_ready(self) -> bool:
        """Read who is there, once they are, and whether all is staged."""
        people = self._read_people()
        if people is None:
            return False
        if not self.operator_key:
            self.operator_key = people["operator_key"]
            self._clients.append(Simulator(self.url, self.operator_key, patience=0))
        try:
            found: SimulatorState = self._clients[0].send(state())
        except (ConnectionLostError, UnavailableError):
            return False
        people = self._read_people()
        if people is None or not found.is_ready:
            return False
        self.traders = tuple(TestTrader(**trader) for trader in people["traders"])
        self.markets = (*(play.market for play in found.plays), *people["markets"])
        return True

    def _read_people(self) -> dict[str, Any] | None:
        path = self.folder / "simulator" / "keys.json"
        if not path.exists():
            return None
        people: dict[str, Any] = json.loads(path.read_text())
        return people


# --- what it needs ----------------------------------------------------------------------------


def find_source(given: Path | None = None) -> Path:
    """Return the folder of the exchange's `manage.py`."""
    named = given or os.environ.get("PREDEX_SOURCE")
    candidates = [Path(named)] if named else list(Path(__file__).resolve().parents)
    for folder in candidates:
        if (folder / "manage.py").is_file() and (folder / "predex" / "settings.py").is_file():
            return folder.resolve()
    raise ExchangeError(
        "where is the exchange? Set --predex-source or PREDEX_SOURCE to a copy of its source."
    )


def find_python(source: Path) -> str:
    own = source / ".venv" / "bin" / "python"
    return os.environ.get("PREDEX_PYTHON") or (str(own) if own.exists() else sys.executable)


def find_migrated(source: Path) -> Path:
    """Return a migrated database file, kept between runs and made again when migrations change."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "predex"
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for path in (*sorted(source.glob("*/migrations/*.py")), source / "requirements.txt"):
        digest.update(path.read_bytes())
    found = cache / f"{digest.hexdigest()}.sqlite3"
    if not found.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            environment = _build_environment(source, Path(folder))
            command = [find_python(source), str(source / "manage.py"), "migrate"]
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
            if done.returncode:
                raise ExchangeError(f"migrate failed:\n{done.stderr.decode()[-4_000:]}")
            (Path(folder) / "predex.sqlite3").replace(found)
    return found


def _build_environment(source: Path, folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    secrets = {
        name: f"tests-only-{name.lower()}".ljust(48, "x")
        for name in ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY")
    }
    return {
        **kept,
        **secrets,
        "DJANGO_SETTINGS_MODULE": "predex.settings",
        "PREDEX_ENV_FILE": os.devnull,
        "PYTHONPATH": str(source),
        "DEBUG": "false",
        "STATIC_MANIFEST": "false",
        "SIMULATOR": "true",
        "ALLOW_SIMULATOR": "true",
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'predex.sqlite3'}",
    }


def _hold_port() -> tuple[int, socket.socket]:
    """Return a free port, and what keeps other exchanges of tests from it until it is closed.

    It is none that the system gives to outgoing connections; held is its UDP twin.
    """
    for port in random.sample(SERVER_PORTS, len(SERVER_PORTS)):
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)):
                return port, held
        except OSError:
            held.close()
    raise ExchangeError("no port is free")


def _die_with_parent() -> None:
    if LIBC is not None:
        LIBC.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
