"""The project's settings for in-process tests: no `.env`, fixed secrets, fast passwords.

They run on SQLite, embedded. `PREDEX_TEST_DB=postgres` (`python -m tests.on_postgres` sets it)
runs them on the PostgreSQL and Redis of DATABASE_URL and REDIS_URL; else these two only tell the
fixtures which servers to use.
"""

import os
import tempfile
from pathlib import Path

IS_POSTGRES_RUN = os.environ.get("PREDEX_TEST_DB") == "postgres"
GIVEN_POSTGRES_URL = os.environ.get("DATABASE_URL", "")
GIVEN_REDIS_URL = os.environ.get("REDIS_URL", "")
if not GIVEN_POSTGRES_URL.startswith("postgres"):
    GIVEN_POSTGRES_URL = ""

_folder = Path(tempfile.gettempdir()) / f"predex-tests-{os.getuid()}-{os.getpid()}"
os.environ["PREDEX_ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["DATA_DIR"] = str(_folder)
os.environ["STATIC_MANIFEST"] = "false"
os.environ["REDIS_PREFIX"] = f"predex-tests-{os.getpid()}"
for _name in ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY"):
    os.environ[_name] = f"tests-only-{_name.lower()}".ljust(48, "x")
if not IS_POSTGRES_RUN:
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    os.environ["REDIS_URL"] = ""

from predex.settings import *  # noqa: E402, F403
from predex.settings import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if not IS_POSTGRES_RUN:
    # A file, not memory: threads then wait for one another's locks as they do in production.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}.sqlite3"}
