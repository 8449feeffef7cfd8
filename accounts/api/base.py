"""The base of every DRF view: scopes, limits and strict reading of bodies and queries.

A view says what it needs: `read_scope` for GET and HEAD, `write_scope` for the rest (None: public);
`cost` in tokens; `operator_permission` for operators' calls ("accounts.deposit_credits"), which
need the scope `operate`; `operators_call` where others may call too, and a key with `operate` may.
"""

from typing import Any, cast

from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.api.permissions import Admission
from accounts.api.principal import Principal
from accounts.models import User
from kernel.errors import ApiError


class ApiView(APIView):
    permission_classes = [Admission]
    read_scope: str | None = "read"
    write_scope: str | None = "manage"
    operator_permission = ""
    operators_call = False
    cost = 1

    @property
    def principal(self) -> Principal:
        """The caller; always there when the scope is not None."""
        return cast("Principal", self.request.auth)

    @property
    def user(self) -> User:
        return cast("User", self.request.user)

    def read_body(self, serializer: type[Serializer]) -> dict[str, Any]:
        """Return the validated body; a 400 that names the field otherwise."""
        return _validate(serializer, self.request.data, {"user": self.request.user})

    def read_query(self, serializer: type[Serializer]) -> dict[str, Any]:
        """Return the validated query string; unknown and repeated names are refused too."""
        for name, values in self.request.query_params.lists():
            if len(values) > 1:
                raise ApiError("repeated_field", name[:60])
        return _validate(serializer, self.request.query_params.dict(), {"is_query": True})


def _validate(serializer: type[Serializer], data: Any, context: dict[str, Any]) -> dict[str, Any]:
    checked = serializer(data=data, context=context)
    checked.is_valid(raise_exception=True)
    return checked.validated_data
