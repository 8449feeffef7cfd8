"""The policy row's only writer."""

from django.db import transaction

from accounts.audit import record_audit
from accounts.models import Policy, User
from accounts.policy import forget
from kernel.texts import validate_line

LINES = ("site_name", "currency_name", "currency_symbol")


def do_edit_policy(policy: Policy, *, by: User | None, reason: str = "") -> None:
    """Save an edited policy with an audit event. Raises ValidationError for invalid values."""
    policy.full_clean()
    for name in LINES:
        validate_line(getattr(policy, name))
    with transaction.atomic():
        before = Policy.objects.select_for_update().get(pk=policy.pk)
        policy.save()
        changed = [
            field.name
            for field in Policy._meta.concrete_fields
            if field.name != "updated_at"
            and getattr(before, field.name) != getattr(policy, field.name)
        ]
        record_audit(
            "edit_policy",
            policy,
            by=by,
            before={name: getattr(before, name) for name in changed},
            after={name: getattr(policy, name) for name in changed},
            reason=reason,
        )
    transaction.on_commit(forget)
