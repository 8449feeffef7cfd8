"""A server that webhooks are sent to."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread
from typing import Self


class Receiver:
    """Answers every POST with a 200; `received` has their headers and bodies, by path."""

    def __init__(self) -> None:
        received: SimpleQueue[tuple[str, dict[str, str], bytes]] = SimpleQueue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put((self.path, dict(self.headers), body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def wait_for(self, path: str, seconds: float) -> tuple[dict[str, str], bytes]:
        """Return the next request to this path; others are dropped."""
        while True:
            sent_to, headers, body = self.received.get(timeout=seconds)
            if sent_to == path:
                return headers, body

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
