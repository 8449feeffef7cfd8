"""The servers of other tests: real, fresh, and gone with their owner."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from tests.exchange import ROOT
from tests.patience import PATIENCE_SECONDS
from tests.servers import SERVER_PORTS, Child, find_free_port, freeze, thaw


def test_postgres_answers(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_free_port_is_nobody_elses_until_its_server_listens():
    chosen = [find_free_port() for _ in range(300)]
    assert len(set(chosen)) == 300
    lowest_of_outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    assert SERVER_PORTS[-1] < int(lowest_of_outgoing)


def test_a_frozen_process_has_stopped_in_each_thread_and_goes_on_when_thawed(tmp_path):
    ticking = """if True:
        import os, sys, threading, time
        def tick(path):
            while True:
                with open(path, "w") as file:
                    file.write("tick")
                time.sleep(0.001)
        for name in "abcd":
            path = os.path.join(sys.argv[1], name)
            threading.Thread(target=tick, args=[path]).start()"""
    child = Child([sys.executable, "-c", ticking, tmp_path], log_path=tmp_path / "log")
    child.wait_until(lambda: all((tmp_path / name).exists() for name in "abcd"))
    for _ in range(20):
        freeze(child.pid)
        frozen = read_ticks(tmp_path)
        time.sleep(0.01)
        assert read_ticks(tmp_path) == frozen
        thaw(child.pid)
        child.wait_until(lambda frozen=frozen: read_ticks(tmp_path) != frozen)
    child.kill()


def read_ticks(folder: Path) -> list[int]:
    return [(folder / name).stat().st_mtime_ns for name in "abcd"]


def test_redis_forgets_when_it_is_killed_and_comes_back_on_the_same_port(redis_server):
    client = redis.Redis.from_url(redis_server.url)
    client.set("here", "1")
    redis_server.kill()
    with pytest.raises(redis.ConnectionError):
        client.get("here")
    redis_server.start()
    assert client.get("here") is None


def test_postgres_keeps_what_was_committed_when_it_is_started_again(postgres_server):
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    postgres_server.child.stop()
    postgres_server.start()
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize(
    "start",
    [
        "servers import Child; child = Child(['sleep', '60'], log_path=path)",
        "forks import Fork; child = Fork(['-m', 'timeit', 'import time; time.sleep(60)'],"
        " environment={}, output=path)",
    ],
)
def test_a_server_dies_with_the_test_run_that_started_it(tmp_path, start):
    program = (
        "import sys, time; from pathlib import Path; path = Path(sys.argv[1]);"
        f"from tests.{start}; print(child.pid, flush=True); time.sleep(60)"
    )
    run = Child(
        [sys.executable, "-c", program, tmp_path / "sleep.log"],
        log_path=tmp_path / "run.log",
        environment={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
    )
    run.wait_until(lambda: run.read_log().endswith("\n"))
    grandchild = int(run.read_log())
    run.kill()
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while is_alive(grandchild) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not is_alive(grandchild)


def is_alive(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return done.stdout.strip()[:1] not in {b"", b"Z"}
