"""The project's settings for in-process tests: no `.env`, fixed secrets, fast passwords.

They run on SQLite, embedded. `PREDEX_TEST_DB=postgres` (`python -m tests.suite postgres` sets it)
runs them on the PostgreSQL and Redis of DATABASE_URL and REDIS_URL; else these two only name the
servers for the fixtures.
"""

import os
import tempfile
from pathlib import Path

IS_POSTGRES_RUN = os.environ.get("PREDEX_TEST_DB") == "postgres"
# Kept under other names for the workers, which begin with the environment as it is left here.
GIVEN_POSTGRES_URL = os.environ.setdefault(
    "PREDEX_TEST_POSTGRES_URL", os.environ.get("DATABASE_URL", "")
)
GIVEN_REDIS_URL = os.environ.setdefault("PREDEX_TEST_REDIS_URL", os.environ.get("REDIS_URL", ""))
if not GIVEN_POSTGRES_URL.startswith("postgres"):
    GIVEN_POSTGRES_URL = ""
# What the suite has migrated already: a file, and a database of that server.
SQLITE_TEMPLATE = os.environ.get("PREDEX_TEST_SQLITE_TEMPLATE")
POSTGRES_TEMPLATE = os.environ.get("PREDEX_TEST_POSTGRES_TEMPLATE") if GIVEN_POSTGRES_URL else None

_folder = Path(tempfile.gettempdir()) / f"predex-tests-{os.getuid()}-{os.getpid()}"
os.environ["PREDEX_ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["DATA_DIR"] = str(_folder)
os.environ["STATIC_MANIFEST"] = "false"
os.environ["REDIS_PREFIX"] = f"predex-tests-{os.getpid()}"
for _name in ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY"):
    os.environ[_name] = f"tests-only-{_name.lower()}".ljust(48, "x")
# A client of httpx reads every certificate that its machine trusts, for 25 ms, and tests make one
# for each time that they ask whether a server is up. They talk to nobody who needs one.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull
if not IS_POSTGRES_RUN:
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    os.environ["REDIS_URL"] = ""

from predex.settings import *  # noqa: E402, F403
from predex.settings import DATABASES, INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests"]  # for its `flush`, between transactional tests
# Each test client is a server of its own: it looks for a static file when it is asked for one.
WHITENOISE_AUTOREFRESH = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if IS_POSTGRES_RUN:
    DATABASES["default"]["TEST"] = {"TEMPLATE": POSTGRES_TEMPLATE}
else:
    # A file, not memory: threads then wait for one another's locks as they do in production.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}.sqlite3"}
