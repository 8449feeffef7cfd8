"""What the project itself serves: the API's documentation, offline, and the admin behind log-in."""

import re

import pytest

pytestmark = pytest.mark.django_db


def test_the_documentation_needs_nothing_from_outside(client):
    page = client.get("/api/docs/")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert page.status_code == 200
    assert len(addresses) >= 4
    assert all(address.startswith("/") for address in addresses)
    for address in addresses:
        assert client.get(address).status_code == 200, address


def test_a_page_may_run_no_script_but_its_own(client):
    policy = client.get("/api/docs/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "default-src 'self'" in policy
    scripts = next(part for part in policy.split(";") if "script-src" in part)
    assert "unsafe" not in scripts


def test_the_schema_is_public(client):
    schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert schema["openapi"].startswith("3.")


def test_the_admin_asks_allauth_for_the_log_in(client):
    response = client.get("/admin/login/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_every_answer_has_a_request_id(client):
    assert (
        client.get("/health", headers={"X-Request-ID": "mine-0001"})["X-Request-ID"] == "mine-0001"
    )


def test_the_front_page_is_the_markets_page(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "<h1>Markets</h1>" in page.content.decode()
