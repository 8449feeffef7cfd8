"""The state of the whole exchange: halted, in maintenance, its announcement."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import record_audit
from accounts.models import User
from kernel.errors import ApiError
from kernel.texts import check_text
from markets.models import Exchange


def check_not_in_maintenance() -> None:
    """Refuse every write while the exchange is read-only."""
    if Exchange.objects.filter(maintenance=True).exists():
        raise in_maintenance()


def in_maintenance() -> ApiError:
    return ApiError("maintenance", retry_after_seconds=30)


def do_edit_exchange(exchange: Exchange, *, by: User, reason: str = "") -> Exchange:
    """Save the edited state of the exchange, with an audit event of the changes."""
    check_text(exchange.announcement, "announcement")
    names = ("trading_halted", "maintenance", "announcement")
    with transaction.atomic():
        before = Exchange.objects.select_for_update().get(pk=exchange.pk)
        changed = [name for name in names if getattr(before, name) != getattr(exchange, name)]
        exchange.updated_at = timezone.now()
        exchange.save()
        record_audit(
            "edit_exchange",
            exchange,
            by=by,
            before={name: getattr(before, name) for name in changed},
            after={name: getattr(exchange, name) for name in changed},
            reason=reason,
        )
    return exchange
