"""The simulator's own API, /api/v1/simulator: docs/simulator.md.

What concerns the asking key alone needs any key: its conditions, truth and report. What concerns
everybody needs a key that operates: time, snapshots, seed.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from accounts.api.admission import admit
from accounts.api.principal import OPERATE, Principal, authenticate, find_credential
from accounts.models import ApiKey
from kernel.errors import ApiError, not_found
from simulator.bench import NAME, Bench, list_snapshots
from simulator.conditions import Conditions, find_name
from simulator.journal import hash_journal
from simulator.recordings.pace import FASTEST
from simulator.report import build_report, show_report, write_csv
from simulator.truth import read_truth
from trading.feed.tasks import in_thread
from trading.wire.reading import decode, read_query
from web.asgi import Receive, Response, Scope, Send, encode_json, serve
from web.request_context import RequestContext, read_body

PREFIX: Final = "/api/v1/simulator"
SPEED_MAX: Final = 1_000_000
STEP_SECONDS_MAX: Final = 7 * 24 * 3600


class NoBody(Struct, forbid_unknown_fields=True):
    pass


class StepBy(Struct, forbid_unknown_fields=True):
    seconds: Annotated[float, Meta(gt=0, le=STEP_SECONDS_MAX)]


class NewSpeed(Struct, forbid_unknown_fields=True):
    speed: Annotated[float, Meta(gt=0, le=SPEED_MAX)] | Literal["max"]


class NewSeed(Struct, forbid_unknown_fields=True):
    seed: int


class SnapshotName(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]


class ControlCall:
    """One request: who asks, and what the path and query named."""

    def __init__(self, bench: Bench, principal: Principal, key: str, query: dict[str, str]) -> None:
        self.bench = bench
        self.principal = principal
        self.key = key
        self.query = query

    async def find_name(self) -> str:
        """Return the name of the key whose conditions these are: its own, or `key` by id.

        That has to be the same account's: so a program that signs can have conditions too.
        """
        key_id = self.query.get("key")
        if key_id is None:
            if self.principal.credential != "key":
                raise ApiError("missing_scope", scope="an API key")
            return find_name(self.key)
        keys = ApiKey.objects.filter(account=self.principal.account_id)
        if not await in_thread(lambda: str(key_id) in {str(key.pk) for key in keys}):
            raise not_found("this key")
        return str(key_id)


Answer = Callable[[ControlCall, Any], Awaitable[Any]]


async def get_state(call: ControlCall, _: Any) -> Any:
    return show_state(call.bench)


async def pause(call: ControlCall, _: NoBody) -> Any:
    call.bench.pause()
    return show_state(call.bench)


async def resume(call: ControlCall, _: NoBody) -> Any:
    call.bench.resume()
    return show_state(call.bench)


async def step(call: ControlCall, body: StepBy) -> Any:
    await call.bench.step(body.seconds * 1_000)
    return show_state(call.bench)


async def set_speed(call: ControlCall, body: NewSpeed) -> Any:
    call.bench.set_speed(FASTEST if body.speed == "max" else float(body.speed))
    return show_state(call.bench)


async def set_seed(call: ControlCall, body: NewSeed) -> Any:
    call.bench.conditions.seed(body.seed)
    return show_state(call.bench)


async def take_snapshot(call: ControlCall, body: SnapshotName) -> Any:
    await call.bench.take_snapshot(body.name)
    return show_state(call.bench)


async def reset(call: ControlCall, body: SnapshotName) -> Any:
    call.bench.reset(body.name)
    return show_state(call.bench)


async def get_conditions(call: ControlCall, _: Any) -> Any:
    return call.bench.conditions.get(await call.find_name())


async def put_conditions(call: ControlCall, body: Conditions) -> Any:
    call.bench.conditions.set(await call.find_name(), body)
    return body


async def delete_conditions(call: ControlCall, _: Any) -> Any:
    call.bench.conditions.forget(await call.find_name())
    return Conditions()


async def get_truth(call: ControlCall, _: Any) -> Any:
    return await in_thread(read_truth, call.bench, call.principal.account_id)


async def get_report(call: ControlCall, _: Any) -> Any:
    report = await in_thread(build_report, call.principal.account_id)
    if call.query.get("format") == "csv":
        return Response(200, write_csv(report), content_type="text/csv; charset=utf-8")
    return show_report(report)


async def get_journal(call: ControlCall, _: Any) -> Any:
    return {
        play.market.slug: await in_thread(hash_journal, play.market.pk) for play in call.bench.plays
    }


ROUTES: Final[dict[tuple[str, str], tuple[str, type[Struct] | None, Answer]]] = {
    ("GET", ""): ("read", None, get_state),
    ("POST", "/pause"): (OPERATE, NoBody, pause),
    ("POST", "/resume"): (OPERATE, NoBody, resume),
    ("POST", "/step"): (OPERATE, StepBy, step),
    ("POST", "/speed"): (OPERATE, NewSpeed, set_speed),
    ("POST", "/seed"): (OPERATE, NewSeed, set_seed),
    ("POST", "/snapshots"): (OPERATE, SnapshotName, take_snapshot),
    ("POST", "/reset"): (OPERATE, SnapshotName, reset),
    ("GET", "/conditions"): ("read", None, get_conditions),
    ("PUT", "/conditions"): ("read", Conditions, put_conditions),
    ("DELETE", "/conditions"): ("read", None, delete_conditions),
    ("GET", "/truth"): ("read", None, get_truth),
    ("GET", "/report"): ("read", None, get_report),
    ("GET", "/journal"): (OPERATE, None, get_journal),
}
_DECODERS: Final = {
    request: msgspec.json.Decoder(request, strict=False)
    for _, request, _ in ROUTES.values()
    if request
}


async def answer_control(bench: Bench, scope: Scope, receive: Receive, send: Send) -> None:
    await serve(scope, send, partial(_answer, bench, scope, receive))


async def _answer(
    bench: Bench,
    scope: Scope,
    receive: Receive,
    headers: dict[str, str],
    context: RequestContext,
) -> Response:
    route = ROUTES.get((scope["method"], scope["path"].removeprefix(PREFIX).rstrip("/")))
    if route is None:
        raise not_found("this path")
    scope_needed, request, answer = route
    principal = await authenticate(headers, context.address)
    context.account_id = principal.account_id
    await admit(principal, "read", scope_needed)
    query = read_query(scope["query_string"].decode("latin-1"), ("key", "format"))
    body = await read_body(receive)
    decoded = decode(_DECODERS[request], body or b"{}") if request else None
    call = ControlCall(bench, principal, find_credential(headers) or "", query)
    found = await answer(call, decoded)
    return found if isinstance(found, Response) else Response(200, encode_json(found))


def show_state(bench: Bench) -> dict[str, Any]:
    return {
        "instance": bench.instance,
        "is_ready": bench.is_ready,
        "seed": bench.conditions.default_seed,
        "snapshots": list_snapshots(),
        "plays": [
            {
                "market": play.market.slug,
                "recording": play.session.name,
                "queue": play.source.model,
                "speed": "max" if play.player.pace.speed == FASTEST else play.player.pace.speed,
                "paused": play.player.pace.is_paused,
                "at_seconds": max(0, play.player.at_ms) / 1_000,
                "behind_seconds": _find_lag(play),
                "operations": play.player.position,
                "done": play.player.is_done,
                "settled": play.is_settled,
                "error": play.error,
            }
            for play in bench.plays
        ],
    }


def _find_lag(play: Any) -> float | None:
    """How far the play is behind its pace; None at the greatest speed."""
    now_ms = play.player.pace.now_ms()
    if now_ms == FASTEST or play.player.is_done:
        return None
    next_ms = play.session.times_ms[play.player.position]
    return max(0.0, now_ms - next_ms) / 1_000
