"""Connections that do not finish what they begin, on the real server with a short patience."""

import asyncio
import contextlib
import gc
import json
import re
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from tests.exchange import Exchange
from tests.patience import PATIENCE_SECONDS
from web.asgi import Response, send_response
from web.connections import HttpConnection
from web.request_context import start_request

REQUEST_SECONDS = 1
FILES = 400
UNREAD = 20
ENDLESS_BYTES = 64_000_000
HEAD = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
LENGTH = "Content-Length: 900\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


@pytest.fixture(scope="module")
def impatient(sqlite_databases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("impatient")
    environment = {"REQUEST_SECONDS_MAX": str(REQUEST_SECONDS)}
    database_url = sqlite_databases.make(folder)
    with Exchange(folder, database_url=database_url, environment=environment) as exchange:
        yield exchange.start()
        exchange.manage("verify")


def connect(exchange):
    return socket.create_connection(("127.0.0.1", exchange.port), timeout=10 * REQUEST_SECONDS)


def read_all(connection):
    """Return what comes until the server closes, which must be within the connection's timeout."""
    answer = b""
    try:
        while part := connection.recv(65_536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def read_code(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


def drip(connection, pieces, *, every=0.1):
    """Send pieces until the server has had enough, which must be soon; return its answer."""
    started = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - started < 10 * REQUEST_SECONDS:
        try:
            connection.sendall(next(pieces))
            return connection.recv(65_536)
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return b""
    pytest.fail("still open")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("", None),
        ("GET /api/v1/", 408),
        (f"GET /api/v1/markets HTTP/1.1\r\n{HEAD}", 408),
        (f"POST /api/v1/orders HTTP/1.1\r\nX-API-Key: x\r\n{HEAD}{LENGTH}\r\n{{", 401),
        (f"POST /api/v1/auth/token HTTP/1.1\r\n{HEAD}{LENGTH}\r\n{{", 408),
        (
            f"POST /api/v1/auth/token HTTP/1.1\r\n{HEAD}{CHUNKED}\r\n5\r\n{{",
            408,
        ),
        (f"GET /ws/v1 HTTP/1.1\r\n{HEAD}{HANDSHAKE}", 408),
    ],
)
def test_a_request_that_stops_half_way_is_ended(impatient, sent, code):
    with connect(impatient) as connection:
        connection.sendall(sent.encode())
        answer = read_all(connection)
    if code is None:
        assert answer == b""
    else:
        assert answer.startswith(f"HTTP/1.1 {code} ".encode())


def test_one_that_is_answered_before_its_body_came_is_not_kept_open(impatient):
    with connect(impatient) as connection:
        connection.sendall(f"POST /nowhere/ HTTP/1.1\r\n{HEAD}Content-Length: 500\r\n\r\n".encode())
        assert drip(connection, iter([b"{"] * 500))


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"GET / HTTP/1.1\r\nX-A: ", b"b"),
    ],
)
def test_a_head_that_comes_in_drops_is_ended(impatient, begin, piece):
    with connect(impatient) as connection:
        connection.sendall(begin)
        answer = drip(connection, iter([piece] * 1_000))
    assert read_code(answer) == (408, "request_timeout")


def test_pipelined_requests_of_programs_are_answered_in_order_and_the_last_one_closes(impatient):
    order = f"GET /api/v1/orders HTTP/1.1\r\nX-API-Key: x\r\n{HEAD}"
    numbered = [f"{order}X-Request-ID: number-{n}-of-a-pipeline\r\n" for n in range(20)]
    sent = "\r\n".join(numbered) + "Connection: close\r\n\r\n"
    with connect(impatient) as connection:
        connection.sendall(sent.encode())
        answer = read_all(connection)
    heads = re.findall(rb"HTTP/1\.1 (\d+) [^\r]*\r\n((?:[^\r]+\r\n)+)\r\n", answer)
    assert [int(status) for status, _ in heads] == [401] * 20
    named = [re.findall(rb"x-request-id: (number-\d+)", head) for _, head in heads]
    assert named == [[f"number-{n}".encode()] for n in range(20)]
    lengths = [int(re.findall(rb"content-length: (\d+)", head)[0]) for _, head in heads]
    bodies = re.sub(rb"HTTP/1\.1 (?:[^\r]+\r\n)+\r\n", b"", answer)
    assert sum(lengths) == len(bodies)
    assert [b"connection: close" in head for _, head in heads] == [False] * 19 + [True]
    assert all(b"server: " not in head and b"date: " in head for _, head in heads)


async def test_an_answered_request_is_freed_without_the_collector_of_garbage():
    """A request that refers to itself would wait for the collector, with its body and answer."""
    async with listening(answer_wholly) as (reader, writer):
        gc.collect()
        gc.disable()
        try:
            before = find_requests()
            for _ in range(50):
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await reader.readuntil(b"whole")
            kept = [one for one in find_requests() if one not in before]
        finally:
            gc.enable()
    assert len(kept) <= 2  # the last one, and one whose task is about to end


def find_requests():
    return [one for one in gc.get_objects() if isinstance(one, RequestResponseCycle)]


@pytest.mark.parametrize("sent", ["a\r\nX-Made-Up: b", "a\nX-Made-Up: b", "a\rX-Made-Up: b"])
async def test_a_header_with_more_than_one_line_is_not_sent(sent):
    async def answer(scope, receive, send):
        context = start_request("GET", scope["path"], {}, "")
        await send_response(Response(200, b"whole", {"X-Said": sent}), context, send)

    async with listening(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"Made-Up" not in head


@contextlib.asynccontextmanager
async def listening(application):
    """Yield a connection to an application behind the server's own connections."""
    config = uvicorn.Config(application, http=HttpConnection, lifespan="off", log_level="critical")
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpConnection(config, ServerState(), {}), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()


async def answer_wholly(scope, receive, send):
    context = start_request("GET", scope["path"], {}, "")
    await send_response(Response(200, b"whole"), context, send)


def test_a_program_that_speaks_an_older_http_is_answered_and_closed(impatient):
    with connect(impatient) as connection:
        connection.sendall(f"GET /api/v1/orders HTTP/1.0\r\nX-API-Key: x\r\n{HEAD}\r\n".encode())
        answer = read_all(connection)
    assert read_code(answer) == (401, "invalid_credentials")
    assert b"\r\nconnection: close\r\n" in answer


def test_the_timeout_restarts_with_each_request_of_a_connection(impatient):
    request = f"GET /health HTTP/1.1\r\n{HEAD}\r\n".encode()
    with connect(impatient) as connection:
        for _ in range(4):
            connection.sendall(request)
            answer = connection.recv(65_536)
            while not answer.endswith(b"}"):
                answer += connection.recv(65_536) or pytest.fail("closed")
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.4 * REQUEST_SECONDS)
        connection.sendall(request + b"GET /hea")
        answer = read_all(connection)
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answer)
    assert statuses == [b"200", b"408"]


@pytest.mark.parametrize("begin", ["GET /api/v1/markets HTTP/1.1\r\nX-Long: ", "GET /", "BODY"])
def test_a_head_without_end_costs_no_memory(impatient, begin):
    piece = b"x" * 16_384
    if begin == "BODY":  # the trailers of a body in chunks are headers again
        begin = f"POST /nowhere/ HTTP/1.1\r\n{HEAD}{CHUNKED}\r\n0\r\nX-T: "
    before = read_memory_bytes(impatient)
    with connect(impatient) as connection:
        connection.sendall(begin.encode())
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(ENDLESS_BYTES // len(piece)):
                connection.sendall(piece)
        answer = read_all(connection)
    assert read_memory_bytes(impatient) - before < ENDLESS_BYTES / 4
    if answer:  # it comes too late for one that goes on writing
        assert read_code(answer)[0] in {400, 431}


def read_memory_bytes(exchange):
    pages = Path(f"/proc/{exchange.pid()}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_a_head_that_is_too_large_is_refused_by_name(impatient):
    with connect(impatient) as connection:
        filler = "".join(f"X-{number}: {'y' * 100}\r\n" for number in range(400))
        connection.sendall(f"GET /api/v1/markets HTTP/1.1\r\n{HEAD}{filler}\r\n".encode())
        answer = read_all(connection)
    assert read_code(answer) == (431, "headers_too_large")
    usual = impatient.get("/health", headers={"Cookie": "c=" + "z" * 20_000})
    assert usual.status_code == 200


def test_an_answer_that_is_not_read_is_given_up(impatient):
    name = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(10 * REQUEST_SECONDS)
        connection.connect(("127.0.0.1", impatient.port))
        connection.sendall(f"GET /static/{name} HTTP/1.1\r\n{HEAD}\r\n".encode() * UNREAD)
        time.sleep(3 * REQUEST_SECONDS)
        answer = read_all(connection)
    length = int(re.search(rb"content-length: (\d+)", answer)[1])
    assert len(answer) < UNREAD * length


def test_what_is_no_http_gets_an_error_of_the_api(impatient):
    with connect(impatient) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        answer = read_all(connection)
    assert read_code(answer) == (400, "bad_request")


def test_one_address_can_not_take_every_connection(make_exchange):
    exchange = make_exchange("sqlite", environment={"CONNECTIONS_PER_ADDRESS_MAX": "20"})
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(exchange)) for _ in range(20)]
        with connect(exchange) as late:
            answer = read_all(late)
        assert read_code(answer) == (429, "too_many_connections")
        crowd[0].close()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not exchange.is_ready():
            assert time.monotonic() < deadline
    exchange.manage("verify")


def test_more_idle_connections_than_open_files_lock_no_one_out(make_exchange):
    exchange = make_exchange("sqlite", files_max=FILES)
    with ExitStack() as stack:
        for _ in range(FILES + 50):
            stack.enter_context(connect(exchange))
        assert "Too many open files" not in exchange.log()
        stack.pop_all().close()
        assert exchange.get("/health").status_code == 200
        assert exchange.is_ready()
    exchange.manage("verify")
