"""The client's examples, run as programs; and the package as pip installs it."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.clients.conftest import Town
from tests.clients.test_descriptions import PACKAGE
from tests.patience import PATIENCE_SECONDS

EXAMPLES = sorted((PACKAGE / "examples").glob("*.py"))
LINES_MAX = 30

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(town: Town) -> Iterator[Start]:
    """`start("maker.py", "some-market", key=...)` -> the process."""
    running: list[subprocess.Popen[str]] = []

    def run(name: str, *arguments: str, key: str = "") -> subprocess.Popen[str]:
        own = {"PYTHONPATH": str(PACKAGE), "PREDEX_URL": town.url, "PREDEX_KEY": key}
        process = subprocess.Popen(
            [sys.executable, PACKAGE / "examples" / name, *arguments],
            env={"PATH": os.environ["PATH"], **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.05)


def test_each_example_is_short_and_run_here() -> None:
    assert [path.name for path in EXAMPLES] == ["agent.py", "maker.py", "news.py", "portfolio.py"]
    assert all(len(path.read_text().splitlines()) < LINES_MAX for path in EXAMPLES)


def test_the_agent_registers_and_trades(town: Town, start: Start) -> None:
    lines = start("agent.py", town.url).communicate(timeout=PATIENCE_SECONDS)[0].splitlines()
    assert lines[0].endswith("it would be open and hold 0.050000")
    assert lines[1] == "open 0.00 of 1.00"


def test_the_maker_quotes_both_sides_and_follows_the_middle(town: Town, start: Start) -> None:
    slug, other = town.slugs[1], town.client(1)
    maker = start("maker.py", slug, key=town.keys[0])

    def quotes() -> set[Decimal]:
        orders = town.client(0).orders(market=slug, status="open")
        return {order.price for order in orders if order.price is not None}

    wait_until(lambda: quotes() == {Decimal("0.49"), Decimal("0.51")})
    other.place(slug, "buy", 50, "0.50", post_only=True)
    wait_until(lambda: max(quotes(), default=Decimal(0)) > Decimal("0.51"))
    maker.kill()  # and its orders go with it
    wait_until(lambda: not quotes())


def test_the_taker_of_news_buys_what_is_worth_more(town: Town, start: Start) -> None:
    slug = town.slugs[2]
    town.client(1).place(slug, "sell", 4, "0.60")
    news = f"{slug} YES 0.90\n{slug} YES 0.50\n{slug} NO 1.50\n"
    reader = start("news.py", key=town.keys[0])
    lines = reader.communicate(news, timeout=PATIENCE_SECONDS)[0].splitlines()
    assert lines == [
        f"{slug} YES 0.90 4.00 at 0.600000",
        f"{slug} YES 0.50 0.00 at None",
        f"{slug} NO 1.50 price_out_of_range",
    ]


def test_the_watcher_prints_each_fill_once_over_several_runs(
    town: Town, start: Start, tmp_path: Path
) -> None:
    slug, place = town.slugs[2], str(tmp_path / "place.txt")

    def trade(price: str) -> str:
        town.client(2).place(slug, "buy", 1, price)
        town.client(1).place(slug, "sell", 1, price)
        return f"buy 1.00 YES {slug} at {price}"

    watcher = start("portfolio.py", place, key=town.keys[2])
    read_line(watcher, "0 open")
    first = trade("0.3100")
    assert read_line(watcher, "buy") == first
    read_line(watcher, "0 open")
    watcher.kill()
    second = trade("0.3200")
    watcher = start("portfolio.py", place, key=town.keys[2])
    assert read_line(watcher, "buy") == second


def read_line(process: "subprocess.Popen[str]", start: str) -> str:
    """Return the next line that begins so."""
    assert process.stdout is not None
    return next(line.strip() for line in process.stdout if line.startswith(start))


def test_pip_makes_a_typed_package_of_it(tmp_path: Path) -> None:
    """From a copy, as building leaves files behind; without an index, so with what is here."""
    source = copytree(PACKAGE, tmp_path / "source", ignore=ignore_patterns("__pycache__", "build"))
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == "predex_client-0.1.0-py3-none-any.whl"
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("predex_client/")}
    files = {path for path in (PACKAGE / "predex_client").iterdir() if path.is_file()}
    assert held == {f"predex_client/{path.name}" for path in files}
    assert "predex_client/py.typed" in held
