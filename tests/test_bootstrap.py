"""`.env` is written once, with secrets of its own, for its owner only."""

import environ

from predex.bootstrap import SECRETS, write_env_once
from predex.checks import SECRET_LENGTH_MIN
from predex.checks import SECRETS as CHECKED_SECRETS


def test_env_is_written_once_and_then_kept(tmp_path):
    path = tmp_path / ".env"
    assert write_env_once(path) is True
    first = path.read_text()
    assert write_env_once(path) is False
    assert path.read_text() == first


def test_env_is_readable_by_its_owner_only(tmp_path):
    path = tmp_path / ".env"
    write_env_once(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_secret_is_long_and_another_one(tmp_path, monkeypatch):
    values = set()
    for number in range(2):
        path = tmp_path / f"{number}.env"
        write_env_once(path)
        for name in SECRETS:
            monkeypatch.delenv(name, raising=False)
        environ.Env.read_env(str(path), overwrite=True)
        values |= {environ.Env().str(name) for name in SECRETS}
    assert len(values) == 2 * len(SECRETS)
    assert min(map(len, values)) >= SECRET_LENGTH_MIN


def test_bootstrap_writes_what_the_settings_ask_for():
    assert set(SECRETS) == set(CHECKED_SECRETS)
