"""What tests of results look at, and what they set: cash, status, policy, the dispute window."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import policy
from accounts.models import Account, Policy
from kernel.errors import RefusedError
from markets.models import Market, Resolution
from trading.verify import check_everything


def cash(account):
    return Account.objects.get(pk=account.pk).cash_micros


def status_of(market):
    return Market.objects.get(pk=market.pk).status


def refuse(code, act, *arguments, **options):
    with pytest.raises(RefusedError) as refusal:
        act(*arguments, **options)
    assert refusal.value.code == code


def set_policy(**fields):
    Policy.objects.update(**fields)
    policy.forget()


def end_window(market):
    """Let the dispute window pass."""
    past = timezone.now() - timedelta(seconds=1)
    Resolution.objects.filter(market=market, withdrawn_at=None).update(
        proposed_at=past, final_at=past
    )


def breaches():
    """What `verify` finds broken."""
    return [finding for finding in check_everything() if finding.breaches]
