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


def _with_fallback(name: str) -> Callable[..., Any]:
    call_redis, call_here = getattr(RedisCache, name), getattr(LocMemCache, name)

    def call(self: "HintCache", *args: Any, **kwargs: Any) -> Any:
        if _breaker.allows():
            try:
                answer = call_redis(self, *args, **kwargs)
            except redis.RedisError as fault:
                _breaker.note_fault()
                log.warning("cached_in_process", fault=str(fault))
            else:
                _breaker.note_answer()
                return answer
        return call_here(self.here, *args, **kwargs)

    return call


class HintCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
        }
        super().__init__(server, {**params, "OPTIONS": options})
        self.here = LocMemCache("redis-away", params)

    add = _with_fallback("add")
    get = _with_fallback("get")
    set = _with_fallback("set")
    touch = _with_fallback("touch")
    delete = _with_fallback("delete")
    has_key = _with_fallback("has_key")
    incr = _with_fallback("incr")
    get_many = _with_fallback("get_many")
    set_many = _with_fallback("set_many")
    delete_many = _with_fallback("delete_many")
    clear = _with_fallback("clear")
