"""What is read from other servers never leads into the exchange's own network."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from web import outbound
from web.outbound import OutboundError, OutboundRefusedError, fetch, is_public


@contextmanager
def answering(data, *, pause=0.0):
    """A server that answers each connection with these bytes, with a pause after each piece."""
    server = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65_536))
                try:
                    for piece in data:
                        connection.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def ok(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
def trusted(settings):
    settings.RESOLVER_TRUSTED_HOSTS = ["127.0.0.1"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_addresses_are_known_however_they_are_written(address):
    assert not is_public(address)


def test_public_addresses_are_public():
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://2130706433/",
        "https://0x7f.1/", "https://127.1/", "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/", "http://example.org/", "ftp://example.org/",
        "https://a:b@example.org/", "https:///x", "https://example.org:99999/", "https://a b/",
    ],
)  # fmt: skip
def test_addresses_that_lead_inside_or_are_not_https_are_refused(url):
    with pytest.raises(OutboundRefusedError):
        fetch(url)


def test_a_name_is_resolved_once_and_each_of_its_addresses_is_checked(monkeypatch):
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("1.1.1.1", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OutboundRefusedError):
        fetch("https://two-faced.example.org/")
    assert asked == ["two-faced.example.org"]


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    gone_to = []

    def create_connection(address, timeout):
        gone_to.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("1.1.1.1", 443))])
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(OutboundError):
        fetch("https://example.org/")
    assert gone_to == [("1.1.1.1", 443)]


@pytest.mark.parametrize("target", ["https://localhost/", "http://[::1]:1/", "//10.0.0.1/x"])
def test_a_redirect_into_the_network_is_refused(trusted, target):
    head = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    with answering([head]) as (url, _), pytest.raises(OutboundRefusedError):
        fetch(url)


def test_redirects_are_followed_a_few_times(trusted):
    head = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    with answering([head]) as (url, asked), pytest.raises(OutboundError, match="redirects"):
        fetch(url)
    assert len(asked) == outbound.REDIRECTS_MAX + 1
    assert asked[1].startswith(b"GET /again ")


def test_a_trusted_host_is_read_with_path_query_and_host(trusted):
    with answering([ok(b"{}")]) as (url, asked):
        assert fetch(f"{url}a/b?c=d#e") == b"{}"
    assert asked[0].startswith(b"GET /a/b?c=d HTTP/1.1\r\n")
    assert f"Host: {url.split('/')[2]}".encode() in asked[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"],
        [b"nonsense\r\n\r\n"],
        [b""],
        [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n", *([b"x" * 65_536] * 5)],
    ],
)
def test_faults_of_a_server_are_said_as_one_kind_of_error(trusted, pieces):
    with answering(pieces) as (url, _), pytest.raises(OutboundError):
        fetch(url)


def test_a_server_that_drips_is_hung_up_on(trusted):
    drip = [b"HTTP/1.1 200 OK\r\n\r\n", *([b"x"] * 100)]
    began = time.monotonic()
    with answering(drip, pause=0.05) as (url, _), pytest.raises(OutboundError):
        fetch(url, seconds_max=0.3)
    assert time.monotonic() - began < 2
