"""The market maker that `serve --with-maker` runs beside the server: its account, its settings.

It is the trading engine of `bots/engine` with one strategy. Its account is of kind system, so it is
in no leaderboard; its credits are granted once, and audited. The settings are a file that is
written once and may be edited.
"""

from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from trading.demo.secrets_file import Demo, DemoTrader, load_demo, save_demo
from trading.demo.seed import seed_trader

HANDLE: Final = "system_maker"
PROGRAM: Final = "engine"
KEY_FILE: Final = "maker.json"
CONFIG_FILE: Final = "maker.toml"
CONFIG: Final = """\
# The market maker of `serve --with-maker`. docs/engine.md has every setting.
[engine]
state = "{folder}/maker.sqlite3"
kill_file = "{folder}/maker.kill"  # while this file exists it quotes nothing
metrics = ""
reload_seconds = 10                # how often it looks for markets that have opened

[limits]
market = 500                       # credits that it can lose in a market

[[venues]]
name = "here"
kind = "predex"
executor = "live"
url_env = "PREDEX_URL"
key_env = "PREDEX_KEY"

[[strategies]]
name = "maker"
kind = "maker"
venue = "here"
fair = "lmsr"
liquidity = 500
half_spread = "0.02"
gap = "0.02"
levels = 3
size = 20
skew = 0                           # the price of an LMSR moves with what it holds already
"""


def do_prepare_maker() -> DemoTrader:
    """Create what is missing of its account and key."""
    saved = load_demo(KEY_FILE) or Demo()
    with transaction.atomic():
        seed_trader(saved, HANDLE, PROGRAM)
        save_demo(saved, KEY_FILE)  # before the commit: a key only in the database would be lost
    return saved.traders[0]


def write_config() -> Path:
    """Return the settings' file, made if there is none."""
    path = Path(settings.DATA_DIR) / CONFIG_FILE
    if not path.exists():
        path.write_text(CONFIG.format(folder=settings.DATA_DIR))
    return path
