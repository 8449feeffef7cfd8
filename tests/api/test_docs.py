"""docs/api.md is the API's promise: its table of codes is the program's, to the last one."""

import re
from string import Formatter

import pytest
from drf_spectacular.generators import SchemaGenerator

from kernel.error_codes import ERROR_CODES, list_api_codes
from tests.api.codes import APPS, find_raised
from tests.exchange import ROOT
from trading.engine.types import ORDER_LOTS_MAX, Reason
from trading.wire.schema import BATCH_ORDERS_MAX

TEXT = (ROOT / "docs" / "api.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_*]+)` \| ([0-9, ]+) \|", TEXT, re.MULTILINE))


BY_THE_TICKET = {"tick", "step"}
"""Put in by `trading.pages.words.explain`."""


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(public=True)


def test_the_table_of_error_codes_is_the_catalogue():
    statuses: dict[str, set[str]] = {}
    for name, said in ERROR_CODES.items():
        if said.message is not None and not name.startswith("unknown_"):
            statuses.setdefault(name.partition(".")[0], set()).add(str(said.status))
    table = {code: set(row.split(", ")) for code, row in ROWS.items()}
    assert {code: row for code, row in table.items() if not code.startswith("unknown_")} == statuses
    assert list(ROWS) == sorted(ROWS)


def test_unknown_things_are_in_one_row_of_the_table():
    named = re.findall(r"`(unknown_[a-z]+)`", TEXT.split("| `unknown_*`")[1].split("\n")[0])
    unknown = {code for code in list_api_codes() if code.startswith("unknown_")}
    assert {*named, "unknown_field"} == unknown


def test_whatever_is_raised_is_in_the_catalogue_with_what_its_texts_name():
    for path, code, field, values in find_raised():
        assert code in ERROR_CODES, (path, code)
        assert " " not in field, (path, code, field)
        texts = [ERROR_CODES[code].message, ERROR_CODES[code].page_text]
        for text in texts if "detail" not in values else texts[1:]:
            named = {name for _, name, _, _ in Formatter().parse(str(text or "")) if name}
            assert named - BY_THE_TICKET <= values, (path, code, text)


def test_whatever_is_in_the_catalogue_can_be_raised():
    source = "".join(
        path.read_text()
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if path.parent.name != "error_codes"
    )
    raised = {name for name in ERROR_CODES if f'"{name}"' in source}
    cases = {f"{name}.order" for name in ("not_found", "timed_out", "missing_field")}
    cases |= {"price_off_tick.number", "price_out_of_range.number"}
    families = {f"unknown_{noun}" for noun in ("category", "tag", "event")}
    assert ERROR_CODES.keys() - raised == cases | families


def test_the_schema_names_every_code_that_can_be_answered(schema):
    named = schema["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    assert named == list_api_codes()


def test_every_reason_of_the_engine_is_a_refusal_or_a_documented_end():
    ends = set(re.findall(r"`([a-z_]+)`", TEXT.split("once it has ended:")[1].split("- `seq`")[0]))
    never_shown = {
        Reason.DUPLICATE_ORDER_ID,
        Reason.ORDER_UNKNOWN,  # shown as not_found
        Reason.CONFIGURATION_INVALID,
        Reason.CONFIGURATION_STALE,
    }
    assert set(Reason) - ends - never_shown <= ERROR_CODES.keys()
    assert ends | never_shown <= set(Reason)


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
    assert f"at most {ORDER_LOTS_MAX // 100:,} c" in str(
        ERROR_CODES["quantity_too_large"].page_text
    )
