"""Pages' access to the order operations, through the same handler as API calls."""

from collections.abc import Mapping
from typing import Any, cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from msgspec import Struct

from accounts.api.admission import admit_sync
from accounts.api.permissions import get_address
from accounts.api.principal import Principal, principal_of_user
from accounts.models import User
from trading.order_entry.handler import handle
from trading.order_entry.operations import BY_NAME
from trading.pipeline.gateway import give_back_connection
from trading.wire.schema import PlaceOrder, PreviewAnswer


def get_principal(request: HttpRequest) -> Principal:
    """Return the trading principal; AuthError for a stopped user. The view requires a log-in."""
    return principal_of_user(cast("User", request.user))


def send(request: HttpRequest, operation: str, asked: Struct | None = None, **params: str) -> Any:
    """Return the operation's reply, a struct; raise ApiError where it is refused."""
    principal = get_principal(request)
    admit_sync(principal, BY_NAME[operation].bucket, *BY_NAME[operation].scopes)
    return _handle(principal, operation, asked, params)


def preview(request: HttpRequest, order: PlaceOrder) -> PreviewAnswer:
    """Return the order's preview for the viewer, who may have no account yet."""
    if request.user.is_authenticated:
        return send(request, "preview", order)
    admit_sync(None, BY_NAME["preview"].bucket, address=get_address(request))
    return _handle(None, "preview", order, {})


def _handle(
    principal: Principal | None, operation: str, asked: Struct | None, params: Mapping[str, str]
) -> Any:
    give_back_connection()
    return async_to_sync(handle)(principal, operation, asked, params).answer
