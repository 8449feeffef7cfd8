"""The catalogue of markets: categories, tags, series, events."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Category(models.Model):
    """A category of the site; a market has at most one."""

    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(
        pgettext_lazy("in an order", "position"), default=0, help_text=_("Order of the shelves.")
    )

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        verbose_name = pgettext_lazy("of a market", "tag")
        verbose_name_plural = pgettext_lazy("of a market", "tags")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Series(models.Model):
    """Recurring events: 'Gold, every 15 minutes'."""

    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=80, unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    category = models.ForeignKey(
        Category, models.SET_NULL, verbose_name=_("category"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("series")
        verbose_name_plural = pgettext_lazy("several", "series")
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title


class Event(models.Model):
    """Markets that belong together: 'Election night'."""

    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=80, unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    series = models.ForeignKey(
        Series,
        models.SET_NULL,
        verbose_name=_("series"),
        null=True,
        blank=True,
        related_name="events",
    )
    category = models.ForeignKey(
        Category, models.SET_NULL, verbose_name=_("category"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title
