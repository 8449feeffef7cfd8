"""Bulk statements: what goes in comes out, on both databases, whatever it is made of."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel import bulk
from tests.trading import world
from trading.models import Receipt
from trading.pipeline.tables import RECEIPTS

pytestmark = pytest.mark.django_db

AWKWARD = [
    "", "NULL", "null", "nUlL", " ", "a b", ",", "{", "}", "{}", '"', '""', "\\", "\\\\", "\\x41",
    "'", "%s", "%(x)s", "a,b", "é", "\u0660", "\t", "line\nbreak", "x" * 80,
]  # fmt: skip
BYTES = [b"", b"\0", b"\\", b'"', bytes(range(256))]


def test_every_awkward_text_and_byte_comes_back_as_it_was():
    account = world.make_account()
    rows = [
        (account.id, text, BYTES[index % len(BYTES)], b"x", 2**62 - index)
        for index, text in enumerate(AWKWARD)
    ]
    RECEIPTS.insert(bulk.open_cursor(), rows)
    found = {row.key: row for row in Receipt.objects.filter(account=account)}
    assert found.keys() == set(AWKWARD)
    for _, key, body_hash, _, created_at_us in rows:
        assert bytes(found[key].body_hash) == body_hash
        assert found[key].created_at_us == created_at_us


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80))
def test_any_text_comes_back_as_it_was(text):
    account = world.make_account()
    RECEIPTS.insert(bulk.open_cursor(), [(account.id, text, b"", b"", 1)])
    assert Receipt.objects.get(account=account).key == text


def test_missing_numbers_and_texts_stay_missing():
    assert bulk.array_literal("bigint", [1, None, -3]) == "{1,NULL,-3}"
    assert bulk.array_literal("text", [None, "a"]) == '{NULL,"a"}'
    assert bulk.array_literal("bigint", [None, None]) == "{NULL,NULL}"


def test_a_column_of_equal_values_is_as_long_as_the_others():
    assert bulk.array_literal("text", ["a b", "a b"]) == '{"a b","a b"}'
    assert bulk.array_literal("boolean", [True, True, True]) == "{t,t,t}"
    assert bulk.array_literal("bigint", []) == "{}"


def test_an_update_and_an_addition_touch_the_named_rows_only():
    first, second = world.make_account(), world.make_account()
    from accounts.ledger import BALANCES

    BALANCES.add(bulk.open_cursor(), ("cash_micros",), [(first.id, 5)])
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.cash_micros - 5, second.cash_micros) == (10_000 * world.CREDIT,) * 2
