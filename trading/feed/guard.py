"""Limits on open sockets, and checks that their credentials are still valid.

One guard per hub. Counts are of this process: with several web processes each allows as many.
"""

import asyncio
from collections import Counter
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings

from accounts.api.principal import Principal, find_stopped
from kernel.errors import ApiError
from trading.feed import disconnects
from trading.feed.hub import Hub
from trading.feed.sessions import Login, find_ended
from trading.feed.tasks import in_thread
from web.limits import find_network

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 0.4
"""Part of the second in which a revoked key, a log-out or a suspension must end a socket."""
SLOW_SECONDS: Final = 20.0
"""A socket that has read nothing for so long is dropped."""
SOCKETS_MAX: Final = 10_000
SOCKETS_PER_ACCOUNT_MAX: Final = 50


class Guarded(disconnects.Cancelling, Protocol):
    address: str
    principal: Principal | None
    login: Login | None
    sending_since: float | None

    def stop(self) -> None:
        """Close it: its credential is no longer valid."""

    def abort(self) -> None:
        """Drop the connection, as the client does not read."""


class Guard:
    def __init__(self, hub: Hub) -> None:
        self.sockets: set[Guarded] = set()
        self._addresses: Counter[str] = Counter()
        self._owners: Counter[int] = Counter()
        hub.tasks.every(CHECK_SECONDS, self._check)
        hub.tasks.every(disconnects.RENEW_SECONDS, self._renew)

    def enter(self, socket: Guarded) -> None:
        """Register a socket, or raise ApiError (429, 503) if there are too many."""
        if len(self.sockets) >= SOCKETS_MAX:
            raise ApiError("unavailable", detail="too many connections: try again later")
        network = find_network(socket.address)
        if self._addresses[network] >= _per_address_max():
            raise _too_many("address")
        if socket.principal is not None:
            self.enter_owner(socket.principal.owner_id)
        self._addresses[network] += 1
        self.sockets.add(socket)

    def enter_owner(self, owner_id: int) -> None:
        if self._owners[owner_id] >= SOCKETS_PER_ACCOUNT_MAX:
            raise _too_many("account")
        self._owners[owner_id] += 1

    def leave(self, socket: Guarded) -> None:
        if socket not in self.sockets:
            return
        self.sockets.discard(socket)
        self._count_down(self._addresses, find_network(socket.address))
        if socket.principal is not None:
            self._count_down(self._owners, socket.principal.owner_id)

    @staticmethod
    def _count_down(counter: Counter, key: str | int) -> None:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]

    async def _check(self) -> None:
        self._drop_stuck()
        await self._stop_ended()

    async def _renew(self) -> None:
        await disconnects.renew(list(self.sockets))

    def _drop_stuck(self) -> None:
        now = asyncio.get_running_loop().time()
        for socket in list(self.sockets):
            since = socket.sending_since
            if since is not None and now - since >= SLOW_SECONDS:
                log.info("socket_dropped", because="slow_reader", address=socket.address)
                socket.abort()

    async def _stop_ended(self) -> None:
        principals = {one.principal for one in self.sockets if one.principal is not None}
        if not principals:
            return
        stopped = await in_thread(find_stopped, principals)
        logins = {one.login for one in self.sockets if one.login is not None}
        ended = await in_thread(find_ended, logins) if logins else set()
        for socket in list(self.sockets):
            if socket.principal in stopped or socket.login in ended:
                log.info("socket_stopped", because="credential_ended", address=socket.address)
                socket.stop()


def _per_address_max() -> int:
    limit: int = settings.FEED_SOCKETS_PER_ADDRESS_MAX
    return limit


def _too_many(what: str) -> ApiError:
    return ApiError("too_many_connections", what=what)


_guards: WeakKeyDictionary[Hub, Guard] = WeakKeyDictionary()


def count_sockets() -> int:
    """Return how many sockets this process serves."""
    return sum(len(guard.sockets) for guard in list(_guards.values()))


def get_guard(hub: Hub) -> Guard:
    """Return a hub's guard, which starts checking with its first socket."""
    guard = _guards.get(hub)
    if guard is None:
        guard = _guards[hub] = Guard(hub)
    return guard
