"""docs/api.md is the API's promise: its table of codes is the program's, to the last one."""

import re

from tests.api.codes import find_codes
from tests.exchange import ROOT
from trading.api.refusals import REFUSALS
from trading.api.schema import BATCH_ORDERS_MAX
from trading.engine.types import ORDER_LOTS_MAX, Reason

TEXT = (ROOT / "docs" / "api.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_*]+)` \| ([0-9, ]+) \|", TEXT, re.MULTILINE))


def test_the_table_of_error_codes_is_the_programs():
    codes = find_codes()
    assert codes - ROWS.keys() == set(), "in the program, not in docs/api.md"
    assert ROWS.keys() - codes == set(), "in docs/api.md, not in the program"


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
    assert server_faults - unknown == {"engine_away", "overloaded", "maintenance"}  # nothing sent
    assert unknown <= server_faults


def test_the_bounds_that_are_named_are_the_programs():
    assert f"places 1 to {BATCH_ORDERS_MAX} orders" in TEXT
    assert f"at most {ORDER_LOTS_MAX // 100:,} contracts" in TEXT
