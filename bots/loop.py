"""The main loop of a bot, which survives errors.

A bot implements `begin` (initialise) and `step` (repeated); whenever the exchange is unreachable,
busy or silent for longer than the client is patient, `run` waits and starts again with `begin`.
"""

import os
import sys
import time
from typing import Protocol

from predex_client import Client, ForbiddenError, NotAuthenticatedError, PredexError

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0


class Bot(Protocol):
    def begin(self) -> None:
        """Read the exchange's state from scratch: what was known may be outdated."""

    def step(self) -> float:
        """Do one unit of work; return the seconds to wait before the next step."""


def run(bot: Bot) -> None:
    """Run a bot until it is interrupted, loses its permission, or its parent process ends."""
    pause_seconds = PAUSE_SECONDS_MIN
    while not is_orphan():
        try:
            bot.begin()
            while not is_orphan():
                time.sleep(bot.step())
                pause_seconds = PAUSE_SECONDS_MIN
        except KeyboardInterrupt:
            return
        except (NotAuthenticatedError, ForbiddenError) as refusal:
            sys.exit(f"{sys.argv[0]}: {refusal}")
        except PredexError as fault:
            pause_seconds = max(pause_seconds, fault.retry_after or 0)
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)


def is_orphan() -> bool:
    """Whether the parent process has ended, if it asked to be followed."""
    followed = os.environ.get("PREDEX_FOLLOW")
    return followed is not None and os.getppid() != int(followed)


def connect() -> Client:
    """Return a client for PREDEX_URL (default: this machine) with PREDEX_KEY."""
    if "PREDEX_KEY" not in os.environ:
        sys.exit("set PREDEX_KEY to an API key that may trade")
    return Client()
