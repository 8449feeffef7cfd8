"""`manage.py serve`, the real program: it starts, refuses what it must, and stops gracefully."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.exchange import ROOT, Exchange, program_environment, run_manage
from tests.patience import PATIENCE_SECONDS
from tests.servers import find_free_port

STOP_SECONDS_MAX = 12


@pytest.fixture(scope="module")
def embedded(sqlite_databases, tmp_path_factory) -> Iterator[Exchange]:
    """One exchange on SQLite that goes on running."""
    folder = tmp_path_factory.mktemp("embedded")
    with Exchange(folder, database_url=sqlite_databases.make(folder)) as exchange:
        yield exchange.start()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def test_serve_answers_is_back_after_a_kill_and_stops_when_asked(make_exchange, kind):
    exchange = make_exchange(kind)
    assert exchange.get("/health").json()["status"] == "ok"
    assert exchange.get("/ready").json()["status"] == "ok"
    exchange.kill("web")
    assert not exchange.is_ready()
    del exchange.environment["SITE_URL"]  # a site without a name is reached at its own port
    exchange.start()
    assert exchange.get("/ready").status_code == 200
    page = exchange.get().text
    assert f'property="og:image" content="{exchange.base_url}/static/preview.png"' in page
    started = time.monotonic()
    assert exchange.children["web"].stop() == 0
    assert time.monotonic() - started < STOP_SECONDS_MAX


def test_serve_shows_the_console_alone_how_to_become_the_first_operator(embedded):
    """DEBUG is off; the address is the site's; once there is an operator it is not shown."""
    exchange = embedded
    [address] = re.findall(r"^ +(http\S+)$", exchange.log(), re.MULTILINE)
    assert address.startswith(f"{exchange.base_url}/setup/?key=")
    with httpx.Client(base_url=exchange.base_url, timeout=PATIENCE_SECONDS) as browser:
        page = browser.get(address)
        token, *_ = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        key = address.partition("key=")[2]
        sent = {"csrfmiddlewaretoken": token, "key": key, "email": "ada@example.org",
                "handle": "ada", "password": "a long enough secret"}  # fmt: skip
        assert browser.post("/setup/", data=sent).headers["Location"] == "/admin/"
        assert "First steps" in browser.get("/admin/").text
        assert browser.get(address).status_code == 404
    assert exchange.log().count(key) == 1


def test_ctrl_c_stops_every_role(make_exchange):
    exchange = make_exchange("postgres", roles=("web", "engine"))
    codes = [exchange.children[role].stop(with_signal=signal.SIGINT) for role in exchange.roles]
    assert codes == [0, 0]


def test_a_second_server_on_one_sqlite_database_is_refused_with_a_sentence(embedded):
    with pytest.raises(RuntimeError) as fault:
        run_manage("serve", "--port", str(find_free_port()), environment=embedded.environment)
    pid = embedded.pid()
    assert f"predex cannot start: another server (process {pid}) runs the engine" in str(
        fault.value
    )


def test_a_second_server_is_refused_through_a_link_to_the_database_too(embedded, tmp_path):
    database = embedded.environment["DATABASE_URL"].removeprefix("sqlite:///")
    (tmp_path / "link.sqlite3").symlink_to(database)
    environment = {**embedded.environment, "DATABASE_URL": f"sqlite:///{tmp_path}/link.sqlite3"}
    with pytest.raises(RuntimeError, match=f"process {embedded.pid()}. runs the engine"):
        run_manage("serve", "--port", str(find_free_port()), environment=environment)


def run_all(*commands: str, environment: dict[str, str]) -> dict[str, str]:
    """Run commands of `manage.py` one after another in one process; return how each one ended."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *commands],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    endings: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return endings


RUN_ALL = """
import contextlib, io, json, sys
import manage
endings = {}
for command in sys.argv[1:]:
    sys.argv = ["manage.py", *command.split()]
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            manage.main()
            endings[command] = "done"
        except SystemExit as ending:
            endings[command] = f"{errors.getvalue()}{ending}"
print(json.dumps(endings))
"""


@pytest.mark.parametrize(
    ("commands", "database"),
    [(["serve"], "corrupt"), (["verify"], "no folder"), (["serve", "migrate"], "away")],
)
def test_a_database_that_can_not_be_used_is_said_in_a_sentence(commands, database, tmp_path):
    (tmp_path / "corrupt.sqlite3").write_bytes(b"no database" * 1_000)
    urls = {
        "corrupt": f"sqlite:///{tmp_path}/corrupt.sqlite3",
        "no folder": f"sqlite:///{tmp_path}/nowhere/predex.sqlite3",
        "away": f"postgres://predex:secret@127.0.0.1:{find_free_port()}/predex",
    }
    environment = program_environment(tmp_path, database_url=urls[database])
    for ending in run_all(*commands, environment=environment).values():
        assert "the database of DATABASE_URL can't be used" in ending
        assert "secret" not in ending


def test_a_database_without_migrations_is_refused_and_has_no_answer(tmp_path):
    url = f"sqlite:///{tmp_path}/empty.sqlite3"
    environment = program_environment(tmp_path, database_url=url)
    endings = run_all("serve", "verify", "replay", "rebuild", "runengine", environment=environment)
    assert "set REDIS_URL" in endings.pop("runengine")  # an engine of its own needs it
    for ending in endings.values():
        assert "run `manage.py migrate` first" in ending


def test_too_few_open_files_are_said_in_a_sentence(make_exchange):
    with pytest.raises(RuntimeError, match="raise the limit of open files"):
        make_exchange("sqlite", files_max=200)


def test_a_port_in_use_is_refused_with_a_sentence(embedded, sqlite_databases, tmp_path):
    environment = {**embedded.environment, "DATABASE_URL": sqlite_databases.make(tmp_path)}
    with pytest.raises(RuntimeError, match=f"127.0.0.1:{embedded.port} is not free"):
        run_manage("serve", "--port", str(embedded.port), environment=environment)
