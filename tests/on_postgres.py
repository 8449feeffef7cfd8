"""Runs the in-process tests on a real PostgreSQL and Redis: `python -m tests.on_postgres [ARGS]`.

Uses DATABASE_URL and REDIS_URL where they are set, else starts servers for the run. ARGS go to
pytest, whose exit code this returns. What can't run is a skip with its reason, a failure in CI.
"""

import contextlib
import os
import subprocess
import sys

from tests.servers import PostgresServer, RedisServer, ServerNotFoundError
from tests.skips import is_ci


def main(arguments: list[str]) -> int:
    with contextlib.ExitStack() as stack:
        try:
            environment = {**os.environ, **find_servers(stack), "PREDEX_TEST_DB": "postgres"}
        except ServerNotFoundError as fault:
            sys.stderr.write(f"tests on PostgreSQL skipped: {fault}\n")
            return 1 if is_ci() else 0
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, env=environment, check=False).returncode


def find_servers(stack: contextlib.ExitStack) -> dict[str, str]:
    urls = {}
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        urls["DATABASE_URL"] = postgres.url
    if not os.environ.get("REDIS_URL"):
        redis = RedisServer()
        stack.callback(redis.stop)
        urls["REDIS_URL"] = redis.url
    return urls


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
