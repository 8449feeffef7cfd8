"""A small HTTP/1.1 client over one kept connection: what a bot without libraries would use."""

import asyncio
import json
from typing import Any, NamedTuple

REQUEST_SECONDS = 8.0
HEADER_BYTES_MAX = 64 * 1024

LOST = (OSError, EOFError, TimeoutError)
"""What `Connection.request` raises when the outcome of a request is unknown."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to the exchange on the loopback; it connects again after a loss."""

    def __init__(self, port: int, *, headers: dict[str, str] | None = None) -> None:
        self.port = port
        self.headers = headers or {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request and return its reply; raise one of LOST when there is none.

        `path` is below /api/v1/ unless it begins with a slash.
        """
        content = b"" if body is None else json.dumps(body).encode()
        head = self._build_head(method, path, content, headers or {})
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._exchange(head + content)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    def _build_head(self, method: str, path: str, content: bytes, extra: dict[str, str]) -> bytes:
        fields = {"Host": f"127.0.0.1:{self.port}", **self.headers, **extra}
        if content:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        target = path if path.startswith("/") else f"/api/v1/{path}"
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    async def _exchange(self, request: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=HEADER_BYTES_MAX
            )
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(_read_header(line) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(int(head[0].split(" ", 2)[1]), headers, body)


def _read_header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
