"""Paying a market survives kill -9 anywhere, and any number of payers, on both databases."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exchange import ROOT, program_environment
from tests.patience import PATIENCE_SECONDS

ACCOUNTS, CHUNK, KILLS = 1_000, 25, 3
MILLION = pytest.param(1_000_000, 5_000, 20, marks=[pytest.mark.soak, pytest.mark.timeout(3_600)])


class Payer:
    """A process that prepares or settles a market; `output` is what it says."""

    def __init__(self, path: Path) -> None:
        self.output = path.open()
        self.pid = int(self.output.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.output.read()  # which ends with the process

    def finish(self) -> list[str]:
        """Let it work to the end; return the lines it said."""
        return self.output.read().splitlines()


class Payers:
    """Payers of one market in one database."""

    def __init__(
        self, folder: Path, database_url: str, how: str, accounts: int, chunk: int
    ) -> None:
        self.folder = folder
        self.chunk = chunk
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.lifecycle.payer"],
            cwd=ROOT,
            env=program_environment(folder, database_url=database_url),
            stdin=subprocess.PIPE,
            text=True,
        )
        [self.market_id] = self.start("prepare", str(accounts), how).finish()

    def start(self, *what: str) -> Payer:
        self.count += 1
        path = self.folder / f"payer-{self.count}"
        os.mkfifo(path)
        self.process.stdin.write(json.dumps([str(path), *what]) + "\n")
        self.process.stdin.flush()
        return Payer(path)

    def start_settling(self) -> Payer:
        """Return a payer that is about to begin; nothing was broken when it came."""
        payer = self.start("settle", self.market_id, str(self.chunk))
        assert payer.output.readline() == "broken: []\n"
        return payer

    def end(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE_SECONDS) == 0


def finish(payer: Payer) -> tuple[int, str]:
    """Let a payer pay to the end: how many steps it took, and the market's status."""
    *steps, broken, status = payer.finish()
    assert broken == "broken: []"
    assert set(steps) <= {"step"}
    return len(steps), status


@pytest.fixture
def make_payers(database_kind, request, tmp_path):
    made = []

    def make(how: str, accounts: int = ACCOUNTS, chunk: int = CHUNK) -> Payers:
        databases = request.getfixturevalue(f"{database_kind}_databases")
        payers = Payers(tmp_path, databases.make(tmp_path), how, accounts, chunk)
        made.append(payers)
        return payers

    yield make
    for payers in made:
        payers.end()


@pytest.mark.parametrize(
    ("database_kind", "how", "final", "rounds"),
    # A correction holds from all, then collects from half of them and pays the others.
    [
        ("sqlite", "result", "settled", 1),
        ("postgres", "correction", "settled", 2),
        *(
            pytest.param(*case, marks=pytest.mark.soak)
            for case in (
                ("postgres", "result", "settled", 1),
                ("postgres", "void", "voided", 1),
                ("sqlite", "void", "voided", 1),
                ("sqlite", "correction", "settled", 2),
            )
        ),
    ],
)
@pytest.mark.parametrize(("accounts", "chunk", "kills"), [(ACCOUNTS, CHUNK, KILLS), MILLION])
def test_a_payer_killed_at_any_moment_leaves_every_position_paid_once_or_not_at_all(
    make_payers, how, final, rounds, accounts, chunk, kills
):
    begun = time.monotonic()
    payers, chance = make_payers(how, accounts, chunk), random.Random(how)
    steps_needed, steps_seen = rounds * accounts // chunk, 0
    prepared = time.monotonic()
    for _ in range(kills):
        payer = payers.start_settling()
        for _ in range(chance.randint(1, steps_needed // kills - 4)):
            assert payer.output.readline() == "step\n"
            steps_seen += 1
        time.sleep(chance.uniform(0, 0.004))
        payer.kill()
    steps, status = finish(payers.start_settling())
    assert status == final
    left = steps_needed - steps_seen
    assert 1 < steps < left + 3 + 3 * rounds, "it went on where the killed ones had stopped"
    took = time.monotonic() - prepared
    print(f"{how} of {accounts} in {took:.0f} s, {kills} kills; made in {prepared - begun:.0f} s")


def test_payers_at_the_same_time_pay_every_position_once(make_payers):
    payers = make_payers("result")
    both = [payers.start_settling() for _ in range(2)]
    assert "settled" in {finish(payer)[1] for payer in both}
