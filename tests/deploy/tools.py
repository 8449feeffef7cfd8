"""Programs that tests of `deploy/` run: installed, in our venv, or unpacked by `.ci/tools`."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.exchange import ROOT

DEPLOY = ROOT / "deploy"
UNPACKED = ROOT / ".tools"


def find_tool(name: str) -> Path:
    """Return the path of a program; skip the test where it is missing."""
    folders = [Path(sys.prefix) / "bin", UNPACKED / "usr" / "bin", UNPACKED / "usr" / "sbin"]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *map(str, folders)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"there is no {name}: run .ci/tools")
    return Path(found)
