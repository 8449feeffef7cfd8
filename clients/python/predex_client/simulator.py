"""The simulator of an exchange that is a bench: time, snapshots, delays and faults, the report.

`Simulator` is a `Client` with these calls too. Delays and faults are of its own key alone; what
concerns everybody (pause, step, speed, seed, snapshots, reset) needs a key that operates.
"""

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from predex_client.client import AsyncClient, Client
from predex_client.describing import get, send
from predex_client.errors import ConnectionLostError, PredexError
from predex_client.requests import Endpoint, Request
from predex_client.values import decode

RESET_SECONDS = 60.0
STEP_TIMEOUT_SECONDS = 600.0
Real = int | float | Decimal | str


@dataclass(frozen=True)
class Play:
    """A recording in its market. `queue` is the model of what an L2 recording hides; `error` says
    why it goes no further.
    """

    market: str
    recording: str
    queue: str
    speed: Any
    paused: bool
    at_seconds: float
    behind_seconds: float | None
    operations: int
    done: bool
    settled: bool
    error: str | None = None


@dataclass(frozen=True)
class SimulatorState:
    """`instance` is another after each reset."""

    instance: str
    is_ready: bool
    seed: int
    snapshots: tuple[str, ...]
    plays: tuple[Play, ...]


@dataclass(frozen=True)
class Faults:
    """Probabilities of each frame or answer, and counts: docs/simulator.md."""

    cut: Real | None = None
    double: Real | None = None
    lose: Real | None = None
    reorder: Real | None = None
    gap: Real | None = None
    gap_frames: int | None = None
    disconnect_after: int | None = None
    too_many_after: int | None = None
    slow: Real | None = None
    slow_ms: Real | None = None
    malform: Real | None = None
    fail_after_commit: Real | None = None


@dataclass(frozen=True)
class Tokens:
    """A venue's limits: what its buckets gain a second, what requests cost; else as Kalshi's."""

    read_per_second: int | None = None
    write_per_second: int | None = None
    request_cost: int | None = None
    cancel_cost: int | None = None


@dataclass(frozen=True)
class QueuedOrder:
    """An own order, and how much is ahead of it at its price; of that what is recorded."""

    id: str
    side: str
    price: Decimal
    remaining: Decimal
    ahead: Decimal
    ahead_recorded: Decimal


@dataclass(frozen=True)
class PlayTruth:
    market: str
    queue: str
    at_seconds: float
    recorded_book: dict[str, Any]
    orders: tuple[QueuedOrder, ...] = field(default=())


Delay = Mapping[str, Any]


def fixed(ms: Real) -> Delay:
    return {"kind": "fixed", "ms": str(ms)}


def lognormal(median_ms: Real, sigma: Real) -> Delay:
    return {"kind": "lognormal", "median_ms": str(median_ms), "sigma": str(sigma)}


def sampled(values_ms: Iterable[Real]) -> Delay:
    return {"kind": "sampled", "values_ms": [str(value) for value in values_ms]}


def sampled_from(path: str | Path) -> Delay:
    """Delays that were measured: a file with a number of milliseconds on each line."""
    return sampled(Path(path).read_text().split())


def state() -> Request[SimulatorState]:
    """What is played, how far it is, and which snapshots there are."""
    return get("simulator", SimulatorState)


def pause() -> Request[SimulatorState]:
    return send("POST", "simulator/pause", SimulatorState, {})


def resume() -> Request[SimulatorState]:
    return send("POST", "simulator/resume", SimulatorState, {})


def step(seconds: Real) -> Request[SimulatorState]:
    """Pause, let so much recorded time pass, and return when all of it has happened."""
    return send("POST", "simulator/step", SimulatorState, {"seconds": str(seconds)})


def speed(speed: Real) -> Request[SimulatorState]:
    """Times the recording's own; "max" is as fast as it can."""
    return send("POST", "simulator/speed", SimulatorState, {"speed": str(speed)})


def seed(seed: int) -> Request[SimulatorState]:
    """Begin all dice again with this seed."""
    return send("POST", "simulator/seed", SimulatorState, {"seed": seed})


def take_snapshot(name: str) -> Request[SimulatorState]:
    return send("POST", "simulator/snapshots", SimulatorState, {"name": name})


def begin_reset(name: str) -> Request[SimulatorState]:
    """Ask for a reset; the exchange goes away and comes back as it was then."""
    return send("POST", "simulator/reset", SimulatorState, {"name": name})


def set_conditions(
    *,
    order_in: Delay | None = None,
    cancel_in: Delay | None = None,
    answer_out: Delay | None = None,
    private_feed: Delay | None = None,
    market_data: Delay | None = None,
    faults: Faults | None = None,
    tokens: Tokens | None = None,
    seed: int | None = None,
) -> Request[dict[str, Any]]:
    """Set delays, faults and limits of this key, in place of what it had."""
    delays = {
        "order_in": order_in, "cancel_in": cancel_in, "answer_out": answer_out,
        "private_feed": private_feed, "market_data": market_data,
    }  # fmt: skip
    body = {
        "delays": {name: delay for name, delay in delays.items() if delay is not None},
        "faults": _list_given(faults or Faults()),
        "tokens": None if tokens is None else _list_given(tokens),
        "seed": seed,
    }
    return Request(method="PUT", path="simulator/conditions", body=body, read=dict)


def _list_given(values: Faults | Tokens) -> dict[str, str]:
    return {name: str(value) for name, value in vars(values).items() if value is not None}


def clear_conditions() -> Request[dict[str, Any]]:
    return Request(method="DELETE", path="simulator/conditions", read=dict)


def truth() -> Request[tuple[PlayTruth, ...]]:
    """The recorded book of now, and what is truly ahead of this account's orders."""
    return Request(
        method="GET", path="simulator/truth", is_repeatable=True,
        read=lambda body: decode(tuple[PlayTruth, ...], body["plays"]),
    )  # fmt: skip


def report() -> Request[dict[str, Any]]:
    """Fills with slippage and queue times, profit by market, calibration: as JSON has it."""
    return Request(method="GET", path="simulator/report", read=dict, is_repeatable=True)


def journal() -> Request[dict[str, str]]:
    """A hash of each market's journal, which two equal runs share."""
    return Request(method="GET", path="simulator/journal", read=dict, is_repeatable=True)


class SimulatorEndpoints:
    state = Endpoint(state)
    pause = Endpoint(pause)
    resume = Endpoint(resume)
    step = Endpoint(step)
    speed = Endpoint(speed)
    seed = Endpoint(seed)
    take_snapshot = Endpoint(take_snapshot)
    begin_reset = Endpoint(begin_reset)
    set_conditions = Endpoint(set_conditions)
    clear_conditions = Endpoint(clear_conditions)
    truth = Endpoint(truth)
    report = Endpoint(report)
    journal = Endpoint(journal)


class Simulator(Client, SimulatorEndpoints):
    """A client of a bench."""

    def __init__(self, url: str | None = None, key: str | None = None, **options: Any) -> None:
        super().__init__(url, key, **{"timeout": STEP_TIMEOUT_SECONDS, **options})

    def reset(self, name: str = "start") -> SimulatorState:
        """Go back to a snapshot ("start": as it began) and return once that is served."""
        before = self.begin_reset(name)
        give_up_at = time.monotonic() + RESET_SECONDS
        while time.monotonic() < give_up_at:
            with contextlib.suppress(PredexError):
                found = self.state()
                if found.instance != before.instance and found.is_ready:
                    return found
            time.sleep(0.05)
        raise ConnectionLostError(f"the exchange did not come back within {RESET_SECONDS:.0f} s")


class AsyncSimulator(AsyncClient, SimulatorEndpoints):
    """The same for asyncio, without `reset`: `begin_reset`, then `state` until it is another."""

    def __init__(self, url: str | None = None, key: str | None = None, **options: Any) -> None:
        super().__init__(url, key, **{"timeout": STEP_TIMEOUT_SECONDS, **options})
