"""The real program in the tests: `manage.py serve` and its other roles as subprocesses.

Embedded (no `redis_url`) one process is everything. With `redis_url` the roles are processes of
their own: `web` (a second one is `web:PORT`), `engine` (all shards, or `engine:0,2` for some),
`tasks` (Celery with beat), or `worker` and `beat` one by one.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.forks import ROOT, Fork, run
from tests.patience import PATIENCE_SECONDS
from tests.servers import Child, find_free_port

COMMAND_SECONDS = 300


class Program(Child):
    """One of our programs, forked: `python ARGUMENTS`."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str],
        files_max: int | None = None,
    ) -> None:
        self.name = log_path.stem
        self.log_path = log_path
        self.process = Fork(
            arguments, environment=environment, output=log_path, files_max=files_max
        )


class Exchange:
    """One running exchange. Use it as a context manager or call `end`."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        redis_url: str = "",
        roles: tuple[str, ...] | None = None,
        environment: Mapping[str, str] | None = None,
        role_environment: Mapping[str, Mapping[str, str]] | None = None,
        files_max: int | None = None,
        serve_options: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = find_free_port()
        self.roles = roles or (("web", "engine", "tasks") if redis_url else ("web",))
        self.files_max = files_max
        self.serve_options = serve_options
        self.children: dict[str, Child] = {}
        self.role_environment = role_environment or {}
        self.environment = {
            **program_environment(folder, database_url=database_url, redis_url=redis_url),
            "SITE_URL": self.base_url,
            **(environment or {}),
        }

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/v1"

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> "Exchange":
        """Start every role that is not running and return when `/ready` says so."""
        for role in self.roles:
            self.start_role(role)
        self.wait_ready()
        return self

    def start_role(self, role: str) -> Child:
        child = self.children.get(role)
        if child is None or not child.is_running():
            log_path = self.folder / f"{role.replace(':', '-')}.log"
            child = Program(
                self.list_arguments(role),
                log_path=log_path,
                environment={**self.environment, **self.role_environment.get(role, {})},
                files_max=self.files_max,
            )
            self.children[role] = child
        return child

    def wait_ready(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        self.children["web"].wait_until(self.is_ready, seconds=seconds)

    def get(self, path: str = "", **options: Any) -> httpx.Response:
        return httpx.get(f"{self.base_url}{path}", timeout=PATIENCE_SECONDS, **options)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def pid(self, role: str = "web") -> int:
        return self.children[role].pid

    def kill(self, role: str = "web") -> None:
        """SIGKILL one role; `start` brings it back on the same port and database."""
        child = self.children[role]
        if role == "tasks":
            child.kill_group()
        else:
            child.kill()

    def stop(self) -> None:
        for child in self.children.values():
            child.stop()

    def end(self) -> None:
        """SIGKILL every role, without waiting for a graceful stop."""
        for child in self.children.values():
            child.kill_group()

    def log(self, role: str = "web") -> str:
        return self.children[role].read_log()

    def manage(self, *arguments: str) -> str:
        """Run a management command against this exchange's database; return what it printed."""
        return run_manage(*arguments, environment=self.environment)

    def list_arguments(self, role: str) -> list[str | Path]:
        """Return what Python is called with."""
        name, _, which = role.partition(":")
        if name == "web":
            return [ROOT / "manage.py", "serve", "--port", which or str(self.port),
                    *self.serve_options]  # fmt: skip
        if name == "engine":
            return [ROOT / "manage.py", "runengine", *(["--shards", which] if which else [])]
        celery: list[str | Path] = ["-m", "celery", "--workdir", ROOT, "-A", "predex"]
        beat: list[str | Path] = ["beat", "--schedule", self.folder / "beat-schedule"]
        if name == "beat":
            return [*celery, *beat]
        with_beat = [f"--{beat[0]}", *beat[1:]] if name == "tasks" else []
        return [*celery, "worker", *with_beat, "--pool", "solo", "--loglevel", "INFO"]


def program_environment(folder: Path, *, database_url: str, redis_url: str = "") -> dict[str, str]:
    """Return the environment of a production-like process: DEBUG off, secrets for this test."""
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
        "PYTHONPATH": str(ROOT),
        "DEBUG": "false",
        "STATIC_MANIFEST": "false",
        "DATA_DIR": str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
    }


def run_manage(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run `manage.py` and return its standard output; raise with its errors when it fails."""
    done = run([ROOT / "manage.py", *arguments], environment=environment, seconds=COMMAND_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
