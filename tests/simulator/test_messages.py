"""Venues' messages become the operations that were derived from them by others."""

import gzip
import json
import sys

import pytest

from simulator.recordings.messages import RecordingError, build_operations, read_changes
from simulator.recordings.recording import Recording
from simulator.recordings.session import read_session
from tests.engine.test_recordings import WINDOWS


def list_operations(operations):
    return [tuple(row)[2:] for row in operations if row.kind != "init"]


@pytest.mark.parametrize("window", WINDOWS[:6])
def test_recorded_messages_become_the_derived_operations(data_dir, window):
    folder = data_dir / "kalshi_gold15m"
    [path] = (folder / "events" / window).iterdir()
    name, changes = read_changes(path)
    derived = list(Recording(folder / f"derived/{window}.ops.csv.gz").operations())
    assert name == window
    assert list_operations(build_operations(changes)) == list_operations(derived)


def test_a_session_has_its_record_and_begins_at_0(data_dir):
    [path] = (data_dir / "kalshi_gold15m/events" / WINDOWS[0]).iterdir()
    session = read_session(path)
    assert session.title.startswith("Gold price up")
    assert session.payout_pips == [10_000, 0]
    assert (session.tick_pips, session.times_ms[0]) == (100, 0)
    assert session.times_ms == sorted(session.times_ms)
    assert 800_000 < session.times_ms[-1] < 900_000


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def list_rows(path, market=""):
    name, changes = read_changes(path, market)
    return name, [tuple(row)[2:] for row in build_operations(changes)]


def test_messages_of_polymarket_are_read(tmp_path):
    asset = {"asset_id": "71", "market": "0xbd"}
    change = {"asset_id": "71", "price": "0.485", "size": "10", "side": "BUY"}
    path = write(
        tmp_path / "book.jsonl",
        {
            **asset, "event_type": "book", "timestamp": "1000",
            "bids": [{"price": "0.48", "size": "30"}], "asks": [{"price": "0.52", "size": "25"}],
        },
        {"event_type": "price_change", "timestamp": "2000", "price_changes": [change]},
        {**asset, "event_type": "price_change", "timestamp": "3000",
         "changes": [{"price": "0.52", "size": "5", "side": "SELL"}]},
        {**asset, "event_type": "last_trade_price", "timestamp": "3000", "price": "0.52",
         "size": "20", "side": "BUY"},
    )  # fmt: skip
    assert list_rows(path) == (
        "71",
        [
            ("reset", "", 0, 0),
            ("init", "no", 4_800, 2_500),
            ("init", "yes", 4_800, 3_000),
            ("place", "yes", 4_850, 1_000),
            ("take", "no", 4_800, 2_000),
        ],
    )
    assert read_session(path, result="no").tick_pips == 50


def test_a_recording_of_both_tokens_is_played_by_the_one_that_is_named(tmp_path):
    both = [
        {"asset_id": "71", "price": "0.48", "size": "10", "side": "BUY"},
        {"asset_id": "72", "price": "0.52", "size": "10", "side": "SELL"},
    ]
    message = {"event_type": "price_change", "timestamp": "2000", "price_changes": both}
    path = write(tmp_path / "both.jsonl", message)
    assert list_rows(path, "71") == ("71", [("place", "yes", 4_800, 1_000)])
    assert list_rows(path, "72") == ("72", [("place", "no", 4_800, 1_000)])
    with pytest.raises(RecordingError, match="choose one, such as --market 71 or --market 72"):
        list_rows(path)
    with pytest.raises(RecordingError, match="it has no messages of 73"):
        read_session(path, market="73")


def list_pmxt_rows(market_id="0xbd"):
    body = {"market_id": market_id, "token_id": "71", "side": "YES", "timestamp": 1.5}
    snapshot = {**body, "bids": [["0.48", "30"]], "asks": []}
    change = {**body, "change_price": "0.48", "change_size": "12", "change_side": "BUY"}
    return [
        {"market_id": market_id, "update_type": kind, "data": json.dumps(data)}
        for kind, data in (
            ("book_snapshot", snapshot),
            ("book_snapshot", {**snapshot, "side": "NO"}),
            ("price_change", change),
        )
    ]


PMXT_OPERATIONS = [
    ("reset", "", 0, 0),
    ("init", "yes", 4_800, 3_000),
    ("cancel", "yes", 4_800, 1_800),
]


def test_rows_of_pmxt_s_archive_are_read_and_those_of_no_left_out(tmp_path):
    path = write(tmp_path / "pmxt.jsonl", *list_pmxt_rows())
    assert list_rows(path) == ("0xbd", PMXT_OPERATIONS)


def write_parquet(path, rows, without=()):
    """Write a table as PMXT does: its columns, types and compression."""
    import pyarrow
    from pyarrow import parquet

    received = pyarrow.timestamp("ms", tz="UTC")
    schema = pyarrow.schema(
        [
            ("timestamp_received", received),
            ("timestamp_created_at", received),
            *((name, pyarrow.string()) for name in ("market_id", "update_type", "data")),
        ]
    )
    table = pyarrow.Table.from_pylist(
        [{"timestamp_received": 1_500, "timestamp_created_at": 1_400, **row} for row in rows],
        schema=schema,
    )
    parquet.write_table(table.drop_columns(list(without)), path, compression="zstd")
    return path


def test_an_hour_of_pmxt_s_archive_is_played_by_the_market_that_is_named(tmp_path):
    rows = zip(list_pmxt_rows(), list_pmxt_rows("0xce"), strict=True)
    path = write_parquet(tmp_path / "hour.parquet", [row for pair in rows for row in pair])
    assert list_rows(path, "0xce") == ("0xce", PMXT_OPERATIONS)
    with pytest.raises(RecordingError, match="--market 0xbd or --market 0xce"):
        list_rows(path)
    alone = write_parquet(tmp_path / "one.parquet", list_pmxt_rows())
    assert list_rows(alone) == ("0xbd", PMXT_OPERATIONS)
    assert read_session(alone, result="yes").times_ms == [0, 0, 0]


def test_what_is_no_parquet_of_pmxt_s_is_refused_with_a_sentence(tmp_path):
    other = write_parquet(tmp_path / "x.parquet", list_pmxt_rows(), without=["data"])
    with pytest.raises(RecordingError, match="has the columns data too"):
        read_session(other)
    other.write_bytes(b"PAR1 and no more")
    with pytest.raises(RecordingError, match=r"x\.parquet is no recorded session"):
        read_session(other)


def test_parquet_without_pyarrow_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match="pip install pyarrow"):
        read_session(tmp_path / "x.parquet")


DELTA = (
    '{"type": "orderbook_delta", "msg": {"market_ticker": "A", "price_dollars": "%s",'
    ' "delta_fp": "5", "side": "%s", "ts_ms": 1}}'
)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("{", "line 1: not JSON"),
        ("", "it has no messages of any market"),
        ('{"type": "orderbook_delta", "msg": {"market_ticker": "A"}}', "cannot read this message"),
        ('["x"]', "cannot read this message"),
        ('{"update_type": "x", "data": "{}"}', "cannot read this message"),
        (DELTA % ("1.5", "yes"), "can't be played"),
        (DELTA % ("0.5", "maybe"), "can't be played"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_sentence(tmp_path, lines, says):
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(gzip.compress(lines.encode()))
    with pytest.raises(RecordingError, match=says):
        read_session(path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("0,1,dance,yes,41,100", "dance.* can't be played"),
        ("0,soon,place,yes,41,100", "soon"),
        ("0,1,place,yes,41", "not enough values"),
    ],
)
def test_operations_that_can_t_be_played_are_refused_before_anything_is(tmp_path, row, says):
    path = tmp_path / "W.ops.csv.gz"
    path.write_bytes(gzip.compress(f"i,ts_ms,op,side,price_cents,qty_hundredths\n{row}\n".encode()))
    expected = {"window": "W", "volume_hundredths": 0, "sweep_sha256": "", "checkpoints": []}
    (tmp_path / "W.expect.json").write_text(json.dumps({**expected, "closing_book": {}}))
    with pytest.raises(RecordingError, match=says):
        read_session(path)


def test_a_file_that_was_cut_short_is_refused(tmp_path):
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(gzip.compress((DELTA % ("0.5", "yes")).encode())[:-12])
    with pytest.raises(RecordingError, match="is no recorded session: EOFError"):
        read_session(path)
