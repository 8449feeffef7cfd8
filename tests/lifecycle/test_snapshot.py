"""Several reads of one moment, while others write."""

from threading import Thread

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from markets.models import Tag
from tests.trading import world
from trading.pipeline.snapshot import consistent_read
from trading.verify import check_everything

pytestmark = pytest.mark.django_db(transaction=True)


def add_tag(slug):
    """Add a tag in a thread, and so on a connection, of its own."""

    def add():
        Tag.objects.create(slug=slug, name=slug)
        connection.close()

    thread = Thread(target=add)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "a reader must not keep a writer waiting"


def test_what_is_written_meanwhile_is_not_seen_and_not_kept_waiting():
    with consistent_read():
        assert Tag.objects.count() == 0
        add_tag("first")
        assert Tag.objects.count() == 0
    assert Tag.objects.count() == 1


def test_reading_ends_with_what_went_wrong_inside():
    with pytest.raises(ValueError, match="inside"), consistent_read():
        raise ValueError("inside")
    with transaction.atomic():
        add_here = Tag.objects.create(slug="second", name="second")
    assert Tag.objects.get() == add_here


def test_nothing_is_written_by_a_reader():
    def write():
        with consistent_read():
            Tag.objects.create(slug="third", name="third")

    if connection.vendor == "postgresql":
        with pytest.raises(DatabaseError):
            write()
    else:
        write()  # taken back at the end
    assert not Tag.objects.exists()


def test_verify_and_replay_run_on_connections_of_their_own():
    market = world.make_market()
    world.open_market(world.own_shard(), market)
    assert not [finding for finding in check_everything() if finding.breaches]
    call_command("verify", market.slug)
    call_command("replay")
