"""docs/api.md is the API's promise: its table of codes is the program's, to the last one."""

import re

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.api.codes import find_codes, find_passed_on
from tests.exchange import ROOT
from trading.engine.types import ORDER_LOTS_MAX, Reason
from trading.wire.refusals import REFUSALS
from trading.wire.schema import BATCH_ORDERS_MAX

TEXT = (ROOT / "docs" / "api.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_*]+)` \| ([0-9, ]+) \|", TEXT, re.MULTILINE))


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(public=True)


def test_the_table_of_error_codes_is_the_programs():
    codes = find_codes()
    assert codes - ROWS.keys() == set(), "in the program, not in docs/api.md"
    assert ROWS.keys() - codes == set(), "in docs/api.md, not in the program"


# A code that was given a name where it was made, or in one of the tables that `find_codes` reads.
PASSED_ON = {
    ("accounts/actions/users.py", "error.code or 'bad_handle'"),
    ("web/errors.py", "code"),
    ("web/fields.py", "error.code"),
    ("accounts/forms.py", "refusal.code"),
    ("accounts/idempotency.py", "answer['code']"),
    ("accounts/middleware.py", "code"),
    ("accounts/models/user.py", "refusal.code"),
    ("accounts/numbers.py", "AMBIGUOUS"),  # of pages: the API's numbers are plain
    ("kernel/texts.py", "_CODE"),
    ("trading/wire/reading.py", "code"),
    ("trading/wire/reading.py", "fault.code"),
    ("trading/wire/refusals.py", "answer.status"),
    ("trading/wire/refusals.py", "reason"),
    ("trading/pipeline/instruments.py", "refusal.code"),
    ("trading/feed/socket.py", "fault.code"),
    ("predex/order_app.py", "*PAGE_ERRORS[500]"),
}


def test_no_code_is_hidden_from_the_table():
    assert find_passed_on() <= PASSED_ON


def test_the_schema_names_every_code_that_can_be_answered(schema):
    named = schema["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    unknown = re.findall(r"`(unknown_[a-z]+)`", TEXT.split("| `unknown_*`")[1].split("\n")[0])
    codes = find_codes() - {"unknown_*"} | set(unknown)
    assert set(named) == codes
    assert named == sorted(named)


def test_the_table_is_sorted_and_names_the_statuses_of_refused_orders():
    assert list(ROWS) == sorted(ROWS)
    for reason, refusal in REFUSALS.items():
        assert ROWS[reason] == str(refusal.status), reason


def test_every_reason_of_the_engine_is_a_refusal_or_a_documented_end():
    ends = set(re.findall(r"`([a-z_]+)`", TEXT.split("once it has ended:")[1].split("- `seq`")[0]))
    never_shown = {
        Reason.DUPLICATE_ORDER_ID,
        Reason.ORDER_UNKNOWN,  # shown as not_found
        Reason.CONFIGURATION_INVALID,
        Reason.CONFIGURATION_STALE,
    }
    assert {*ends, *REFUSALS, *never_shown} == set(Reason)


def test_the_codes_with_an_unknown_outcome_are_named_and_all_others_changed_nothing():
    promise = TEXT.split("outcome is *unknown*:")[1].split("as when no answer")[0]
    unknown = set(re.findall(r"`([a-z_]+)`", promise))
    server_faults = {code for code, status in ROWS.items() if status.startswith("5")}
    nothing_done = {"engine_away", "overloaded", "maintenance", "account_busy", "clock_wrong"}
    assert server_faults - unknown == nothing_done
    assert unknown <= server_faults


def test_the_bounds_that_are_named_are_the_programs():
    assert f"places 1 to {BATCH_ORDERS_MAX} orders" in TEXT
    assert f"at most {ORDER_LOTS_MAX // 100:,} contracts" in TEXT
