"""One engine per SQLite file: the lock is taken once, and goes with its process."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tests.exchange import ROOT
from tests.servers import Child
from trading.pipeline.filelock import EngineAlreadyRunningError, engine_file_lock, get_lock_path

HOLDER = """
import sys, time
from pathlib import Path
from trading.pipeline.filelock import engine_file_lock
with engine_file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock_path(tmp_path):
    return tmp_path / "predex.sqlite3.engine.lock"


@pytest.fixture
def holder(lock_path, tmp_path):
    child = Child(
        [sys.executable, "-c", HOLDER, lock_path],
        log_path=tmp_path / "holder.log",
        environment={"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    child.wait_until(lambda: "held" in child.read_log())
    yield child
    child.kill()


def test_a_second_engine_is_refused_with_a_sentence_that_names_the_first(holder, lock_path):
    with pytest.raises(EngineAlreadyRunningError) as fault, engine_file_lock(lock_path):
        pytest.fail("two engines on one database")
    assert f"another server (process {holder.pid}) runs the engine on predex.sqlite3" in str(
        fault.value
    )


def test_a_killed_engine_leaves_the_lock_free(holder, lock_path):
    holder.kill()
    with engine_file_lock(lock_path):
        assert lock_path.exists()


def test_the_lock_is_free_again_after_the_block(lock_path):
    for _ in range(2):
        with engine_file_lock(lock_path):
            pass


def test_a_child_process_does_not_inherit_the_lock(lock_path):
    with engine_file_lock(lock_path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        time.sleep(0.05)
        with engine_file_lock(lock_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_only_an_sqlite_file_has_a_lock(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "/data/predex.sqlite3")
    connection = "trading.pipeline.filelock.connection"
    monkeypatch.setattr(connection, SimpleNamespace(vendor="sqlite"))
    assert str(get_lock_path()) == "/data/predex.sqlite3.engine.lock"
    monkeypatch.setattr(connection, SimpleNamespace(vendor="postgresql"))
    assert get_lock_path() is None
