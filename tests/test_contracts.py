"""Apps import one another as pyproject.toml says. No two classes have the same name."""

import ast
import subprocess
import sys
from collections import defaultdict

from tests.exchange import ROOT

ROOMS = (
    "predex", "simulator", "compat", "web", "kernel", "accounts", "markets", "trading", "bots",
    "bench",
)  # fmt: skip
# Django finds these by their name.
CONVENTIONAL = {"Command", "Migration"}


def test_every_import_contract_is_kept():
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_public_classes_have_the_same_name():
    places = defaultdict(list)
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert len(places) > 600
    assert {name: where for name, where in twice.items() if name not in CONVENTIONAL} == {}
