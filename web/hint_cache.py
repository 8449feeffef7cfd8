"""Django's cache in Redis, with this process's memory as fallback while Redis fails.

It only holds hints (used codes, attempts, which process runs the nightly check), so an unreachable
Redis counts as a miss. Each process then has its own, which is less strict but never an error.
"""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from kernel.breaker import REDIS_TIMEOUT_SECONDS, Breaker

log = structlog.get_logger(__name__)

_breaker = Breaker()  # one per process, because Django makes a cache for each request


def _ask(name: str) -> Callable[..., Any]:
    ask_redis, ask_here = getattr(RedisCache, name), getattr(LocMemCache, name)

    def ask(self: "HintCache", *args: Any, **kwargs: Any) -> Any:
        if _breaker.allows():
            try:
                answer = ask_redis(self, *args, **kwargs)
            except redis.RedisError as fault:
                _breaker.note_fault()
                log.warning("cached_in_process", fault=str(fault))
            else:
                _breaker.note_answer()
                return answer
        return ask_here(self.here, *args, **kwargs)

    return ask


class HintCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
        }
        super().__init__(server, {**params, "OPTIONS": options})
        self.here = LocMemCache("redis-away", params)

    add = _ask("add")
    get = _ask("get")
    set = _ask("set")
    touch = _ask("touch")
    delete = _ask("delete")
    has_key = _ask("has_key")
    incr = _ask("incr")
    get_many = _ask("get_many")
    set_many = _ask("set_many")
    delete_many = _ask("delete_many")
    clear = _ask("clear")
