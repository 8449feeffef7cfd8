"""What markets are found by: categories, tags, series, events."""

from django.db import models


class Category(models.Model):
    """One shelf of the site: a market stands on at most one."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order of the shelves.")

    class Meta:
        ordering = ("position", "name")
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Series(models.Model):
    """Events that repeat: 'Gold, every 15 minutes'."""

    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.ForeignKey(Category, models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ("title", "id")
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.title


class Event(models.Model):
    """Markets that belong together: 'Election night'."""

    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    series = models.ForeignKey(
        Series, models.SET_NULL, null=True, blank=True, related_name="events"
    )
    category = models.ForeignKey(Category, models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title
