"""Recorded sessions through the whole path of an order, settled, and every law checked after."""

import json
import uuid

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.exchange import program_environment, run_manage

WINDOWS = [
    "KXGOLD15M-26AUG101900-00",  # the two shortest, by operations
    "KXGOLD15M-26AUG101830-30",
    "KXGOLD15M-26AUG050800-00",
    "KXGOLD15M-26AUG051300-00",
    "KXGOLD15M-26AUG070000-00",
    "KXGOLD15M-26AUG102030-30",
    "KXGOLD15M-26AUG102130-30",
]


@pytest.fixture(params=["postgres", pytest.param("sqlite", marks=pytest.mark.soak)])
def environment(request, tmp_path):
    """An empty exchange on this database; PostgreSQL comes with Redis."""
    database_kind = request.param
    databases = request.getfixturevalue(f"{database_kind}_databases")
    redis_url = "" if database_kind == "sqlite" else request.getfixturevalue("redis_url")
    environment = program_environment(
        tmp_path, database_url=databases.make(tmp_path), redis_url=redis_url
    )
    return {**environment, "REDIS_PREFIX": f"t{uuid.uuid4().hex[:8]}"}


def replay(environment, data_dir, windows):
    folder = data_dir / "kalshi_gold15m" / "derived"
    files = [str(folder / f"{window}.ops.csv.gz") for window in windows]
    printed = run_manage("replay_recording", *files, environment=environment)
    return [json.loads(line) for line in printed.splitlines()]


def check(results, windows):
    assert [result["window"] for result in results] == windows
    for result in results:
        assert result["equal"] is True
        assert result["path"] == "gateway"
        assert result["sweep_sha256"] == result["sweep_expected_sha256"]
        assert result["volume_lots"] == result["volume_expected_lots"]
        assert result["checkpoints_equal"] == result["checkpoints"] > 0


@pytest.mark.timeout(300)
def test_a_recorded_session_comes_out_exactly_on_the_real_path(environment, data_dir):
    check(replay(environment, data_dir, WINDOWS[:1]), WINDOWS[:1])
    run_manage("verify", environment=environment)  # raises when it finds a breach


@pytest.mark.soak
def test_all_recorded_sessions_come_out_exactly_on_the_real_path(environment, data_dir):
    check(replay(environment, data_dir, WINDOWS), WINDOWS)
    run_manage("verify", environment=environment)


def test_a_session_that_differs_from_its_expectation_ends_with_1(tmp_path, data_dir, capsys):
    """The comparison can fail: one figure of the expectation is changed."""
    folder = data_dir / "kalshi_gold15m" / "derived"
    name = f"{WINDOWS[0]}.ops.csv.gz"
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    expected = json.loads((folder / f"{WINDOWS[0]}.expect.json").read_text())
    expected["checkpoints"][0]["book"]["yes1"] = 1
    (tmp_path / f"{WINDOWS[0]}.expect.json").write_text(json.dumps(expected))
    with pytest.raises(SystemExit) as ended:
        call_command("replay_recording", "--engine-only", str(tmp_path / name))
    assert ended.value.code == 1
    assert '"equal":false' in capsys.readouterr().out


def test_a_file_that_is_no_session_is_named(tmp_path):
    with pytest.raises(CommandError, match="is no recorded session"):
        call_command("replay_recording", str(tmp_path / "x.ops.csv.gz"))
