"""The pytest plugin of the client, as a project of somebody else has it."""

import os
import subprocess
import sys

from tests.clients.test_descriptions import PACKAGE
from tests.exchange import ROOT

TEST = """
import os

def test_a_bot_buys(predex_exchange):
    client, slug = predex_exchange.client(), predex_exchange.markets[0]
    order = client.place(slug, "buy", 10, "0.40")
    assert (order.status, order.remaining) == ("open", 10)
    other = predex_exchange.client(1)
    assert other.place(slug, "sell", 4, "0.40").filled == 4
    print("FOLDER", predex_exchange.folder, predex_exchange.url)
"""


def test_a_project_s_tests_get_an_exchange_that_is_gone_afterwards(tmp_path):
    (tmp_path / "test_bot.py").write_text(TEST)
    options = ["-q", "-s", "-p", "no:django", "-p", "predex_client.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", *options, f"--predex-source={ROOT}", str(tmp_path)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command, env={**kept, "PYTHONPATH": str(PACKAGE)}, cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FOLDER")]
    assert not os.path.exists(line.split()[1])
