import os
import threading
import time
import uuid

import pytest

from kernel import ids
from kernel.ids import check_id, new_id, new_uuid


def test_ids_are_version_7_with_the_rfc_variant():
    value = new_uuid()
    assert value.version == 7
    assert value.variant == uuid.RFC_4122


def test_ids_sort_by_the_time_they_were_made():
    earlier = new_id()
    time.sleep(0.001)
    assert earlier < new_id()


def test_an_id_contains_its_millisecond():
    before = time.time_ns() // 1_000_000
    assert before <= int(new_id(), 16) >> 80 <= time.time_ns() // 1_000_000


def test_ids_are_unique_when_the_clock_stops(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_id() for _ in range(5_000)}) == 5_000


def test_threads_never_share_an_id():
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend(new_id() for _ in range(3_000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12_000


def test_a_forked_child_makes_other_ids_than_its_parent(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 36).decode() != new_id()


def test_an_id_is_32_hex_digits_and_reads_back_with_or_without_dashes():
    value = new_id()
    assert len(value) == 32
    assert check_id(value) == value
    assert check_id(str(uuid.UUID(value)).upper()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "x" * 36,
        "0" * 31,
        "0" * 33,
        "{" + "0" * 36 + "}",
        "0190000G-0000-7000-8000-000000000000",
        "01900000-00007000-8000-000000000000",
        "\uff101900000-0000-7000-8000-00000000000",
    ],
)
def test_texts_that_are_no_id_are_refused(text):
    with pytest.raises(ValueError, match="not an id"):
        check_id(text)
