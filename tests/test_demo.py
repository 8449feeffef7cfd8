"""The demo: data created once, traders beside the server, the bots of the documents."""

import json
import re
import shutil
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import Account, ApiKey, AuditEvent, Transfer, User
from markets.models import Category, Market, Tag
from predex_client import Client
from tests.compat.sdks import find_sdk
from tests.exchange import ROOT, Exchange, program_environment, run_manage
from tests.faults.seed import seed as seed_world
from tests.patience import PATIENCE_SECONDS
from trading.demo.catalogue import MARKETS

DOCUMENT = (ROOT / "docs" / "bots.md").read_text()
FIRST_ORDER, IN_PYTHON, *KALSHI_BOT = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
BOOKS_SECONDS_MAX = 60
PLACED = ("open", "filled", "partially_filled")
DEBUG_ON = {"DEBUG": "true"}


@pytest.fixture
def folder(settings, tmp_path):
    """Where the demo's secrets go, DEBUG on."""
    settings.DEBUG = True
    settings.DATA_DIR = tmp_path / "data"
    return settings.DATA_DIR


@pytest.fixture
def seed(folder, db, capsys):
    def run():
        call_command("seed_demo")
        return capsys.readouterr().out

    return run


def count_everything():
    models = (User, Account, ApiKey, AuditEvent, Transfer, Market, Category, Tag)
    return [model.objects.count() for model in models]


def test_the_demo_is_made_once_and_described_again(seed, folder):
    first, made = seed(), count_everything()
    assert seed() == first
    assert count_everything() == made
    assert stat.S_IMODE((folder / "demo.json").stat().st_mode) == 0o600


def test_the_log_ins_that_are_printed_work(seed):
    lines = seed().splitlines()
    logins = [line.split()[1:] for line in lines if "@" in line]
    assert [email for email, _ in logins] == [
        "olivia@example.com",
        "alice@example.com",
        "bob@example.com",
    ]
    assert all(User.objects.get(email=email).check_password(word) for email, word in logins)
    assert User.objects.get(is_staff=True).email == "olivia@example.com"
    user = User.objects.get(handle="bob")
    user.set_password("something else")
    user.save()
    assert "(changed since)" in seed()


def test_demo_traders_are_accounts_of_kind_system_with_credits(seed):
    seed()
    traders = Account.objects.filter(kind="system", owner__isnull=False)
    assert traders.count() == 3
    assert all(account.cash_micros > 0 and account.api_keys.count() == 1 for account in traders)


def test_every_demo_market_is_approved_due_and_says_what_decides(seed):
    seed()
    assert Market.objects.count() == len(MARKETS) == 10
    for market in Market.objects.all():
        assert market.is_approved
        assert market.open_at is not None
        assert market.rules
        assert market.resolution_source
        assert market.category
        assert market.tags.filter(slug="demo").exists()
        assert "{" not in market.title + market.rules
    kinds = set(Market.objects.values_list("kind", flat=True))
    assert kinds == {"binary", "categorical", "scalar"}
    assert Market.objects.filter(maker_b_lots__isnull=False).count() == 1


def test_a_market_that_is_over_is_followed_by_the_next(seed):
    seed()
    first = min(Market.objects.all(), key=lambda market: market.close_at)
    with time_machine.travel(first.close_at + timedelta(minutes=1)):
        seed()
        seed()
        following = Market.objects.exclude(pk=first.pk).get(slug__startswith=first.slug)
        assert following.slug == f"{first.slug}-{following.close_at:%Y-%m-%d}"
        assert following.close_at > first.close_at
        assert following.title != first.title
        assert Market.objects.filter(close_at__gt=timezone.now()).count() == len(MARKETS)


def test_what_was_lost_with_the_file_is_made_again(seed, folder):
    first, made = seed(), count_everything()
    (folder / "demo.json").unlink()
    second = seed()
    assert second != first
    assert count_everything()[0] == made[0]
    assert len([line for line in second.splitlines() if "@" in line]) == 3
    assert "(changed since)" not in second


def test_with_debug_off_there_is_no_demo(seed, settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="refuses while DEBUG is off"):
        seed()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("debug", "sentence"),
    [(False, "it needs DEBUG on"), (True, "run `manage.py seed_demo` first")],
)
def test_serve_refuses_a_demo_that_cannot_be(folder, db, settings, debug, sentence):
    settings.DEBUG, settings.EMBEDDED = debug, True
    with pytest.raises(CommandError, match=sentence):
        call_command("serve", "--demo")


# --- the running program -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def make_demo(sqlite_databases, tmp_path_factory):
    """`make_demo(*options of serve)`: an exchange with demo data, started."""
    seeded = tmp_path_factory.mktemp("seeded")
    url = sqlite_databases.make(seeded)
    environment = program_environment(seeded, database_url=url) | DEBUG_ON
    run_manage("seed_demo", environment=environment)
    made = []

    def make(*serve_options):
        folder = shutil.copytree(seeded, tmp_path_factory.mktemp("demo") / "data")
        url_of_copy = url.replace(str(seeded), str(folder))
        exchange = Exchange(
            folder, database_url=url_of_copy, environment=DEBUG_ON, serve_options=serve_options
        )
        made.append(exchange)
        return exchange.start()

    yield make
    for exchange in made:
        exchange.end()
        print(exchange.log()[-4_000:])


@pytest.fixture(scope="module")
def running(make_demo):
    return make_demo("--demo")  # as `make run` does


@pytest.fixture
def demo(running):
    """With traders; a test may stop it."""
    return running.start()


def get(exchange, path):
    return exchange.get(f"/api/v1/{path}").raise_for_status().json()


def wait_until(is_so, seconds=BOOKS_SECONDS_MAX):
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.2)


def count_open(exchange):
    return len(get(exchange, "markets?status=open")["results"])


def read_demo(exchange):
    return json.loads((exchange.folder / "demo.json").read_text())


def test_the_readme_shows_the_example_as_it_is():
    [shown] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown == (ROOT / "bots/example.py").read_text()
    assert sum(bool(line.strip()) for line in shown.splitlines()) <= 20


def test_the_bots_of_the_documents_trade_on_a_running_exchange(make_demo):
    exchange = make_demo()
    wait_until(lambda: count_open(exchange) == len(MARKETS))
    [key] = [person["key"] for person in read_demo(exchange)["people"] if person["key"]]
    environment = {"PREDEX_KEY": key, "PREDEX_URL": exchange.base_url}
    lines = run_program("-m", "bots.example", **environment)
    assert lines[-1] == "open 0.00 of 1.00 at None"
    headers = {"X-API-Key": key}
    orders = exchange.get("/api/v1/orders", headers=headers).json()["results"]
    assert [order["price"] for order in orders] == ["0.5000"]
    first_order = FIRST_ORDER.replace("http://127.0.0.1:8000", exchange.base_url)
    [line] = run_program("-I", "-c", first_order)
    assert line.split()[0] in PLACED
    in_python = IN_PYTHON.replace("http://127.0.0.1:8000", exchange.base_url)
    in_python = in_python.replace("pdx_...", key)
    [line] = run_program("-c", in_python, PYTHONPATH=str(ROOT / "clients" / "python"))
    assert line in PLACED


def test_a_kalshi_bot_takes_five_minutes_word_for_word(demo, tmp_path):
    """The exchange is started, and the client installed, as the tests do."""
    start, make_key, install, run = COMMANDS
    [installed] = re.findall(r"pip install (kalshi-python-sync==\S+)", install)
    assert start == "make run\n"
    assert installed in (ROOT / "tests/compat/kalshi-python-sync.txt").read_text()
    sdk = find_sdk("kalshi-python-sync")
    exchange = demo
    [key] = [person["key"] for person in read_demo(exchange)["people"] if person["key"]]
    wait_until(lambda: count_open(exchange) == len(MARKETS))
    python = tmp_path / "bot-venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={sdk} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for name, text in zip(("bot.py", "follow.py"), KALSHI_BOT, strict=True):
        assert f"`{name}`" in DOCUMENT
        (tmp_path / name).write_text(at(exchange, text))
    script = "set -e\n" + make_key.replace("pdx_...", key) + run
    done = subprocess.run(
        ["bash", "-c", at(exchange, script)],
        cwd=tmp_path, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    balance, order, cancelled, *heard = done.stdout.splitlines()
    assert balance.startswith("balance in cents: ")
    assert order.endswith(" resting 10 at 2")
    assert cancelled == "canceled: 10"
    kinds = [line.partition(" ")[0] for line in heard]
    assert len(kinds) == 10
    assert kinds.count("subscribed") == 2  # the first ticker may come before the second of them
    assert "ticker" in kinds


def at(exchange, text):
    """Return a text of the document with the address of this exchange."""
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{exchange.port}")


def test_a_first_order_takes_15_lines():
    assert len(FIRST_ORDER.splitlines()) <= 15


def run_program(*arguments: str, **environment: str) -> list[str]:
    """Run a program as the documents say; return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def list_bots(web):
    """Return the processes of bots that this server started."""
    children = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
    return [pid for pid in children if b"bots." in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_demo_traders_move_the_books_and_end_with_the_server_however_it_ends(demo):
    bots = list_bots(demo.children["web"])
    assert len(bots) == 3

    def has_moved():
        tickers = get(demo, "tickers")["results"]
        quoted = [ticker for ticker in tickers if ticker["bid"] and ticker["ask"]]
        return len(quoted) >= len(tickers) - 4 and any(ticker["last"] for ticker in tickers)

    wait_until(has_moved, seconds=60)
    assert "GET /api/v1/tickers" in demo.log()
    assert "POST /api/v1/orders" not in demo.log()  # what demo traders do is not logged
    data = read_demo(demo)
    demo.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in bots))
    demo.start()
    assert count_open(demo) == len(MARKETS)
    assert read_demo(demo) == data
    web = demo.children["web"]
    bots = list_bots(web)
    assert len(bots) == 3
    assert web.stop() == 0
    assert not any(is_alive(pid) for pid in bots)


def test_a_server_with_a_maker_quotes_every_book_is_in_no_leaderboard_and_leaves_none_behind(
    make_exchange,
):
    made = {}
    exchange = make_exchange(
        "sqlite",
        prepare=lambda exchange: made.update(
            world=seed_world(exchange, traders=1, markets=1, kind="user")
        ),
        serve_options=("--with-maker",),
    )
    world = made["world"]
    [slug], [trader] = [market.slug for market in world.markets], world.traders
    wait_until(lambda: count_levels(exchange, slug) == (3, 3))
    headers = {"X-API-Key": trader.key}
    order = {"market": slug, "side": "buy", "type": "market", "quantity": "30"}
    answer = httpx.post(
        f"{exchange.base_url}/api/v1/orders", json=order, headers=headers, timeout=PATIENCE_SECONDS
    )
    assert (answer.status_code, answer.json()["filled"]) == (201, "30.00")
    wait_until(lambda: best_bid(exchange, slug) == "0.4900")  # it has sold 30: YES is worth more
    with Client(exchange.base_url, trader.key) as client:
        wait_until(lambda: get(exchange, "leaderboard?by=equity&period=all")["results"])
        names = json.dumps(get(exchange, "leaderboard?by=equity&period=all"))
        assert trader.handle in names
        assert "maker" not in names
        assert client.book(slug)["YES"].asks
    assert stat.S_IMODE((exchange.folder / "maker.json").stat().st_mode) == 0o600
    assert exchange.children["web"].stop() == 0
    exchange.serve_options = ()
    exchange.start()
    assert count_levels(exchange, slug) == (0, 0)


def count_levels(exchange, slug):
    [book, *_] = get(exchange, f"markets/{slug}/book")["books"]
    return len(book["bids"]), len(book["asks"])


def best_bid(exchange, slug):
    [book, *_] = get(exchange, f"markets/{slug}/book")["books"]
    return book["bids"][0][0] if book["bids"] else None
