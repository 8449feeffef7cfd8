"""Clients of other venues, each installed in a folder of its own and run in a process of its own.

They are what `tests/compat/*.txt` pin. `make test` installs them in `.venv/sdks`; PREDEX_SDKS names
another folder.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECONDS = 240


def find_sdk(name: str) -> Path:
    """Return the folder of a client, by the name of its requirements file."""
    folder = Path(os.environ.get("PREDEX_SDKS", Path(sys.prefix) / "sdks")) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not installed: run `make venv`")
    return folder


def run_sdk(name: str, module: str, *arguments: str) -> Any:
    """Run a module of ours with only this client on its path; return the JSON that it prints."""
    program = Path(__file__).parent / f"{module}.py"
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-s", str(program), *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(find_sdk(name))},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])
