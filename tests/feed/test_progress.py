"""Detecting lost messages from what engines and the database announce."""

from trading.feed.progress import LATE_SECONDS, Progress


def test_publications_in_order_leave_no_gap() -> None:
    progress = Progress()
    assert progress.follow(1, 0, 3)
    assert progress.follow(1, 3, 4)
    assert progress.follow(2, 7, 9)


def test_a_publication_that_starts_later_shows_a_gap() -> None:
    progress = Progress()
    progress.follow(1, 0, 3)
    assert not progress.follow(1, 4, 5)
    assert progress.follow(1, 5, 6)


def test_a_repeated_publication_is_no_gap() -> None:
    progress = Progress()
    progress.follow(1, 0, 3)
    progress.follow(1, 3, 5)
    assert progress.follow(1, 3, 5)
    assert progress.follow(1, 5, 6)


def test_what_is_announced_and_comes_in_time_is_not_late() -> None:
    progress = Progress()
    progress.follow(1, 0, 3)
    progress.announce({1: 5}, now=10.0)
    progress.follow(1, 3, 5)
    assert progress.find_late(10.0 + LATE_SECONDS) == []


def test_what_is_announced_and_never_comes_is_late_once() -> None:
    progress = Progress()
    progress.follow(1, 0, 3)
    progress.announce({1: 5, 2: 9}, now=10.0)
    assert progress.find_late(10.0 + LATE_SECONDS / 2) == []
    progress.announce({1: 6, 2: 9}, now=10.0 + LATE_SECONDS / 2)
    assert progress.find_late(10.0 + LATE_SECONDS) == [1]
    assert progress.find_late(99.0) == []


def test_a_busy_market_that_is_always_a_little_behind_is_not_late() -> None:
    progress, now = Progress(), 0.0
    progress.follow(1, 0, 1)
    for seq in range(1, 100):
        progress.announce({1: seq + 5}, now=now)
        progress.follow(1, seq, seq + 1)
        assert progress.find_late(now) == []
        now += LATE_SECONDS / 10


def test_the_first_heartbeat_only_sets_a_markets_sequence_number() -> None:
    progress = Progress()
    progress.announce({1: 50}, now=0.0)
    assert progress.find_late(99.0) == []
    assert progress.follow(1, 49, 50)
    assert not progress.follow(1, 51, 52)


def test_a_new_epoch_is_noticed_after_the_first_one() -> None:
    progress = Progress()
    assert not progress.hear(0, 5, now=0.0)
    assert not progress.hear(0, 5, now=0.2)
    assert progress.hear(0, 6, now=0.4)
    assert not progress.hear(0, 5, now=0.5), "a former owner's last beat"
    assert not progress.hear(0, 6, now=0.6)


def test_engines_count_as_alive_when_all_shards_send_heartbeats() -> None:
    progress = Progress()
    progress.hear(0, 1, now=10.0)
    assert progress.is_heard(1, 11.0, within_seconds=1.5)
    assert not progress.is_heard(2, 11.0, within_seconds=1.5)
    progress.hear(1, 1, now=11.0)
    assert progress.is_heard(2, 11.0, within_seconds=1.5)
    assert not progress.is_heard(2, 12.0, within_seconds=1.5)


def test_a_market_that_was_read_has_the_sequence_number_of_the_read() -> None:
    progress = Progress()
    progress.stand(1, 4)
    progress.announce({1: 5}, now=0.0)
    assert progress.find_late(LATE_SECONDS) == [1]
