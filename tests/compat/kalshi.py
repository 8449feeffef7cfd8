"""A program that signs its requests itself, and the town in which it trades."""

import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.compat.conftest import Site
from tests.e2e.people import Person, wait_for
from tests.patience import PATIENCE_SECONDS

PATH = "/trade-api/v2"
FIELDS: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("kalshi_fields.json").read_text()
)
"""What the models of all clients from 2025 to 2026 require."""


def assert_fields(model: str, shown: dict[str, Any]) -> None:
    assert not set(FIELDS[model]) - set(shown), model


class Program:
    """One account's program with a key of its own."""

    def __init__(self, site: Site, handle: str, kind: str = "rsa", scopes: str = "read write"):
        [trader] = [one for one in site.world.traders if one.handle == handle]
        answer = httpx.post(
            f"{site.exchange.base_url}{PATH}/api_keys/generate",
            json={"name": "bot", "key_type": kind, "scopes": scopes.split()},
            headers={"X-API-Key": trader.key},
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 201, answer.text
        made = answer.json()
        self.handle = handle
        self._take(site, made["api_key_id"], made["private_key"])

    @classmethod
    def of_key(cls, site: Site, key_id: str, pem: str) -> "Program":
        program = cls.__new__(cls)
        program._take(site, key_id, pem)
        return program

    def _take(self, site: Site, key_id: str, pem: str) -> None:
        self.key_id, self.pem = key_id, pem
        self.key = serialization.load_pem_private_key(self.pem.encode(), None)
        self.http = httpx.Client(base_url=site.exchange.base_url, timeout=PATIENCE_SECONDS)

    def sign(self, method: str, path: str, *, late_ms: int = 0) -> dict[str, str]:
        timestamp = str(int(time.time() * 1_000) - late_ms)
        message = f"{timestamp}{method}{path}".encode()
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
            signature = self.key.sign(message, pss, hashes.SHA256())
        else:
            signature = self.key.sign(message)  # type: ignore[call-arg]
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        path = f"{PATH}/{path}"
        headers = self.sign(method, path)
        return self.http.request(method, path, json=body, params=query or None, headers=headers)

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 0, **query: Any):
        answer = self.send(method, path, body, **query)
        assert answer.status_code == (expect or (200, 201)[method == "POST"]), answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)

    def place(self, ticker: str, text: str, **fields: Any) -> dict[str, Any]:
        """`text` is "bid 10 @ 0.60"."""
        side, count, _, price = text.split()
        body = {
            "ticker": ticker, "side": side, "count": count, "price": price,
            "time_in_force": "good_till_canceled", "client_order_id": str(uuid.uuid4()),
            "self_trade_prevention_type": "taker_at_cross", **fields,
        }  # fmt: skip
        placed: dict[str, Any] = self.call("POST", "portfolio/events/orders", body)
        return placed

    def order(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"portfolio/orders/{order_id}")["order"]
        return found


class Town:
    """A site with a binary market, one of three outcomes, and two that are over."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.binary = site.market.upper()
        self.nominee = self.open_three("Who is nominated?")
        self.void, self.settled = self.open("Is this void?"), self.open("Is this over?")
        self.alice = Program(site, site.world.traders[0].handle)
        self.bob = Program(site, site.world.traders[1].handle, "ed25519")
        for ticker in (self.binary, self.nominee + "_BO", self.void, self.settled):
            self.alice.place(ticker, "ask 10 @ 0.60")
            self.alice.place(ticker, "bid 7 @ 0.40")
            self.bob.place(ticker, "bid 3 @ 0.60")
        self.end(self.settled, {"yes": "1"})
        reason = {"reason": "nobody can tell"}
        self.operator.call("POST", f"markets/{self.void.lower()}/void", reason)
        wait_for(lambda: self.market(self.settled)["status"] == "finalized")
        wait_for(lambda: self.market(self.void)["status"] == "finalized")
        wait_for(lambda: self.market(self.binary)["last_price"] == 60)

    def open(self, title: str, **fields: Any) -> str:
        return self.site.open(title, **fields).upper()

    def open_three(self, title: str) -> str:
        names = ("Ann", "Bo", "Cy")
        outcomes = [{"code": name.upper(), "name": name} for name in names]
        return self.open(title, kind="categorical", outcomes=outcomes)

    def end(self, ticker: str, result: dict[str, Any]) -> None:
        slug = ticker.lower()
        self.operator.call("POST", f"markets/{slug}/close", {})
        self.operator.call("POST", f"markets/{slug}/resolve", {"evidence_text": "seen", **result})

    @property
    def operator(self) -> Person:
        return self.site.operator

    def market(self, ticker: str) -> dict[str, Any]:
        found: dict[str, Any] = self.alice.get(f"markets/{ticker}")["market"]
        return found
