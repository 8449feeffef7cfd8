"""The history of a market names the actions, not only the resulting status."""

import pytest
from django.utils import timezone

from markets.lifecycle import record_status
from tests.markets.factories import make_market, make_user
from trading.pages.changes import name_changes

pytestmark = pytest.mark.django_db


def walk(market, *statuses):
    for status in statuses:
        record_status(market, status, by=None, reason="")
    return [
        str(change.name)
        for change in name_changes(market, list(market.status_changes.order_by("-id")))
    ]


def test_an_approval_is_no_creation_and_a_resume_no_opening():
    market = make_market(status="draft")
    market.approved_by, market.approved_at = make_user(operator=True), timezone.now()
    said = walk(market, "proposed", "draft", "proposed", "draft", "open", "halted", "open")
    assert said[:4] == ["Resumed", "Halted", "Opened", "Approved"]
    assert said[4:7] == ["Sent for approval", "Sent back", "Sent for approval"]


def test_what_was_sent_back_and_a_withdrawn_result_are_named():
    market = make_market(status="draft")
    market.approved_at = None
    assert walk(market, "proposed", "draft")[0] == "Sent back"
    said = walk(make_market(status="closed"), "resolving", "closed")
    assert said[:2] == ["Result withdrawn", "Result proposed"]
