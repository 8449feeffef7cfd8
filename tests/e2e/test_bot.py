"""README's bot, run exactly as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ExchangeFactory
from tests.exchange import ROOT
from tests.faults.seed import World, seed

LINES_MAX = 20


def read_bot() -> str:
    """Return README's one block of Python."""
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return block


def test_readme_shows_the_example_bot_word_for_word():
    assert read_bot() == (ROOT / "bots" / "example.py").read_text()
    assert len([line for line in read_bot().splitlines() if line.strip()]) <= LINES_MAX


@pytest.mark.alone
def test_readmes_bot_lists_markets_and_places_an_order(
    make_exchange: ExchangeFactory, tmp_path: Path
):
    worlds: list[World] = []
    exchange = make_exchange("sqlite", prepare=lambda made: worlds.append(seed(made, traders=1)))
    bot = tmp_path / "bot.py"
    bot.write_text(read_bot())
    done = subprocess.run(
        [sys.executable, "-I", bot],
        env={
            "PATH": os.environ["PATH"],
            "PREDEX_URL": exchange.base_url,
            "PREDEX_KEY": worlds[0].traders[0].key,
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Does thing 1 happen?",
        "open 0.00 of 1.00 at None",
    ]
