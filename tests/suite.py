"""Runs the whole suite: `python -m tests.suite [PART...] [-- ARGS FOR PYTEST]`.

`parallel`: in-process tests on SQLite, and the program on real servers, on several workers.
`paired`: faults under load, two at a time. `alone`: load and timing, one at a time. `postgres`:
the in-process tests once more, on PostgreSQL and Redis. Every part runs, whatever the one before
it says. All use one PostgreSQL and one Redis, those of DATABASE_URL and REDIS_URL or else servers
of the suite's own, and databases copied from one of each kind that was migrated once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from tests.databases import PostgresDatabases, SqliteDatabases
from tests.servers import PostgresServer, RedisServer, ServerNotFoundError
from tests.skips import is_ci

WORKERS: Final = os.environ.get("WORKERS", "4")
TOGETHER: Final = ("-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder")
# A worker that a test without end has taken along is not replaced: its successor would wait for
# ever to be given the rest of that file.
WITHOUT_SUCCESSORS: Final = ("--max-worker-restart", "0")


class Part(NamedTuple):
    title: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    files: Sequence[str] = ()


# Folders of tests whose programs choose their database themselves, or need none: on PostgreSQL they
# are not even read.
WITHOUT_DATABASE: Final = ("bots", "browser", "e2e", "engine", "faults", "simulator")


def find_marked(mark: str) -> list[str]:
    """Return the files that have this mark: collecting all of them takes as long as ten tests."""
    files = sorted(Path("tests").rglob("test_*.py"))
    return [str(path) for path in files if f"mark.{mark}" in path.read_text()]


PARTS: Final = {
    "parallel": Part(
        "In parallel: SQLite in process, real servers on both databases",
        (*TOGETHER, "-m", "not soak and not alone and not paired"),
        {},
    ),
    "paired": Part(
        "Two at a time: faults under load",
        ("-n", "2", "--dist", "worksteal", "-m", "paired and not soak"),
        {},
        find_marked("paired"),
    ),
    "alone": Part(
        "One at a time: faults, load, timing",
        ("-m", "alone and not soak"),
        {},
        find_marked("alone"),
    ),
    "postgres": Part(
        "In process again, on PostgreSQL and Redis",
        (*TOGETHER, "-m", "not soak", *(f"--ignore=tests/{name}" for name in WITHOUT_DATABASE)),
        {"PREDEX_TEST_DB": "postgres"},
    ),
}


def main(arguments: list[str]) -> int:
    # Each worker of each part would compile every test again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, more = arguments[:split] or list(PARTS), arguments[split + 1 :]
    with contextlib.ExitStack() as stack:
        try:
            environment = find_servers(stack)
        except ServerNotFoundError as fault:
            print(f"tests on PostgreSQL skipped: {fault}", flush=True)
            if is_ci():
                return 1
            environment = {}
            names = [name for name in names if name != "postgres"]
        results = [run(PARTS[name], environment, more) for name in names]
    return int(any(results))


def run(part: Part, environment: dict[str, str], more: list[str]) -> int:
    print(f"==> {part.title}", flush=True)
    began_at = time.monotonic()
    files = () if any(argument.startswith("tests") for argument in more) else part.files
    arguments = [*WITHOUT_SUCCESSORS, *part.arguments, *files, *more]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        env={**os.environ, **environment, **part.environment},
        check=False,
    ).returncode
    print(f"    {time.monotonic() - began_at:.0f} s", flush=True)
    return result


def compile_tests() -> None:
    """Let pytest compile the tests of a new clone once, which all workers would do at once."""
    if not any(Path("tests").rglob("*-pytest-*.pyc")):
        collect = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
        subprocess.run(collect, stdout=subprocess.DEVNULL, check=False)


def find_servers(stack: contextlib.ExitStack) -> dict[str, str]:
    """Return the environment that names servers and templates; what was started here ends here."""
    urls = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
    if not urls["DATABASE_URL"].startswith("postgres"):
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        urls["DATABASE_URL"] = postgres.url
    if not urls["REDIS_URL"]:
        redis = RedisServer()
        stack.callback(redis.stop)
        urls["REDIS_URL"] = redis.url
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="predex-suite-")))
    with ThreadPoolExecutor() as pool:  # both are migrated at the same time
        sqlite = pool.submit(SqliteDatabases, folder)
        pool.submit(compile_tests)
        databases = PostgresDatabases(
            urls["DATABASE_URL"], folder, prefix=f"predex_suite_{os.getpid()}"
        )
    stack.callback(databases.drop_all)
    return {
        **urls,
        "PREDEX_TEST_SQLITE_TEMPLATE": str(sqlite.result().template),
        "PREDEX_TEST_POSTGRES_TEMPLATE": databases.template,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
