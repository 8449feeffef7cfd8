"""Django's test client, shortened to what a program does: JSON calls under /api/v1/."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.contract import check_answer


@dataclass
class Api:
    client: Client
    bearer: str = ""
    refresh: str = ""

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("get", path, None, headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.call("post", path, body or {}, headers)

    def patch(self, path: str, body: Any, **headers: str) -> HttpResponse:
        return self.call("patch", path, body, headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.call("delete", path, None, headers)

    def call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> HttpResponse:
        """`body` is encoded as JSON unless it is text or bytes already."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.bearer:
            sent["Authorization"] = f"Bearer {self.bearer}"
        options = {} if body is None else {"data": body, "content_type": "application/json"}
        response = getattr(self.client, method)(f"/api/v1/{path}", headers=sent, **options)
        exact_path = response.wsgi_request.path
        check_answer(method.upper(), exact_path, response.status_code, response.content)
        return response


def assert_error(response: HttpResponse, status: int, code: str, field: str | None = None) -> None:
    """The answer has the one shape of errors, this status and code, and says which field."""
    body = response.json()
    assert (response.status_code, body["code"], body["field"]) == (status, code, field), body
    assert set(body) == {"code", "message", "field", "request_id"}
    assert body["message"]
    assert response["X-Request-ID"] == body["request_id"]
