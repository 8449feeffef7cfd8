"""Django's settings of database, channel layer and cache from DATABASE_URL and REDIS_URL.

SQLite and PostgreSQL are supported. Without Redis the layer and the cache live in the memory of the
single process.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg_pool import ConnectionPool

SQLITE_BUSY_SECONDS = 20
# The pool's back-off doubles, so after a long outage it would notice the database's return late.
# It gives up after the second attempt and starts over: see `keep_connecting`.
POOL_RECONNECT_SECONDS = 1
POOL_WAIT_SECONDS = 3
# A dead or frozen client must not hold locks for long: the server ends a session that idles inside
# a transaction or whose host does not answer, and waits for locks are bounded.
POSTGRESQL_SESSION = {
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
# The same from the client's side: detect a server whose host is gone.
POSTGRESQL_CLIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
# The default of 100 messages would refuse orders that the gateway has admitted.
MEMORY_MESSAGES_MAX = 100_000
# FULL, because an acknowledged order must survive a power cut, not only a crash of the process.
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"


def configure_database(parsed: dict[str, Any], *, pool_connections_max: int) -> dict[str, Any]:
    """Return the DATABASES entry for `parsed` (django-environ's); refuses other databases."""
    backend = parsed["ENGINE"].rsplit(".", 1)[-1]
    if backend == "sqlite3":
        options = {**parsed.get("OPTIONS", {}), **_sqlite_options()}
        # Opening the file costs more than most queries: each thread keeps it open.
        return {**parsed, "CONN_MAX_AGE": None, "OPTIONS": options}
    if backend in {"postgresql", "psycopg2"}:
        pool = {
            "min_size": 1,
            "max_size": pool_connections_max,
            "timeout": POOL_WAIT_SECONDS,
            "reconnect_timeout": POOL_RECONNECT_SECONDS,
            "reconnect_failed": keep_connecting,
        }
        return {
            **parsed,
            "ENGINE": "django.db.backends.postgresql",
            "CONN_MAX_AGE": 0,  # the pool keeps connections open; Django must return them
            "CONN_HEALTH_CHECKS": True,  # the pool checks a connection before it lends it
            "OPTIONS": {**_postgresql_options(parsed.get("OPTIONS", {})), "pool": pool},
        }
    raise ImproperlyConfigured("set DATABASE_URL to a sqlite:/// or postgres:// address.")


def keep_connecting(pool: ConnectionPool) -> None:
    """Reconnect for callers already waiting; the pool alone would do so only for new ones.

    An engine's process has no other callers: it would wait POOL_WAIT_SECONDS although the database
    is back.
    """
    with pool._lock:
        if pool._waiting:
            pool._maybe_grow_pool()


def _postgresql_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return libpq's options; those in DATABASE_URL take precedence over the defaults here."""
    session = [f"-c {name}={value}" for name, value in POSTGRESQL_SESSION.items()]
    options = " ".join([*session, str(given.get("options", ""))]).strip()
    return {**POSTGRESQL_CLIENT, **given, "options": options}


def _sqlite_options() -> dict[str, Any]:
    # IMMEDIATE takes the write lock at BEGIN, so a transaction can't fail at its first write.
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": SQLITE_BUSY_SECONDS,
        "init_command": SQLITE_PRAGMAS,
    }


def configure_channel_layers(redis_url: str, *, prefix: str) -> dict[str, Any]:
    """Return CHANNEL_LAYERS."""
    if not redis_url:
        layer = "channels.layers.InMemoryChannelLayer"
        return {"default": {"BACKEND": layer, "CONFIG": {"capacity": MEMORY_MESSAGES_MAX}}}
    # The core Redis layer drops messages beyond 100 per channel; pub/sub does not.
    layer = "kernel.channel_layer.PubSubLayer"
    return {"default": {"BACKEND": layer, "CONFIG": {"hosts": [redis_url], "prefix": prefix}}}


def configure_caches(redis_url: str, *, prefix: str) -> dict[str, Any]:
    """Return CACHES; cached values may vanish at any time, and Redis may be unreachable."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache = "web.hint_cache.HintCache"
    return {"default": {"BACKEND": cache, "LOCATION": redis_url, "KEY_PREFIX": prefix}}
