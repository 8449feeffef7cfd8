from datetime import UTC, datetime, timedelta, timezone

from kernel.clock import format_time, from_datetime, now_us, to_datetime


def test_times_are_exact_to_the_microsecond_in_both_directions():
    us = 1_782_907_200_123_457
    assert from_datetime(to_datetime(us)) == us
    assert to_datetime(us).microsecond == 123_457


def test_a_time_is_shown_in_utc_with_six_decimals():
    assert format_time(0) == "1970-01-01T00:00:00.000000Z"
    assert format_time(1_782_907_200_000_001) == "2026-07-01T12:00:00.000001Z"


def test_other_time_zones_are_converted():
    moment = datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert from_datetime(moment) == 1_782_907_200_000_000


def test_now_is_now():
    assert abs(to_datetime(now_us()) - datetime.now(UTC)) < timedelta(seconds=5)
