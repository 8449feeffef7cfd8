"""The dependency direction of the apps, as written in pyproject.toml, holds."""

import subprocess
import sys

from tests.exchange import ROOT


def test_every_import_contract_is_kept():
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
