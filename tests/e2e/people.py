"""Users who only know the exchange's address and its public API."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.exchange import Exchange
from tests.patience import PATIENCE_SECONDS

PASSWORD = "correct horse battery staple 7"


class Person:
    """A user with a log-in and, after `make_key`, an API key for trading."""

    def __init__(self, exchange: Exchange, handle: str) -> None:
        self.exchange = exchange
        self.handle = handle
        self.email = f"{handle}@example.com"
        self.key = ""
        self.http = httpx.Client(base_url=f"{exchange.base_url}/api/v1/", timeout=PATIENCE_SECONDS)

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Return the answer's JSON, which must have this status."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def register(self) -> None:
        body = {"email": self.email, "password": PASSWORD, "handle": self.handle}
        self.call("POST", "auth/register", body, status=201)

    def verify_email(self) -> None:
        """Follow the link of the mail, and confirm."""
        path = self.find_confirmation()
        with httpx.Client(base_url=self.exchange.base_url, timeout=PATIENCE_SECONDS) as browser:
            page = browser.get(path)
            assert page.status_code == 200, page.text
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            done = browser.post(path, data={"csrfmiddlewaretoken": token.group(1)})
            assert done.status_code == 302, done.text

    def find_confirmation(self) -> str:
        """Return the path in the latest mail with one; the console back end writes to the log."""
        mail = wait_for(self._find_mail)
        [path] = re.findall(r"/accounts/confirm-email/\S+", mail)
        return str(path)

    def log_in(self) -> None:
        tokens = self.call("POST", "auth/login", {"email": self.email, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {tokens['access']}"

    def make_key(self) -> None:
        """Trade with an API key from now on."""
        body = {"name": "e2e", "scopes": ["read", "trade"]}
        self.key = self.call("POST", "keys", body, status=201)["secret"]
        del self.http.headers["Authorization"]
        self.http.headers["X-API-Key"] = self.key

    def place(self, market: str, text: str) -> Any:
        """`text` is "buy 10 YES @ 0.60"."""
        side, quantity, outcome, _, price = text.split()
        order = {"market": market, "side": side, "outcome": outcome, "quantity": quantity}
        return self.call("POST", "orders", {**order, "price": price}, status=201)

    def available(self) -> str:
        return self.call("GET", "account")["available"]

    @contextlib.contextmanager
    def listen(self, market: str) -> Iterator["Listener"]:
        """Follow the own account and a market by the feed."""
        with connect(self.exchange.ws_url) as socket:
            yield Listener(socket, self.key, market)

    def _find_mail(self) -> str | None:
        mails = self.exchange.log("web").split("Content-Type: text/plain")
        found = [
            mail for mail in mails if f"To: {self.email}" in mail and "/confirm-email/" in mail
        ]
        return found[-1] if found else None


class Listener:
    """A socket that remembers every frame."""

    def __init__(self, socket: ClientConnection, key: str, market: str) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.send(op="auth", key=key)
        self.send(op="subscribe", channels=["me"])
        self.send(op="subscribe", channels=["book", "trades", "lifecycle"], markets=[market])
        awaited = {"me_snapshot", "book_snapshot", "trades_snapshot", "lifecycle_snapshot"}
        self.wait(lambda _: awaited <= {frame["type"] for frame in self.frames})

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def wait(self, is_it: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the first frame, of those seen and those to come, that is it."""
        for frame in self.frames:
            if is_it(frame):
                return frame
        while True:
            frame = json.loads(self.socket.recv(timeout=PATIENCE_SECONDS))
            assert frame["type"] != "error", frame
            self.frames.append(frame)
            if is_it(frame):
                return frame


def become_operator(exchange: Exchange) -> Person:
    """The first operator, made in a browser at the address that the server's console shows."""
    operator = Person(exchange, "olivia")
    [address] = re.findall(r"^ +(http\S+/setup/\S+)$", exchange.log(), re.MULTILINE)
    form = {"email": operator.email, "handle": operator.handle, "password": PASSWORD}
    with httpx.Client(base_url=exchange.base_url, timeout=PATIENCE_SECONDS) as browser:
        page = browser.get(address).text
        [token, *_] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        form |= {"csrfmiddlewaretoken": token, "key": address.partition("key=")[2]}
        assert browser.post("/setup/", data=form).status_code == 302
    operator.log_in()
    return operator


def wait_for(find: Callable[[], Any]) -> Any:
    """Return the first true answer."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not (found := find()):
        assert time.monotonic() < give_up_at, f"waited {PATIENCE_SECONDS} s in vain"
        time.sleep(0.05)
    return found
