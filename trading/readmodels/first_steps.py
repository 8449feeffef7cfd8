"""A superuser's first steps, on a site where no market was ever opened."""

from typing import Any, NamedTuple

from allauth.mfa.utils import is_mfa_enabled
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, User
from markets.models import PUBLIC_STATUSES, Category, Market


class Step(NamedTuple):
    title: Any
    detail: Any
    url: str
    is_done: bool


def list_first_steps(user: User) -> list[Step]:
    """Return the steps in order; none for other operators, or once a market was opened."""
    if not user.is_superuser or Market.objects.filter(status__in=PUBLIC_STATUSES).exists():
        return []
    draft = Market.objects.order_by("-pk").only("slug").first()
    return [
        Step(
            _("Protect your log-in"),
            _("With an authenticator app, a passkey or a security key."),
            reverse("mfa_index"),
            is_mfa_enabled(user),
        ),
        Step(
            _("Name the site and choose who can join"),
            _("Name, colour and currency; who signs up, and what they start with."),
            reverse("admin:accounts_policy_change", args=[1]),
            AuditEvent.objects.filter(action="edit_policy").exists(),
        ),
        Step(
            _("Create categories"),
            _("They help people find markets; a handful is enough."),
            reverse("admin:markets_category_changelist"),
            Category.objects.exists(),
        ),
        Step(
            _("Invite people"),
            _("With invitation codes, or with open sign-up by sharing the site's address."),
            reverse("admin:accounts_invitecode_add"),
            User.objects.exclude(pk=user.pk).exists(),
        ),
        Step(
            _("Create a market"),
            _("A question, its rules and its close; or many from a CSV file."),
            reverse("create_market"),
            draft is not None,
        ),
        Step(
            _("Open it"),
            _("On the market's page: from then on people trade."),
            reverse("admin:markets_market_changelist")
            if draft is None
            else reverse("market", args=[draft.slug]),
            False,
        ),
    ]
