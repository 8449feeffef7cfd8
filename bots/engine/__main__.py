"""`python -m bots.engine --config engine.toml`: run the trading engine until SIGTERM or Ctrl-C.

SIGUSR1 throws the kill switch: no more orders until a restart.
"""

import argparse
import asyncio
import sqlite3
import sys
from pathlib import Path

import httpx
import uvloop

from bots.engine.config import ConfigError, load_config
from bots.engine.markets import UnknownMarketError
from bots.engine.program import run_engine
from bots.engine.venues.base import VenueError
from predex_client import PredexError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bots.engine", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="see docs/engine.md")
    path = parser.parse_args().config
    try:
        config = load_config(path)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_engine(config))
    except sqlite3.Error as fault:  # another engine has it, the disk is full
        sys.exit(f"engine: {config.engine.state}: {fault}")
    except (
        ConfigError, OSError, PredexError, UnknownMarketError, VenueError, httpx.HTTPError
    ) as fault:  # fmt: skip
        sys.exit(f"engine: {fault}")


if __name__ == "__main__":
    main()
