"""`DATA_DIR/demo.json`: the log-ins and keys of the demo, readable by its owner only.

The database keeps hashes of them, so this is the one place from which they can be shown again.
"""

import os
from pathlib import Path

import msgspec
from django.conf import settings

FILE_MODE = 0o600


class Person(msgspec.Struct):
    """Somebody to log in as. `key` is an API key, "" for who has none."""

    handle: str
    email: str
    password: str
    key: str = ""


class DemoTrader(msgspec.Struct):
    """An account of kind system that a program trades for: `python -m bots.<program>`."""

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


def get_path() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


def load_demo() -> Demo | None:
    """Return what was written, None before that."""
    try:
        return msgspec.json.decode(get_path().read_bytes(), type=Demo)
    except FileNotFoundError:
        return None


def save_demo(demo: Demo) -> None:
    """Replace the file in one step, so that it is never half written or open to others."""
    path = get_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(demo)) + b"\n")
    new.replace(path)
