"""Markets named on the command line."""

from collections.abc import Sequence

from django.core.management.base import CommandError

from markets.models import Market


def find_market_ids(slugs: Sequence[str]) -> list[int]:
    """Return the ids of the markets with these slugs in order; of all markets without slugs."""
    if not slugs:
        return list(Market.objects.order_by("pk").values_list("pk", flat=True))
    ids = dict(Market.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    unknown = [slug for slug in slugs if slug not in ids]
    if unknown:
        raise CommandError(f"there is no market {', '.join(unknown)}")
    return [ids[slug] for slug in slugs]
