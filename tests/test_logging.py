"""Logs: one JSON object per line in production, and each line of a request carries its id."""

import json
import logging

import pytest
import structlog

from predex.logging import RequestFormatter, build_logging
from web.request_context import RequestLine


@pytest.fixture
def format_line():
    def format_line(record: logging.LogRecord, *, readable: bool = False) -> str:
        wanted = build_logging(readable=readable, level="INFO")["formatters"]["structured"]
        keywords = {name: value for name, value in wanted.items() if name != "()"}
        return structlog.stdlib.ProcessorFormatter(**keywords).format(record)

    return format_line


@pytest.fixture
def record():
    return logging.LogRecord("trading", logging.WARNING, "x.py", 1, "lag %s ms", (7,), None)


def test_a_line_of_production_is_json_with_time_level_and_logger(format_line, record):
    line = json.loads(format_line(record))
    assert line["event"] == "lag 7 ms"
    assert line["level"] == "warning"
    assert line["logger"] == "trading"
    assert line["timestamp"].endswith("Z")


def test_a_line_carries_what_is_bound_to_the_request(format_line, record):
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        assert json.loads(format_line(record))["request_id"] == "abc"


def test_a_line_of_development_is_plain_text(format_line, record):
    line = format_line(record, readable=True)
    assert "lag 7 ms" in line
    assert not line.startswith("{")


def test_a_value_that_json_does_not_know_never_breaks_the_log(format_line, record):
    record.thing = object()
    assert json.loads(format_line(record))["thing"].startswith("<object")


@pytest.mark.django_db
def test_a_line_written_while_a_request_runs_carries_its_id(client, monkeypatch):
    bound = structlog.contextvars.get_contextvars
    monkeypatch.setattr("predex.health.check_shards", lambda: {"ok": True, "bound": bound()})
    body = client.get("/ready", headers={"X-Request-ID": "caller-0001"}).json()
    assert body["shards"]["bound"]["request_id"] == "caller-0001"
    assert "request_id" not in bound()


@pytest.mark.parametrize("readable", [False, True])
def test_a_request_is_one_line_with_its_id(readable):
    moment = "2026-01-01T00:00:00.000000Z"
    line = RequestLine(moment, "abc12345", "GET", "/x", 404, "not_found", 1.5, "127.0.0.1", None)
    record = logging.LogRecord("predex.request", logging.INFO, "x.py", 1, line, None, None)
    text = RequestFormatter(readable=readable).format(record)
    assert "\n" not in text
    assert all(part in text for part in ("abc12345", "GET", "/x", "404", "not_found", "1.5"))
    assert readable or json.loads(text)["event"] == "request"
