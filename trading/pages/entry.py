"""The door of pages to the order operations: what a form says goes the way of every API call.

It takes the same tokens and asks the same questions as door one, and calls the one handler.
"""

from collections.abc import Mapping
from typing import Any, cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest

from accounts.api.permissions import get_address
from accounts.api.principal import Principal, principal_of_user, require_scope
from accounts.models import User
from accounts.policy import get_policy
from trading.api.operations import BY_NAME, WRITE
from trading.pipeline.gateway import give_back_connection
from trading.pipeline.order_entry import handle
from web import limits


def get_principal(request: HttpRequest) -> Principal:
    """Return who trades; AuthError for a stopped user. The view asks for a log-in."""
    return principal_of_user(cast("User", request.user))


def carry_out(request: HttpRequest, operation: str, body: bytes = b"", **params: str) -> bytes:
    """Return the answer's JSON; raise ApiError where the operation is refused."""
    principal = get_principal(request)
    scope = BY_NAME[operation].scope
    assert scope is not None, "what anybody may ask is read, not carried out"
    require_scope(principal, scope)
    wait_seconds = limits.take_sync(principal.account_id, WRITE, principal.write_rate)
    limits.refuse_over_limit(wait_seconds)
    return _handle(principal, operation, body, params)


def preview(request: HttpRequest, body: bytes) -> bytes:
    """Return the preview's JSON: for the viewer's account, or for a stranger, who has none yet."""
    if request.user.is_authenticated:
        return carry_out(request, "preview", body)
    rate = limits.Rate(*get_policy().rate_limits["anonymous"][WRITE])
    limits.refuse_over_limit(limits.take_sync(f"address:{get_address(request)}", WRITE, rate))
    return _handle(None, "preview", body, {})


def _handle(
    principal: Principal | None, operation: str, body: bytes, params: Mapping[str, str]
) -> bytes:
    give_back_connection()
    answer: Any = async_to_sync(handle)(principal, operation, body, params)
    return bytes(answer.body)
