"""`DATA_DIR/demo.json`: the log-ins and keys of the demo, readable by its owner only.
`maker.json` is the same for the program that `serve --with-maker` runs.

The database stores only hashes, so they can only be shown again from here.
"""

import os
from pathlib import Path

import msgspec
from django.conf import settings

FILE_MODE = 0o600
DEMO = "demo.json"


class Person(msgspec.Struct):
    """A demo user to log in as. `key` is an API key, "" for none."""

    handle: str
    email: str
    password: str
    key: str = ""


class DemoTrader(msgspec.Struct):
    """An account of kind system for a program: `python -m bots.<program>`.

    Accounts of this kind are in no leaderboard.
    """

    handle: str
    program: str
    key: str
    account_id: int


class Demo(msgspec.Struct):
    people: list[Person] = []
    traders: list[DemoTrader] = []

    def find_person(self, handle: str) -> Person | None:
        return next((person for person in self.people if person.handle == handle), None)

    def find_trader(self, handle: str) -> DemoTrader | None:
        return next((trader for trader in self.traders if trader.handle == handle), None)


def get_path(name: str = DEMO) -> Path:
    return Path(settings.DATA_DIR) / name


def load_demo(name: str = DEMO) -> Demo | None:
    """Return the saved demo, None if there is none."""
    try:
        return msgspec.json.decode(get_path(name).read_bytes(), type=Demo)
    except FileNotFoundError:
        return None


def save_demo(demo: Demo, name: str = DEMO) -> None:
    """Replace the file atomically, so that it is never incomplete or readable by others."""
    path = get_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(demo)) + b"\n")
    new.replace(path)
