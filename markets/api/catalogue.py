"""What groups markets: categories, tags, series and events. Operators keep them, in the admin."""

from collections.abc import Sequence
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.api.base import ApiView
from accounts.api.schemas import page_of
from markets.api import schemas
from markets.models import Category, Event, Series, Tag
from markets.queries import list_shown
from web.pagination import PageQuery, paginate


class CatalogueView(ApiView):
    read_scope = None
    rows: ClassVar[QuerySet]
    order: ClassVar[Sequence[str]]
    shown: ClassVar[type[Serializer]]

    def get(self, request: Request) -> Response:
        page = paginate(self.list_rows(), order=self.order, **self.read_query(PageQuery))
        return Response(page.to_json(self.shown().to_representation))

    def list_rows(self) -> QuerySet:
        return list_shown(self.rows.all(), self.request.user)


@extend_schema(parameters=[PageQuery], responses=page_of(schemas.ShownCategory))
class CategoriesView(CatalogueView):
    """List the categories in the site's order."""

    rows = Category.objects.all()
    order = ("position", "name")
    shown = schemas.ShownCategory

    def list_rows(self) -> QuerySet:
        return self.rows.all()  # all of the site's categories, including empty ones


@extend_schema(parameters=[PageQuery], responses=page_of(schemas.ShownTag))
class TagsView(CatalogueView):
    rows = Tag.objects.all()
    order = ("name",)
    shown = schemas.ShownTag


@extend_schema(parameters=[PageQuery], responses=page_of(schemas.ShownSeries))
class SeriesView(CatalogueView):
    rows = Series.objects.select_related("category")
    order = ("slug",)
    shown = schemas.ShownSeries


@extend_schema(parameters=[PageQuery], responses=page_of(schemas.ShownEvent))
class EventsView(CatalogueView):
    rows = Event.objects.select_related("category", "series")
    order = ("slug",)
    shown = schemas.ShownEvent
