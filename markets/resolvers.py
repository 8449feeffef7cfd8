"""Automatic resolvers in words."""

from django.utils.translation import gettext as _

from markets.models import AutomaticResolver


def describe_resolver(resolver: AutomaticResolver) -> str:
    """Say what decides the market."""
    if resolver.source is not None:
        return _("As “%(market)s” is settled") % {"market": resolver.source.title}
    if resolver.kind == AutomaticResolver.Kind.NUMBER:
        values = {"path": resolver.value_path, "url": resolver.url}
        return _("The number is %(path)s at %(url)s") % values
    values = {
        "path": resolver.value_path,
        "url": resolver.url,
        "comparison": resolver.get_comparison_display(),
        "threshold": resolver.threshold or resolver.threshold_path,
    }
    return _("Yes if %(path)s at %(url)s is %(comparison)s %(threshold)s") % values
