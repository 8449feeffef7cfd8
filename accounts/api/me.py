"""Who I am, what I may use: profile, API keys, limits."""

import uuid
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actions import (
    do_change_profile,
    do_create_api_key,
    do_delete_user,
    do_revoke_api_key,
)
from accounts.api import schemas
from accounts.api.admission import find_bucket
from accounts.api.base import ApiView
from accounts.api.permissions import check_recent_log_in, get_address
from accounts.api.principal import Principal, act_for_sync, list_account_ids
from accounts.models import Account, ApiKey, User
from kernel.errors import RefusedError, not_found
from web import limits
from web.pagination import PageQuery, paginate


class MeView(ApiView):
    @extend_schema(responses=schemas.ShownUser)
    def get(self, request: Request) -> Response:
        return Response(_show_user(self.user, self.principal))

    @extend_schema(request=schemas.Profile, responses=schemas.ShownUser)
    def patch(self, request: Request) -> Response:
        display_name = self.read_body(schemas.Profile)["display_name"]
        user = do_change_profile(self.principal.user_id, display_name=display_name)
        return Response(_show_user(user, self.principal))

    @extend_schema(request=schemas.Deletion, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Delete the user for good: orders are cancelled, what is personal is wiped.

        Positions are still settled; what they pay, and the credits left, stay on the closed
        account.
        """
        password = self.read_body(schemas.Deletion)["password"]
        limits.check_attempt("log_in", address=get_address(request), account=self.user.email)
        if not self.user.check_password(password):
            raise RefusedError("wrong_password", "password")
        do_delete_user(User.objects.get(pk=self.user.pk))
        return Response(status=204)


class KeysView(ApiView):
    @extend_schema(parameters=[PageQuery], responses=schemas.page_of(schemas.ShownKey))
    def get(self, request: Request) -> Response:
        """List the keys of own accounts, newest first; never their secrets."""
        query = self.read_query(PageQuery)
        keys = ApiKey.objects.filter(account__in=list_account_ids(self.principal))
        keys = keys.select_related("account")
        page = paginate(keys, order=["-id"], **query)
        return Response(page.to_json(lambda key: schemas.ShownKey(key).data))

    @extend_schema(request=schemas.NewKeyOfAccount, responses={201: schemas.ShownNewKey})
    def post(self, request: Request) -> Response:
        """Create a key. Its secret is in this answer and nowhere else.

        Needs a log-in of the last minutes, as revoking does; in a browser: the password, again.
        """
        body = self.read_body(schemas.NewKeyOfAccount)
        check_recent_log_in(request)
        account_id = act_for_sync(self.principal, body.pop("subaccount")).account_id
        limits.check_attempt("key_creation", address=get_address(request), account=str(account_id))
        account = Account.objects.get(pk=account_id)
        key, secret = do_create_api_key(account, by=self.user, **body)
        return Response({**schemas.ShownKey(key).data, "secret": secret or None}, status=201)


class KeyView(ApiView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        """Revoke a key; it stops within a second everywhere."""
        own = list_account_ids(self.principal)
        key = ApiKey.objects.filter(pk=key_id, account__in=own).first()
        if key is None:
            raise not_found("this key")
        check_recent_log_in(request)
        do_revoke_api_key(key, by=self.user)
        return Response(status=204)


class LimitsView(ApiView):
    read_scope = None

    @extend_schema(responses=schemas.ShownLimits)
    def get(self, request: Request) -> Response:
        """Show the buckets that this caller's requests take tokens from."""
        return Response({bucket: _show_bucket(request, bucket) for bucket in ("read", "write")})


def _show_bucket(request: Request, bucket: str) -> dict[str, Any]:
    principal: Any = request.auth
    subject, rate = find_bucket(principal, bucket, get_address(request))
    remaining = limits.count_remaining(subject, bucket, rate)
    return {"per_second": rate.per_second, "burst": rate.burst, "remaining": remaining}


def _show_user(user: User, principal: Principal) -> dict[str, Any]:
    return {
        "handle": user.handle,
        "display_name": user.display_name,
        "email": user.email,
        "email_verified": EmailAddress.objects.filter(user_id=user.pk, verified=True).exists(),
        "is_operator": user.is_staff,
        "two_factor": Authenticator.objects.filter(user_id=user.pk).exists(),
        "credential": principal.credential,
        "scopes": sorted(principal.scopes),
        "created_at": schemas.TimeField().to_representation(user.created_at),
    }
