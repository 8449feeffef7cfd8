"""The project refuses to start on settings that would be unsafe, and says what to set."""

import runpy
import subprocess
import sys
from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from predex.checks import SECRETS, compute_faults, refuse_unsafe
from predex.stores import configure_database
from tests.exchange import ROOT, program_environment
from tests.patience import PATIENCE_SECONDS

SAFE: dict[str, Any] = {
    "DEBUG": False,
    **{name: f"{name}-0123456789-0123456789-0123456789" for name in SECRETS},
    "METRICS_TOKEN": "",
    "METRICS_NETWORKS": [],
    "METRICS_PORT": 0,
    "ALLOWED_HOSTS": ["predict.example.org"],
    "CORS_ALLOWED_ORIGINS": [],
    "TRUSTED_PROXIES": [],
    "SITE_URL": "https://predict.example.org",
    "ALLOW_PLAIN_HTTP": False,
    "SIMULATOR": False,
    "ALLOW_SIMULATOR": False,
    "EMBEDDED": False,
}


def test_safe_settings_have_no_fault():
    assert compute_faults(SAFE) == []


def test_the_simulator_is_refused_where_nobody_said_that_the_site_is_for_it():
    bench = {**SAFE, "SIMULATOR": True, "EMBEDDED": True}
    [fault] = compute_faults(bench)
    assert "ALLOW_SIMULATOR=true" in fault
    assert compute_faults({**bench, "ALLOW_SIMULATOR": True}) == []
    assert compute_faults({**bench, "DEBUG": True}) == []
    for debug in (True, False):
        [fault] = compute_faults({**bench, "EMBEDDED": False, "DEBUG": debug})
        assert "REDIS_URL" in fault


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("secret", ["", "short", "insecure-" * 6])
def test_each_secret_must_be_set_long_and_not_the_debug_one(name, secret):
    faults = compute_faults({**SAFE, name: secret})
    assert len(faults) == 1
    assert faults[0].startswith(f"set {name} ")


def test_one_secret_may_not_serve_two_purposes():
    faults = compute_faults({**SAFE, "API_KEY_PEPPER": SAFE["SECRET_KEY"]})
    assert len(faults) == 1
    assert "different values" in faults[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_TOKEN", "short"),
        ("METRICS_NETWORKS", ["0.0.0.0/0"]),
        ("ALLOWED_HOSTS", []),
        ("ALLOWED_HOSTS", ["*"]),
        ("CORS_ALLOWED_ORIGINS", ["*"]),
        ("TRUSTED_PROXIES", ["*"]),
        ("TRUSTED_PROXIES", ["10.0.0.1", "0.0.0.0/0"]),
        ("TRUSTED_PROXIES", ["::/0"]),
        ("SITE_URL", "http://predict.example.org"),
        ("SITE_URL", "predict.example.org"),
    ],
)
def test_an_unsafe_setting_is_named_in_one_sentence(name, value):
    faults = compute_faults({**SAFE, name: value})
    assert len(faults) == 1
    assert faults[0].startswith(f"set {name} ")
    assert faults[0].endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"SITE_URL": "http://127.0.0.1:8000"},
        {"SITE_URL": "http://10.0.0.7", "ALLOW_PLAIN_HTTP": True},
        {"DEBUG": True, "SECRET_KEY": "", "ALLOWED_HOSTS": ["*"]},
    ],
)
def test_harmless_settings_are_allowed(changes):
    assert compute_faults({**SAFE, **changes}) == []


def test_a_port_for_metrics_needs_a_token_or_a_network():
    open_to_all = {**SAFE, "METRICS_PORT": 9100}
    (fault,) = compute_faults(open_to_all)
    assert fault.startswith("set METRICS_TOKEN or METRICS_NETWORKS:")
    assert compute_faults({**open_to_all, "METRICS_NETWORKS": ["10.0.0.0/24"]}) == []
    assert compute_faults({**open_to_all, "METRICS_TOKEN": "a" * 32}) == []


@pytest.fixture
def read_settings(monkeypatch):
    def read(**environment):
        values = {"SECRET_KEY": "a" * 40, "API_KEY_PEPPER": "b" * 40, "JWT_SIGNING_KEY": "c" * 40}
        values = {**values, "PREDEX_ENV_FILE": "/dev/null", "DEBUG": "false", **environment}
        kept = {name: value for name, value in values.items() if value}
        monkeypatch.setattr(environ.Env, "ENVIRON", kept)
        return runpy.run_path(str(ROOT / "predex" / "settings.py"))

    return read


def test_any_setting_can_be_in_a_file(read_settings, tmp_path):
    (tmp_path / "key").write_text("s" * 40 + "\n")
    (tmp_path / "password").write_text("p%40ss:word\n")
    (tmp_path / "hosts").write_text("a.example.org,b.example.org\n")
    values = read_settings(
        SECRET_KEY=None,
        SECRET_KEY_FILE=str(tmp_path / "key"),
        ALLOWED_HOSTS_FILE=str(tmp_path / "hosts"),
        DATABASE_URL="postgres://predex@db/predex",
        DATABASE_PASSWORD_FILE=str(tmp_path / "password"),
    )
    assert values["SECRET_KEY"] == "s" * 40
    assert values["ALLOWED_HOSTS"] == ["a.example.org", "b.example.org"]
    assert values["DATABASES"]["default"]["PASSWORD"] == "p%40ss:word"


def test_a_missing_file_is_said_in_a_sentence_that_names_it(read_settings, tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(ImproperlyConfigured) as fault:
        read_settings(SECRET_KEY=None, SECRET_KEY_FILE=str(missing))
    assert str(fault.value) == (
        f"set SECRET_KEY_FILE to a file that can be read: {missing} can't"
        " (No such file or directory)."
    )


def test_a_setting_and_its_file_are_refused_together(read_settings, tmp_path):
    with pytest.raises(ImproperlyConfigured, match=r"^set SECRET_KEY or SECRET_KEY_FILE, not both"):
        read_settings(SECRET_KEY_FILE=str(tmp_path))


def test_refuse_unsafe_raises_the_first_sentence():
    with pytest.raises(ImproperlyConfigured, match=r"^set SECRET_KEY "):
        refuse_unsafe({**SAFE, "SECRET_KEY": ""})


def test_the_program_does_not_start_without_its_secrets(tmp_path):
    environment = program_environment(tmp_path, database_url=f"sqlite:///{tmp_path}/db.sqlite3")
    del environment["API_KEY_PEPPER"]
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "migrate"],
        env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "predex cannot start: set API_KEY_PEPPER in the environment or in .env "
        "(`make env` generates it)."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE_SHARDS", "0"),
        ("ENGINE_SHARDS", "two"),
        ("BODY_BYTES_MAX", "-1"),
        ("JWT_ACCESS_SECONDS", "1.5"),
        ("DEBUG", "maybe"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("DATABASE_URL", "predex.db"),
        ("DATABASE_URL", "postgres://predex:secret@db:port/predex"),
        ("DATABASE_URL", "mysql://db/predex"),
        ("REDIS_URL", "localhost:6379"),
        ("EMAIL_URL", "mail.example.org"),
        ("LOG_LEVEL", "loud"),
        ("DATA_DIR", "/dev/null/data"),
    ],
)
def test_a_value_without_sense_is_named_in_one_sentence(name, value, read_settings):
    with pytest.raises(ImproperlyConfigured) as fault:
        read_settings(**{name: value})
    assert str(fault.value).startswith(f"set {name} to ")
    assert str(fault.value).endswith(".")
    assert "secret" not in str(fault.value)


def test_celery_does_not_start_on_what_it_can_not_read(tmp_path):
    environment = program_environment(tmp_path, database_url=f"sqlite:///{tmp_path}/db.sqlite3")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "--workdir", ROOT, "-A", "predex", "worker"],
        env={**environment, "ENGINE_SHARDS": "0"},
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "predex cannot start: set ENGINE_SHARDS to a whole number of at least 1."
    )


def test_sqlite_commits_durably_and_locks_at_the_start_of_a_transaction():
    options = configure_database(
        {"ENGINE": "django.db.backends.sqlite3", "NAME": "x.sqlite3"}, pool_connections_max=4
    )["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in options["init_command"]
    assert "journal_mode=WAL" in options["init_command"]
    assert options["timeout"] > 0


def test_postgresql_uses_the_driver_s_pool_and_no_persistent_connections():
    database = configure_database(
        {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}, pool_connections_max=4
    )
    assert database["CONN_MAX_AGE"] == 0
    assert database["OPTIONS"]["pool"]["max_size"] == 4


def test_another_database_is_refused_with_what_to_set():
    with pytest.raises(ImproperlyConfigured, match=r"^set DATABASE_URL "):
        configure_database({"ENGINE": "django.db.backends.mysql"}, pool_connections_max=4)


def test_settings_stay_in_one_short_file():
    assert len((ROOT / "predex" / "settings.py").read_text().splitlines()) <= 255
