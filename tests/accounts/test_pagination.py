import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account, InviteCode, Transfer
from kernel.errors import ApiError
from web.pagination import decode_cursor, encode_cursor, paginate

ORDER = ["-uses_max", "id"]


def collect(queryset, order, limit):
    rows: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = paginate(queryset, order=order, cursor=cursor, limit=limit)
        assert len(page.rows) <= limit
        rows += page.rows
        cursor = page.next_cursor
    return rows


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "order", [["id"], ["-id"], ORDER, ["uses_max", "-id"], ["created_at", "id"]]
)
def test_pages_show_every_row_once_in_order(db, limit, order):
    for number in range(7):
        InviteCode.objects.create(code=f"c{number}", uses_max=number % 3)
    expected = list(InviteCode.objects.order_by(*order))
    assert collect(InviteCode.objects.all(), order, limit) == expected


def test_rows_that_come_and_go_between_pages_neither_repeat_nor_hide_others(db):
    codes = [InviteCode.objects.create(code=f"c{number}") for number in range(4)]
    first = paginate(InviteCode.objects.all(), order=["-id"], cursor="", limit=2)
    InviteCode.objects.create(code="newer")
    codes[2].delete()  # the row that the cursor names
    second = paginate(InviteCode.objects.all(), order=["-id"], cursor=first.next_cursor, limit=2)
    assert [row.code for row in second.rows] == ["c1", "c0"]
    assert second.next_cursor is None


def refused(cursor, order=ORDER, queryset=None):
    queryset = InviteCode.objects.all() if queryset is None else queryset
    with pytest.raises(ApiError) as refusal:
        paginate(queryset, order=order, cursor=cursor, limit=5)
    assert (refusal.value.status, refusal.value.code) == (400, "bad_cursor")


def encode(*parts):
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(list(parts))).decode().rstrip("=")


def test_damaged_and_foreign_cursors_are_refused(db):
    good = encode_cursor([1, 2], ORDER)
    tag = ",".join(ORDER)
    for bad in (
        good[:-3],
        good + "A",
        "%",
        "\u00e9",
        encode_cursor([1, 2], ["uses_max", "id"]),
        encode(tag, 1),
        encode(tag, 1, 2**63),
        encode(tag, 1, None),
        encode(tag, 1, 1.5),
        encode(tag, 1, "x"),
        encode(tag, 1, [1]),
        encode(tag, "\x00", 1),
        encode(1, 2),
        encode(),
    ):
        refused(bad)


def test_a_cursor_must_hold_values_of_the_fields_types(db):
    refused(encode_cursor(["x"], ["-id"]), ["-id"], Transfer.objects.all())
    refused(encode_cursor([5], ["kind"]) + "!", ["kind"], Account.objects.all())


@given(st.text(max_size=60))
def test_no_text_breaks_the_decoding(text):
    with pytest.raises(ApiError) as refusal:
        decode_cursor(text or "x", ORDER)
    assert refusal.value.code == "bad_cursor"


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.uuids(version=4))
def test_values_come_back_as_they_were(number, uuid):
    assert decode_cursor(encode_cursor([number, uuid], ORDER), ORDER) == [number, str(uuid)]
